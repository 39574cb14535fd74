"""A TLS connection of one gateway, read and written as the socket allows.

asyncio's own TLS holds 256 KB of buffers for each connection and copies every octet through them; a fleet is made of
thousands of connections that carry a few hundred octets. So the socket does TLS itself, and the event loop only says
when it can be read.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable

READ_OCTETS = 64 * 1024
CONNECT_SECONDS = 60.0


class Channel:
    """An open connection. Made by `connect`; `closed` is done when it is over."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._hear: Callable[[bytes], None] = _ignore
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Hand what arrives to `hear` from now on. What it raises ends the connection, and is told by `closed`."""
        self._hear = hear
        self._loop.add_reader(self._stream, self._read)

    def send(self, data: bytes) -> None:
        """Send, now or when the socket takes it."""
        self._unsent.append(data)
        if len(self._unsent) == 1:
            self._write()

    def close(self, error: Exception | None = None) -> None:
        """End the connection."""
        if self.closed.done():
            return
        self._loop.remove_reader(self._stream)
        self._loop.remove_writer(self._stream)
        self._stream.close()
        if error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)

    def _read(self) -> None:
        try:
            data = self._stream.recv(READ_OCTETS)
            while self._stream.pending():
                # What TLS has decrypted already, no event will tell of.
                data += self._stream.recv(READ_OCTETS)
            if not data:
                self.close(ConnectionResetError("the broker ended the connection"))
            else:
                self._hear(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits for `closed` is told
            self.close(error)

    def _write(self) -> None:
        try:
            while self._unsent:
                self._stream.send(self._unsent[0])
                self._unsent.popleft()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._loop.add_writer(self._stream, self._write)
        except OSError as error:
            self.close(error)
        else:
            self._loop.remove_writer(self._stream)


async def connect(address: tuple[str, int], tls: ssl.SSLContext) -> Channel:
    """Connect, and shake hands.

    Raises:
        OSError: Nobody is there, or one of the two does not like the other's certificate.
        TimeoutError: It took longer than `CONNECT_SECONDS`.
    """
    plain = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(plain, address)
            stream = tls.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=address[0])
            plain = stream
            await _shake_hands(stream)
    except BaseException:
        plain.close()
        raise
    return Channel(stream)


async def _shake_hands(stream: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        try:
            stream.do_handshake()
        except ssl.SSLWantReadError:
            loop.add_reader(stream, ready.set)
        except ssl.SSLWantWriteError:
            loop.add_writer(stream, ready.set)
        else:
            return
        try:
            await ready.wait()
        finally:
            loop.remove_reader(stream)
            loop.remove_writer(stream)


def _ignore(_data: bytes) -> None:
    """Hear nothing."""
