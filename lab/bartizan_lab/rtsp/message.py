"""RTSP messages and their digest authentication (RFC 2326, RFC 2069), without sockets."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field

LIMIT = 16 * 1024  # octets of one message's head

_PARAMETER = re.compile(r'(\w+)="?([^",]*)"?')


@dataclass(frozen=True)
class Message:
    """A request (`DESCRIBE rtsp://… RTSP/1.0`) or a response (`RTSP/1.0 200 OK`)."""

    first_line: tuple[str, str, str]
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def status(self) -> int:
        """The status code of a response."""
        return int(self.first_line[1])

    def encode(self) -> bytes:
        """Return the message's octets, with the length of its body."""
        headers = {**self.headers, **({"Content-Length": str(len(self.body))} if self.body else {})}
        head = " ".join(self.first_line) + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return head.encode() + b"\r\n" + self.body


def parse_head(head: bytes) -> Message:
    """Return the message that begins with `head`, still without body.

    Raises:
        ValueError: It is not RTSP.
    """
    lines = head.decode("utf-8", "replace").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) != 3 or "RTSP/1.0" not in (first[0], first[2]):
        raise ValueError(f"not RTSP: {lines[0][:80]!r}")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return Message((first[0], first[1], first[2]), {name.strip().title(): value.strip() for name, _, value in pairs})


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Return the next message of a connection.

    Raises:
        ValueError: It is not RTSP.
        asyncio.IncompleteReadError: The peer closed.
        asyncio.LimitOverrunError: The head is longer than the reader's limit.
    """
    message = parse_head(await reader.readuntil(b"\r\n\r\n"))
    length = min(int(message.headers.get("Content-Length", "0")), LIMIT)
    return Message(message.first_line, message.headers, await reader.readexactly(length))


def parameters(header: str) -> dict[str, str]:
    """Return the parameters of a `WWW-Authenticate` or `Authorization` header."""
    return dict(_PARAMETER.findall(header.partition(" ")[2]))


def digest_response(*, username: str, password: str, realm: str, nonce: str, method: str, uri: str) -> str:
    """Return the response to a digest challenge without `qop` (RFC 2069), which is what RTSP servers ask for."""
    secret = _md5(f"{username}:{realm}:{password}")
    return _md5(f"{secret}:{nonce}:{_md5(f'{method}:{uri}')}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
