"""One bounded TCP conversation with a device: connect, perhaps TLS, send, and read as much as is wanted."""

import asyncio
import enum
import errno
import socket
import ssl
from collections.abc import Callable

import msgspec

from bartizan.ids import Address
from bartizan_agent.discovery import tls_subject
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.pace import Limits, Pace
from bartizan_agent.discovery.sockets import destination, stream_socket
from bartizan_agent.streams import Octets, Plain, Tls

_GONE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}


class Peer(msgspec.Struct, frozen=True):
    """An address on the link of an interface."""

    interface: Interface
    address: Address


class Reached(enum.Enum):
    """What became of connecting to a port."""

    OPEN = "open"
    REFUSED = "refused"
    """Closed, but somebody is there to say so."""
    SILENT = "silent"
    GONE = "gone"
    """The link says that nobody has this address."""


class Reply(msgspec.Struct, frozen=True):
    """What came of a conversation, however it ended."""

    reached: Reached
    data: bytes = b""
    certificate: bytes = b""
    """DER, with TLS only."""


class Question(msgspec.Struct, frozen=True):
    """What to send to a port, and when enough was read."""

    port: int
    request: bytes
    is_complete: Callable[[bytes], bool]
    by_tls: bool = False


class Caller:
    """Asks devices, as politely as `limits` say. Shared by all looks of a scan."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pace = Pace(limits.packets_per_second)
        self._context = tls_subject.reading_context()

    async def ask(self, peer: Peer, question: Question) -> Reply:
        """Hold one conversation, however it ends. Only being cancelled raises."""
        await self.pace.turn()
        try:
            sock = stream_socket(peer.interface, peer.address)
        except OSError:  # its interface went away under us
            return Reply(Reached.GONE)
        with sock:
            reached = await _connect(sock, peer, question.port, self.limits.connect_seconds)
            if reached is not Reached.OPEN:
                return Reply(reached)
            tls = _ByTls(sock, self._context) if question.by_tls else None
            data = bytearray()
            try:
                async with asyncio.timeout(self.limits.read_seconds):
                    await (tls.talk(question, data) if tls else _talk(Plain(sock), question, data))
            except (TimeoutError, OSError):
                pass  # what was read until then is the reply; `ssl.SSLError` is an OSError
            return Reply(Reached.OPEN, bytes(data), tls.certificate if tls else b"")


async def _connect(sock: socket.socket, peer: Peer, port: int, seconds: float) -> Reached:
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, destination(peer.interface, peer.address, port))
    except TimeoutError:
        return Reached.SILENT
    except OSError as error:
        return Reached.GONE if error.errno in _GONE else Reached.REFUSED
    return Reached.OPEN


async def _talk(octets: Octets, question: Question, data: bytearray) -> None:
    if question.request:
        await octets.write(question.request)
    while not question.is_complete(bytes(data)):
        chunk = await octets.read()
        if not chunk:
            return
        data += chunk


class _ByTls:
    """A conversation by TLS, which tells of the certificate even if it comes to nothing after that."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._octets = Tls(sock, context, limit=tls_subject.LIMIT)
        self.certificate = b""

    async def talk(self, question: Question, data: bytearray) -> None:
        await self._octets.shake_hands()
        self.certificate = self._octets.tls.getpeercert(binary_form=True) or b""
        await _talk(self._octets, question, data)
