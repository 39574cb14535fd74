"""Vivotek discovery over UDP 10000: a session number, a magic number, and a list of types and values.

Known from third-party code written against real devices, not from the vendor.
"""

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery import type_value
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 10000
MAKER = "vivotek"
_MAGIC = 0x4A5D8F1C.to_bytes(4, "big")
_HEADER = 5
_MAC, _FLAG, _MODEL = 0x02, 0x04, 0x09


def request(number: int) -> bytes:
    """Return the search; each has another session number."""
    return bytes([number % 255 + 1]) + _MAGIC


def is_of_vivotek(data: bytes) -> bool:
    """Return whether a datagram of port 10000, which others use too, is of this protocol."""
    return data[1:_HEADER] == _MAGIC


def parse(data: bytes) -> Answer:
    """Return what an answer says; a search of somebody else has no values."""
    if not is_of_vivotek(data):
        return Rubbish("answer from port 10000 that is no Vivotek discovery answer")
    said = dict(type_value.entries(data[_HEADER:], "BB", single={_FLAG}))
    if not said:
        return None
    claimed = read_mac(said.get(_MAC, b"")[:6].hex())
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.VIVOTEK, 75, "answers on UDP 10000"),
            *say(Fact.MODEL, c_string(said.get(_MODEL, b"")), Source.VIVOTEK, 65, "short name"),
            *say(Fact.MAC, claimed or "", Source.VIVOTEK, 70, "MAC"),
        ),
        claimed_mac=claimed,
    )
