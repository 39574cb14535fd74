"""NiceVision discovery over UDP 2007: a search that says where answers go, and an answer of fixed form.

Known from third-party code written against real devices, not from the vendor. Encoders and recorders answer it, too,
so that it tells no kind; in which order its version numbers stand is unknown, so that it tells no firmware.
"""

import struct

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 2007
MAKER = "nice"
_MAGIC = b"NICE"
_SEARCH = struct.Struct(">4sHHHHH")
_OPERATION = 0x0108
_ANSWER = struct.Struct(">4sH4x6s4s4s4s46x16s")


def request(number: int) -> bytes:
    """Return the search of this number, from 0, to be answered to the port itself."""
    return _SEARCH.pack(_MAGIC, number % 0xFFFF + 1, _OPERATION, 0, 0, PORT)


def parse(data: bytes) -> Answer:
    """Return what an answer says; the search of somebody else says nothing."""
    if not data.startswith(_MAGIC):
        return Rubbish("message on port 2007 that is no NiceVision discovery answer")
    if len(data) == _SEARCH.size and _SEARCH.unpack(data)[2] == _OPERATION:
        return None
    if len(data) < _ANSWER.size:
        return Rubbish("NiceVision answer that is cut short")
    _, _, octets, _, _, _, name = _ANSWER.unpack_from(data)
    claimed = read_mac(octets.hex())
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.NICEVISION, 75, "answers on UDP 2007"),
            *say(Fact.MODEL, c_string(name), Source.NICEVISION, 60, "name"),
            *say(Fact.MAC, claimed or "", Source.NICEVISION, 70, "hardware address"),
        ),
        claimed_mac=claimed,
    )
