"""Hanwha (Wisenet, earlier Samsung Techwin) discovery: 262 fixed octets, asked on UDP 7701, answered to UDP 7711."""

from urllib.parse import urlsplit

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 7701
ANSWER_PORT = 7711
MAKER = "hanwha"
_LENGTH = 0x106
_REQUEST, _ANSWER = 0x01, 0x0B
_SHORTEST = 0x85  # where the last field begins that an identity needs
_MAC, _TYPE, _URL = slice(0x13, 0x25), slice(0x6D, 0x77), slice(0x85, 0xAC)


def request() -> bytes:
    """Return the search."""
    return bytes([_REQUEST]).ljust(_LENGTH, b"\x00")


def parse(data: bytes) -> Answer:
    """Return what an answer says. Its addresses are left aside: where it came from is known better."""
    if data[:1] == bytes([_REQUEST]):
        return None
    if len(data) < _SHORTEST or data[0] != _ANSWER:
        return Rubbish("answer on port 7711 that is no Hanwha discovery answer")
    claimed = read_mac(c_string(data[_MAC]))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.HANWHA, 75, "answers on UDP 7711"),
            *say(Fact.MODEL, _model(data), Source.HANWHA, 65, "device type"),
            *say(Fact.MAC, claimed or "", Source.HANWHA, 70, "MAC"),
        ),
        claimed_mac=claimed,
        web_ports=_web_ports(c_string(data[_URL])),
    )


def _model(data: bytes) -> str:
    """What fills the field may have been cut to fit: an image for the wrong model would be chosen by it."""
    text = c_string(data[_TYPE])
    return text if len(text) < _TYPE.stop - _TYPE.start - 1 else ""


def _web_ports(url: str) -> tuple[int, ...]:
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 0)
    except ValueError:
        return ()
    return (port,) if port and parts.scheme == "http" else ()
