"""What a camera's web server gives away before any login: status line, headers, and the title of its first page."""

import re
from collections.abc import Iterator

import msgspec

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery.answer import Rubbish, pair, say

LIMIT = 32 * 1024  # octets read of one answer, headers and body
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


class Rule(msgspec.Struct, frozen=True):
    """Where a pattern fits a part of an answer, that part speaks for a maker."""

    pattern: re.Pattern[str]
    maker: str
    weight: int


def _rules(*rows: tuple[str, str, int]) -> tuple[Rule, ...]:
    return tuple(Rule(re.compile(pattern, re.IGNORECASE), maker, weight) for pattern, maker, weight in rows)


_SERVERS = _rules(
    (r"\A(?:hikvision-webs|dnvrs-webs|dvrdvs-webs|app-webs)\b", "hikvision", 65),
    (r"\AMWS 0\.01\b", "hikvision", 45),  # Annke
    (r"\A(?:webserver|webs)\Z", "hikvision", 20),  # GoAhead's default too
    (r"\b(?:Hipcam RealServer|HiIpcam)\b", "hicam", 60),
)
_REALMS = _rules(
    (r"\AIP Camera\([0-9A-Za-z]{1,8}\)\Z", "hikvision", 60),
    (r"\A(?:hikvision\b|i?DS-\d)", "hikvision", 60),
    (r"\ALogin to [0-9A-Za-z]{6,32}\Z", "dahua", 60),
    (r"\AAXIS_", "axis", 65),
    (r"\A(?:iPolis|Hanwha)", "hanwha", 55),
)
_TITLES = _rules(
    (r"\AAXIS\b", "axis", 55),
    (r"\bHanwha (?:Techwin|Vision)\b", "hanwha", 50),
    (r"NETSurveillance", "xiongmai", 55),
)


def request(host: Address, port: int, path: str = "/") -> bytes:
    """Return a GET, without credentials, whose answer ends with the connection."""
    return _head("GET", host, port, path) + b"\r\n"


def post(host: Address, port: int, path: str, body: bytes) -> bytes:
    """Return a POST of JSON, without credentials."""
    extra = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
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
    """Return what the headers and the title of the first page speak for."""
    title = _TITLE.search(answer.body)
    return tuple(
        said
        for rules, header, text in (
            (_SERVERS, "Server", answer.headers.get("server", "")),
            (_REALMS, "realm", answer.realm),
            (_TITLES, "title", title.group(1).decode("utf-8", "replace").strip() if title else ""),
        )
        for said in _matching(rules, header, text)
    )


def _matching(rules: tuple[Rule, ...], header: str, text: str) -> Iterator[Evidence]:
    for rule in rules:
        if text and rule.pattern.search(text):
            yield from say(Fact.MAKER, rule.maker, Source.HTTP, rule.weight, pair(header, text))
            return


def _head(method: str, host: Address, port: int, path: str) -> bytes:
    name = f"[{host}]" if ":" in host else host
    shown = name if port == 80 else f"{name}:{port}"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {shown}\r\nUser-Agent: bartizan\r\nAccept: */*\r\nConnection: close\r\n"
    ).encode()
