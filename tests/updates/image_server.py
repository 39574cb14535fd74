"""A scripted stand-in for the controller's image port: ranges, and every way to cut a transfer short."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-", re.IGNORECASE)


@dataclass
class ImageServer:
    """Serves images by their SHA-256. Tests change its fields while it runs."""

    images: dict[str, bytes] = field(default_factory=dict)
    """By their SHA-256 in hexadecimal."""
    cut_after: list[int] = field(default_factory=list)
    """Octets after which the next answers break off, in turn."""
    ignores_ranges: bool = False
    status: int = 0
    """Answer only with this, if not 0."""
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Path and first octet of each request."""
    url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1].decode()
            found = _RANGE.search(request)
            begin = int(found[1]) if found and not self.ignores_ranges else 0
            self.asked.append((path, begin))
            writer.write(self._answer(path, begin))
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _answer(self, path: str, begin: int) -> bytes:
        content = self.images.get(path.rpartition("/")[2])
        if self.status or content is None:
            return f"HTTP/1.1 {self.status or 404} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        rest = content[begin:]
        status = "206 Partial Content" if begin else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(rest)}", "Connection: close"]
        if begin:
            lines.append(f"Content-Range: bytes {begin}-{len(content) - 1}/{len(content)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        return head + (rest[: self.cut_after.pop(0)] if self.cut_after else rest)
