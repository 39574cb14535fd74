"""One interface's datagrams: asks every discovery protocol there, and tells what is heard."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from bartizan.ids import Address
from bartizan_agent.discovery.answer import Heard, Rubbish, read_address
from bartizan_agent.discovery.channels import Channel, Round
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.pace import Pace
from bartizan_agent.discovery.sockets import datagram_socket, destination

DATAGRAMS_PER_SENDER = 8  # read of one protocol; more is a flood
SENDERS = 4096  # listened to of one protocol, so that forged senders do not fill the memory
_DATAGRAM = 65535
_READS_PER_WAKE_UP = 64

Tell = Callable[[Interface, Address, Heard | Rubbish], None]


class Segment:
    """The discovery sockets of one interface. Within `with`, what is heard is told in the event loop.

    Args:
        interface: The only interface they send and hear on.
        channels: The protocols.
        tell: Called with every answer that says something of its sender, rubbish included.
        listen: Only overhear: announcements, and answers to others, where these come to well-known ports and groups.
    """

    def __init__(self, interface: Interface, channels: Iterable[Channel], tell: Tell, *, listen: bool = False) -> None:
        self.interface = interface
        self.problems: list[str] = []
        """Which protocols cannot be spoken here, and why."""
        self._channels = tuple(channel for channel in channels if channel.overheard_port or not listen)
        self._tell = tell
        self._listen = listen
        self._sockets: list[tuple[socket.socket, Channel]] = []
        self._heard: dict[tuple[str, Address], int] = {}

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as opening:
            opening.callback(self._close)
            for channel in self._channels:
                self._open(channel, socket.AF_INET)
                if channel.destinations_v6 and self.interface.has_ipv6:
                    self._open(channel, socket.AF_INET6)
            for sock, channel in self._sockets:
                loop.add_reader(sock, self._read, sock, channel)
            opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    async def ask(self, number: int, pace: Pace) -> None:
        """Send the requests of one round, each to one of its protocol's groups."""
        for sock, channel in self._sockets:
            v6 = sock.family is socket.AF_INET6
            groups = channel.destinations_v6 if v6 else channel.destinations
            if not groups:
                continue
            await pace.turn(ahead=True)
            self._send(sock, channel, number, groups[number % len(groups)])

    async def ask_directly(self, address: Address, pace: Pace) -> None:
        """Send to one IPv4 address what it may answer although it does not hear the groups."""
        for sock, channel in self._sockets:
            if channel.asks_directly and sock.family is socket.AF_INET:
                await pace.turn(ahead=True)
                self._send(sock, channel, 0, address)

    def _send(self, sock: socket.socket, channel: Channel, number: int, address: str) -> None:
        request = channel.request(Round(number, uuid.uuid4(), self.interface))
        with contextlib.suppress(OSError):  # no address of this family (yet): nobody could answer
            sock.sendto(request, destination(self.interface, address, channel.port))

    def _open(self, channel: Channel, family: socket.AddressFamily) -> None:
        port = channel.overheard_port if self._listen else channel.answer_port
        groups = channel.groups(v6=family is socket.AF_INET6) if port else ()
        try:
            sock = datagram_socket(self.interface, family, port=port, groups=groups)
        except OSError as error:
            self.problems.append(f"{channel.name} on {self.interface.name} is left out: {error.strerror}")
            return
        self._sockets.append((sock, channel))

    def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock, _ in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _read(self, sock: socket.socket, channel: Channel) -> None:
        for _ in range(_READS_PER_WAKE_UP):
            try:
                data, sender = sock.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an earlier request of ours
            address = read_address(sender[0])
            if address and address not in self.interface.addresses and self._is_welcome(channel, address):
                answer = channel.parse(data)
                if answer is not None:
                    self._tell(self.interface, address, answer)

    def _is_welcome(self, channel: Channel, sender: Address) -> bool:
        key = (channel.name, sender)
        count = self._heard.get(key, 0)
        if count >= DATAGRAMS_PER_SENDER or (not count and len(self._heard) >= SENDERS * len(self._channels)):
            return False
        self._heard[key] = count + 1
        return True
