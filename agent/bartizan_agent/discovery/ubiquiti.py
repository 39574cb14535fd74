"""Ubiquiti discovery over UDP 10001: a version, and a list of types and values; devices announce themselves by it, too.

Known from third-party code written against real devices, not from the vendor. Most of what answers is no camera.
"""

import re

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan_agent.discovery import type_value
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, say

PORT = 10001
GROUP = "233.89.188.1"
MAKER = "ubiquiti"
_HEADER = 4
_VERSIONS = frozenset({1, 2})
_MAC, _MAC_AND_IPV4, _FIRMWARE = 0x01, 0x02, 0x03
_MODEL, _FULL_MODEL, _MODEL_V2, _VERSION_V2 = 0x0C, 0x14, 0x15, 0x16
_CAMERA = re.compile(r"\A(?:UVC|airCam)\b", re.IGNORECASE)
_RECORDER = re.compile(r"\A(?:UNVR|airVision)", re.IGNORECASE)
_VERSION = re.compile(r"\bv(\d+\.\d+(?:\.\d+)?)")  # a build number may follow


def request() -> bytes:
    """Return the search of version 1, which devices of both versions answer."""
    return b"\x01\x00\x00\x00"


def parse(data: bytes) -> Answer:
    """Return what an answer or an announcement says; a search has no values."""
    if len(data) < _HEADER or data[0] not in _VERSIONS:
        return Rubbish("message on port 10001 that is no Ubiquiti discovery answer")
    said = dict(type_value.entries(data[_HEADER:], ">BH"))
    if not said:
        return None
    claimed = read_mac((said.get(_MAC) or said.get(_MAC_AND_IPV4, b""))[:6].hex())
    model = next((text for kind in (_FULL_MODEL, _MODEL_V2, _MODEL) if (text := c_string(said.get(kind, b"")))), "")
    if claimed is None and not model:
        return Rubbish("Ubiquiti answer with neither a model nor a MAC address")
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.UBIQUITI, 75, "answers on UDP 10001"),
            *say(Fact.MODEL, model, Source.UBIQUITI, 65, "model"),
            *say(Fact.MAC, claimed or "", Source.UBIQUITI, 70, "hardware address"),
            *say(Fact.FIRMWARE, _firmware(said), Source.UBIQUITI, 65, "firmware version"),
            *_kind(model),
        ),
        claimed_mac=claimed,
    )


def _firmware(said: dict[int, bytes]) -> str:
    """The number alone, or the one inside `AirCam.GM8126.v3.1.4.39.7e42364`."""
    number = c_string(said.get(_VERSION_V2, b""))
    inside = _VERSION.search(c_string(said.get(_FIRMWARE, b"")))
    return number or (inside.group(1) if inside else "")


def _kind(model: str) -> tuple[Evidence, ...]:
    """Access points and switches answer, too: only a name that tells says anything."""
    for form, kind in ((_CAMERA, Kind.CAMERA), (_RECORDER, Kind.RECORDER)):
        if form.match(model):
            return say(Fact.KIND, kind.value, Source.UBIQUITI, 60, "model")
    return ()
