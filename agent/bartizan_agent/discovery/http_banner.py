"""What a camera's web server gives away before any login: status line, headers, and the title of its first page."""

import hashlib
import re

import msgspec

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery.answer import Rubbish, say

LIMIT = 32 * 1024  # octets read of one answer, headers and body
WEIGHT = 60
ICON = "/favicon.ico"
_HEADER_LIMIT = 8 * 1024
_STATUS = re.compile(rb"\AHTTP/\d(?:\.\d)? +(\d{3})(?: |\r?\n)")
_TITLE = re.compile(rb"<title[^>]{0,128}>([^<]{1,256})", re.IGNORECASE)
_REALM = re.compile(r'realm="?([^",]{0,128})')


class HttpAnswer(msgspec.Struct, frozen=True):
    """As much of an HTTP answer as was read. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def realm(self) -> str:
        """The realm it asks a login for."""
        match = _REALM.search(self.headers.get("www-authenticate", ""))
        return match.group(1) if match else ""


def request(host: Address, port: int, path: str = "/") -> bytes:
    """Return a GET, without credentials, whose answer ends with the connection."""
    return _head("GET", host, port, path) + b"\r\n"


def post(host: Address, port: int, path: str, body: bytes, content_type: str) -> bytes:
    """Return a POST, without credentials."""
    extra = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return _head("POST", host, port, path) + extra + body


def is_complete(data: bytes) -> bool:
    """Return whether no more needs to be read: the announced body is there, or the limit is reached."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return len(data) >= _HEADER_LIMIT
    length = re.search(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})\r?(?:\n|\Z)", head, re.IGNORECASE)
    return len(data) >= LIMIT or (length is not None and len(body) >= int(length.group(1)))


def parse(data: bytes) -> HttpAnswer | Rubbish:
    """Return the answer, as far as it was read."""
    status = _STATUS.match(data)
    if not status:
        return Rubbish("HTTP port that answers no HTTP" if data else "HTTP port that answers nothing")
    head, _, body = data[:LIMIT].partition(b"\r\n\r\n")
    lines = head[:_HEADER_LIMIT].decode("latin-1").splitlines()[1:64]
    headers = {name.strip().lower(): value.strip() for name, colon, value in (x.partition(":") for x in lines) if colon}
    return HttpAnswer(int(status.group(1)), headers, body)


def evidence(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return the headers and the title of the first page. What they mean is for the catalogue's fingerprints to say."""
    title = _TITLE.search(answer.body)
    return (
        *say(Fact.SERVER, answer.headers.get("server", ""), Source.HTTP, WEIGHT, "Server"),
        *say(Fact.REALM, answer.realm, Source.HTTP, WEIGHT, "realm"),
        *say(Fact.TITLE, title.group(1).decode("utf-8", "replace") if title else "", Source.HTTP, WEIGHT, "title"),
    )


def icon(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return the hash of an icon, if it was read to its end."""
    length = answer.headers.get("content-length", "")
    is_whole = answer.status == 200 and length.isdecimal() and 0 < int(length) == len(answer.body)
    digest = hashlib.md5(answer.body, usedforsecurity=False).hexdigest() if is_whole else ""
    return say(Fact.FAVICON, digest, Source.HTTP, WEIGHT, ICON)


def _head(method: str, host: Address, port: int, path: str) -> bytes:
    name = f"[{host}]" if ":" in host else host
    shown = name if port == 80 else f"{name}:{port}"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {shown}\r\nUser-Agent: bartizan\r\nAccept: */*\r\nConnection: close\r\n"
    ).encode()
