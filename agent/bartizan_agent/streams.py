"""Octets to and from a connected socket, as they are or by TLS.

TLS is the standard library's over buffers of ours: asyncio's own sets 256 KB aside for every connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

READ_OCTETS = 32 * 1024
NO_LIMIT = 1 << 62
_RAGGED_END = "UNEXPECTED_EOF_WHILE_READING"

T = TypeVar("T")


class Octets(Protocol):
    """A connection's two directions. What the system or TLS refuses is raised as an `OSError`."""

    async def read(self) -> bytes:
        """Return what has come, or nothing where the other side has ended."""

    async def write(self, data: bytes) -> None:
        """Send all of it."""


class Plain:
    """Octets as they are."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """See `Octets.read`."""
        return await self._loop.sock_recv(self._sock, READ_OCTETS)

    async def write(self, data: bytes) -> None:
        """See `Octets.write`."""
        await self._loop.sock_sendall(self._sock, data)


class Tls:
    """Octets by TLS, for the side that connected.

    Args:
        sock: Connected; closed by whoever made it.
        context: Whom to trust.
        name: What the other side's certificate has to say, where `context` checks that.
        limit: Octets that may come until all that follows is held for the end of it.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str = "", limit: int = NO_LIMIT) -> None:
        self._plain = Plain(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)
        self._left = limit

    async def shake_hands(self) -> None:
        """Agree on keys; must come first."""
        await self._until_done(self.tls.do_handshake)

    async def read(self) -> bytes:
        """See `Octets.read`. Many devices end without saying so: that is an end as well."""
        try:
            return await self._until_done(lambda: self.tls.read(READ_OCTETS))
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLEOFError) or error.reason == _RAGGED_END:
                return b""
            raise

    async def write(self, data: bytes) -> None:
        """See `Octets.write`."""
        await self._until_done(lambda: self.tls.write(data))

    async def _until_done(self, action: Callable[[], T]) -> T:
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                await self._flush()
            else:
                await self._flush()
                return result
            chunk = await self._plain.read()
            self._left -= len(chunk)
            if not chunk or self._left < 0:
                self._incoming.write_eof()
            else:
                self._incoming.write(chunk)

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._plain.write(data)
