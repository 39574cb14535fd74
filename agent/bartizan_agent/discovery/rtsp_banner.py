"""What an RTSP server gives away to OPTIONS.

DESCRIBE is not asked: some firmware counts its refusal as a failed login.
"""

import re

from bartizan.identity.model import Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, say

LIMIT = 8 * 1024  # octets
WEIGHT = 60
_STATUS = re.compile(r"\ARTSP/\d\.\d (\d{3})")
_REALM = re.compile(r'realm="([^"]{0,128})"', re.IGNORECASE)


def request(host: Address, port: int) -> bytes:
    """Return an OPTIONS request."""
    name = f"[{host}]" if ":" in host else host
    return f"OPTIONS rtsp://{name}:{port}/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: bartizan\r\n\r\n".encode()


def is_complete(data: bytes) -> bool:
    """Return whether the headers are there, or the limit is reached."""
    return b"\r\n\r\n" in data or len(data) >= LIMIT


def parse(data: bytes) -> Answer:
    """Return the headers that fingerprints are about."""
    text = data[:LIMIT].decode("latin-1")
    if not _STATUS.match(text):
        return Rubbish("RTSP port that answers no RTSP" if data else "RTSP port that answers nothing")
    lines = (line.partition(":") for line in text.splitlines()[1:64])
    headers = [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]
    server = next((value for name, value in headers if name == "server"), "")
    realms = [realm for name, value in headers if name == "www-authenticate" for realm in _REALM.findall(value)]
    return Heard(
        evidence=(
            *say(Fact.SERVER, server, Source.RTSP, WEIGHT, "Server"),
            *(
                said
                for realm in dict.fromkeys(realms[:4])
                for said in say(Fact.REALM, realm, Source.RTSP, WEIGHT, "realm")
            ),
        )
    )
