"""VStarcam discovery over UDP 8600: four octets, answered to port 8601 with a record of fixed form.

It only ever searches: other commands of the same port change devices. Known from a published capture of firmware
66.81.204.19 and from third-party code. What it calls a serial number names the unit to its maker's cloud, and the
name in it is its user's: neither tells a model.
"""

import struct

from bartizan.identity.model import Fact, Kind, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 8600
ANSWER_PORT = 8601
MAKER = "vstarcam"
_SEARCH = b"DH\x01\x01"
_FOUND = b"DH\x01\x08"
_ANSWER = struct.Struct("<4s16s16s16s16s16s6sH32s32s48s16s")


def request() -> bytes:
    """Return the search."""
    return _SEARCH


def parse(data: bytes) -> Answer:
    """Return what an answer says; the search of somebody else says nothing."""
    if data == _SEARCH:
        return None
    if not data.startswith(_FOUND):
        return Rubbish("message on port 8601 that is no VStarcam discovery answer")
    if len(data) < _ANSWER.size:
        return Rubbish("VStarcam answer that is cut short")
    octets, port, identifier, _, _, firmware = _ANSWER.unpack_from(data)[6:]
    claimed = read_mac(octets.hex())
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.VSTARCAM, 60, "answers on UDP 8600"),
            *say(Fact.KIND, Kind.CAMERA.value, Source.VSTARCAM, 60, "the protocol is of cameras"),
            *say(Fact.SERIAL, c_string(identifier), Source.VSTARCAM, 70, "device id"),
            *say(Fact.FIRMWARE, c_string(firmware), Source.VSTARCAM, 65, "firmware version"),
            *say(Fact.MAC, claimed or "", Source.VSTARCAM, 70, "hardware address"),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )
