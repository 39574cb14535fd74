"""HTTP as values: what a device's web pages see of a request, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

XML = "application/xml; charset=UTF-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
OCTETS = "application/octet-stream"
JPEG = "image/jpeg"


@dataclass(frozen=True)
class Request:
    """One request. The body is empty while its headers alone are looked at."""

    method: str
    target: str
    """Path and query as sent: digest authentication covers exactly this."""
    headers: Mapping[str, str]
    """Lower-case names; of repeated headers the last."""
    source: str
    """Address of the client."""
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query; of repeated names the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    spread_seconds: float = 0.0
    """Over how long the body comes, line by line and without a length; 0 is at once."""

    @property
    def phrase(self) -> str:
        """The words behind the status; makers have statuses of their own."""
        return HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Status"


class Dropped:
    """In place of an answer: the connection breaks, as it does while a camera writes its flash."""


class WebSite(Protocol):
    """What a device serves over HTTP."""

    def admit(self, request: Request) -> Response | Dropped | None:
        """Look at the headers before the body is read. Anything but None turns the request away."""

    def answer(self, request: Request) -> Response | Dropped:
        """Answer a request whose body has arrived."""
