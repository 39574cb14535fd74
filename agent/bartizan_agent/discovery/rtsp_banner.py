"""What an RTSP server gives away to OPTIONS.

DESCRIBE is not asked: some firmware counts its refusal as a failed login.
"""

import re

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, pair, say

LIMIT = 8 * 1024  # octets
_STATUS = re.compile(r"\ARTSP/\d\.\d (\d{3})")
_REALM = re.compile(r'realm="([^"]{0,128})"', re.IGNORECASE)
_SERVERS = (
    (re.compile(r"Dahua Rtsp Server", re.IGNORECASE), "dahua", 60),
    (re.compile(r"Hipcam RealServer|HiIpcam/", re.IGNORECASE), "hicam", 60),
    (re.compile(r"\bHikvision\b", re.IGNORECASE), "hikvision", 60),
)
_REALMS = (
    (re.compile(r"\AHikvision\Z", re.IGNORECASE), "hikvision", 55),
    (re.compile(r"\AIP Camera\([0-9A-Za-z]{1,8}\)\Z"), "hikvision", 55),
    (re.compile(r"\ALogin to [0-9A-Za-z]{6,32}\Z"), "dahua", 55),
    (re.compile(r"\AAXIS_", re.IGNORECASE), "axis", 60),
    (re.compile(r"\ANET-i\Z"), "hanwha", 50),
)


def request(host: Address, port: int) -> bytes:
    """Return an OPTIONS request."""
    name = f"[{host}]" if ":" in host else host
    return f"OPTIONS rtsp://{name}:{port}/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: bartizan\r\n\r\n".encode()


def is_complete(data: bytes) -> bool:
    """Return whether the headers are there, or the limit is reached."""
    return b"\r\n\r\n" in data or len(data) >= LIMIT


def parse(data: bytes) -> Answer:
    """Return what the answer's headers speak for."""
    text = data[:LIMIT].decode("latin-1")
    if not _STATUS.match(text):
        return Rubbish("RTSP port that answers no RTSP" if data else "RTSP port that answers nothing")
    lines = (line.partition(":") for line in text.splitlines()[1:64])
    headers = [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]
    server = next((value for name, value in headers if name == "server"), "")
    realms = [realm for name, value in headers if name == "www-authenticate" for realm in _REALM.findall(value)]
    said = [_first(_SERVERS, "Server", server), *(_first(_REALMS, "realm", realm) for realm in realms[:4])]
    return Heard(evidence=tuple(dict.fromkeys(evidence for found in said for evidence in found)))


def _first(rules: tuple[tuple[re.Pattern[str], str, int], ...], header: str, text: str) -> tuple[Evidence, ...]:
    for pattern, maker, weight in rules:
        if text and pattern.search(text):
            return say(Fact.MAKER, maker, Source.RTSP, weight, pair(header, text))
    return ()
