"""Panasonic (i-PRO) discovery: asked on UDP 10670, from UDP 10669, where answers come; some devices broadcast them.

Known from third-party code written against real devices, not from the vendor. The same port takes commands that change
devices: only the search is ever sent.
"""

import itertools
import socket
import struct

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan_agent.discovery import type_value
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, read_port, say
from bartizan_agent.discovery.interfaces import Interface

PORT = 10670
ANSWER_PORT = 10669
MAKER = "panasonic"
_SEARCH = b"\x00\x01\x00\x2a\x00\x0d"
_HEADER = 0x30  # of search and answer, before their lists
_CONSTANTS = bytes.fromhex("0000 20111e11231f1e1913 0000 0201 0000000000000000000000 fff0")
_MAC = slice(6, 12)
_IPV4, _MASK, _GATEWAY, _WEB_PORT, _NAME, _MODEL = 0x20, 0x21, 0x22, 0x25, 0xA7, 0xA8
_FIRMWARE, _CHANNELS, _SERIAL = 0xA9, 0xC0, 0xD1
_ASKED = (
    *(0x26, _IPV4, _MASK, _GATEWAY, 0x23, _WEB_PORT, 0x28, 0x40, 0x41, 0x42, 0x44),
    *(0xA5, 0xA6, _NAME, _MODEL, 0xAD, 0xB3, 0xB4, 0xB7, 0xB8),
)
_LIST_END = 0xFFFF
_RECORDERS = ("NX", "WJ-")


def request(interface: Interface) -> bytes:
    """Return the search, which says who asks and of what."""
    own = next((address for address in interface.addresses if ":" not in address), "0.0.0.0")
    sender = bytes.fromhex((interface.mac or "ff:ff:ff:ff:ff:ff").replace(":", "")) + socket.inet_aton(own)
    asked = struct.pack(f">{len(_ASKED) + 1}H", *_ASKED, _LIST_END)
    message = _SEARCH + bytes(6) + sender + _CONSTANTS + asked
    return message + struct.pack(">H", (sum(message) + 1) & 0xFFFF)


def parse(data: bytes) -> Answer:
    """Return what an answer says; a search, which names no device, says nothing."""
    if len(data) <= _HEADER or data[:2] != _SEARCH[:2]:
        return Rubbish("message on port 10669 or 10670 that is no Panasonic discovery answer")
    if not any(data[_MAC]):
        return None
    said = _said(data)
    claimed = read_mac(data[_MAC].hex())
    model = c_string(said.get(_MODEL, b""))
    if claimed is None and not model:
        return Rubbish("Panasonic answer with neither a model nor a MAC address")
    port = read_port(int.from_bytes(said.get(_WEB_PORT, b"")[:2], "big"))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.PANASONIC, 75, "answers on UDP 10669"),
            *say(Fact.MODEL, model, Source.PANASONIC, 65, "model name"),
            *say(Fact.SERIAL, c_string(said.get(_SERIAL, b"")), Source.PANASONIC, 65, "serial number"),
            *say(Fact.FIRMWARE, c_string(said.get(_FIRMWARE, b"")), Source.PANASONIC, 60, "firmware version"),
            *say(Fact.MAC, claimed or "", Source.PANASONIC, 70, "MAC"),
            *_kind(model, said),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )


def _said(data: bytes) -> dict[int, bytes]:
    listed = type_value.entries(data[_HEADER:], ">HH")
    return dict(itertools.takewhile(lambda entry: entry[0] != _LIST_END, listed))


def _kind(model: str, said: dict[int, bytes]) -> tuple[Evidence, ...]:
    """Only recorders have channels; what else answers is a camera."""
    is_recorder = _CHANNELS in said or model.upper().startswith(_RECORDERS)
    kind = Kind.RECORDER if is_recorder else Kind.CAMERA
    return say(Fact.KIND, kind.value, Source.PANASONIC, 55, "model and channels")
