"""Foscam discovery over UDP 10000: a head that begins with `MO_I`, and an answer of fixed form by broadcast.

It only ever searches: other operations of the same port set addresses. Known from the vendor's protocol description
of its first generation, which others' cameras of the same origin speak, too.
"""

import struct

from bartizan.identity.model import Fact, Kind, Source
from bartizan_agent.discovery import vivotek
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 10000
MAKER = "foscam"
_MAGIC = b"MO_I"
_HEAD = struct.Struct("<4sHB8sII")
_ANSWER = struct.Struct(">13s21s4s4s4s4s4s4s4sHB")
_SEARCH, _FOUND = 0, 1


def request() -> bytes:
    """Return the search."""
    return _HEAD.pack(_MAGIC, _SEARCH, 0, bytes(8), 4, 4) + b"\0\0\0\x01"


def parse(data: bytes) -> Answer:
    """Return what an answer says. Vivotek's share the port, and searches of somebody else say nothing."""
    if vivotek.is_of_vivotek(data):
        return None
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        return Rubbish("message on port 10000 that is no Foscam discovery answer")
    operation = _HEAD.unpack_from(data)[1]
    if operation != _FOUND:
        return None
    if len(data) < _HEAD.size + _ANSWER.size:
        return Rubbish("Foscam answer that is cut short")
    identifier, *_, system, _application, port, _dhcp = _ANSWER.unpack_from(data, _HEAD.size)
    claimed = read_mac(c_string(identifier))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.FOSCAM, 60, "answers on UDP 10000"),
            *say(Fact.KIND, Kind.CAMERA.value, Source.FOSCAM, 60, "the protocol is of cameras"),
            *say(Fact.FIRMWARE, ".".join(str(part) for part in system), Source.FOSCAM, 65, "system version"),
            *say(Fact.MAC, claimed or "", Source.FOSCAM, 70, "camera id"),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )
