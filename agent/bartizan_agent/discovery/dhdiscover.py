"""Dahua discovery: JSON behind a 32-byte header over UDP 37810, and the fixed binary form over UDP 5050 before it."""

import json
import re
import struct
from typing import Any

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, c_string, read_mac, read_port, say

PORT = 37810
GROUP = "239.255.255.251"
OLD_PORT = 5050
MAKER = "dahua"
LIMIT = 64 * 1024  # octets
_MAGIC = b"\x20\x00\x00\x00DHIP"
_OLD_LENGTH = 0x78  # of section 1, which every answer has
_KINDS = {
    "IPC": Kind.CAMERA,
    "SD": Kind.CAMERA,
    "PTZ": Kind.CAMERA,
    "TPC": Kind.CAMERA,
    "NVR": Kind.RECORDER,
    "XVR": Kind.RECORDER,
    "DVR": Kind.RECORDER,
    "HCVR": Kind.RECORDER,
    "EVS": Kind.RECORDER,
    "IVSS": Kind.RECORDER,
    "VTO": Kind.OTHER,
    "VTH": Kind.OTHER,
    "ASI": Kind.OTHER,
    "BSC": Kind.OTHER,
}
_NO_BADGE = {"", "general", "private", "n/a", "none"}
_DATED_VERSION = re.compile(r"\.(\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\Z")
_BUILD = re.compile(r"\A([\w.]+)\s*,\s*build\s*:\s*(\d{4}-\d{2}-\d{2})\s*\Z", re.IGNORECASE)


def request() -> bytes:
    """Return the search of the newer form. A bare or byte-reversed header gets no answer from most models."""
    body = b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}\n'
    return _MAGIC + bytes(8) + struct.pack("<I4xI4x", len(body), len(body)) + body


def old_request() -> bytes:
    """Return the search of the older form."""
    return b"\xa3\x01\x00\x01" + bytes(12) + b"\x02\x00\x00\x00" + bytes(12)


def parse(data: bytes) -> Answer:
    """Return what a `client.notifyDevInfo` says. Its body is found by its first brace: header lengths lie."""
    if len(data) > LIMIT:
        return Rubbish(f"DHDiscover answer of {len(data)} octets; at most {LIMIT} are read")
    start = data.find(b"{")
    if start < 0:
        return Rubbish("DHDiscover answer without a JSON body")
    try:
        message, _ = json.JSONDecoder().raw_decode(data[start:].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return Rubbish("DHDiscover answer whose JSON does not parse")
    message = _mapping(message)
    if str(message.get("method", "")).startswith("DHDiscover."):
        return None
    info = _mapping(_mapping(message.get("params")).get("deviceInfo"))
    if not info:
        return Rubbish("DHDiscover answer without deviceInfo")
    return _heard(info, _text(message.get("mac")))


def parse_old(data: bytes) -> Answer:
    """Return what an answer on port 5050 says."""
    if data[:1] == b"\xa3":
        return None
    if len(data) < _OLD_LENGTH or data[:1] != b"\xb3":
        return Rubbish("answer on port 5050 that is no Dahua discovery answer")
    second_length = data[2]
    third_length = struct.unpack_from("<H", data, 0x14)[0]
    second = data[_OLD_LENGTH : _OLD_LENGTH + second_length]
    third = data[_OLD_LENGTH + second_length : _OLD_LENGTH + second_length + third_length]
    lines = dict(line.partition(":")[::2] for line in third.decode("utf-8", "replace").splitlines())
    model = c_string(second[17:]) or lines.get("Device", "") or c_string(data[0x28:0x38])
    claimed = read_mac(c_string(second[:17]))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.DHDISCOVER, 75, "answers on UDP 5050"),
            *say(Fact.MODEL, model, Source.DHDISCOVER, 70, "device type"),
            *say(Fact.SERIAL, lines.get("SerialNo", ""), Source.DHDISCOVER, 75, "SerialNo"),
            *say(Fact.MAC, claimed or "", Source.DHDISCOVER, 70, "MAC"),
            *_kind_of_model(model),
        ),
        claimed_mac=claimed,
        web_ports=_ports(struct.unpack_from("<H", data, 32 + 62)[0]),
    )


def _heard(info: dict[str, Any], top_level_mac: str) -> Heard:
    model = _text(info.get("DeviceType"))
    claimed = read_mac(top_level_mac) or read_mac(_text(info.get("mac")))
    device_class = _text(info.get("DeviceClass")).upper()
    kind = _KINDS.get(device_class)
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.DHDISCOVER, 80, "answers DHDiscover"),
            *_badges(info),
            *say(Fact.MODEL, "" if model.lower() == "ip camera" else model, Source.DHDISCOVER, 80, "DeviceType"),
            *say(Fact.SERIAL, _text(info.get("SerialNo")), Source.DHDISCOVER, 85, "SerialNo"),
            *say(Fact.MAC, claimed or "", Source.DHDISCOVER, 80, "mac"),
            *say(Fact.KIND, kind.value if kind else "", Source.DHDISCOVER, 75, f"DeviceClass={device_class}"),
            *_firmware(_text(info.get("Version"))),
        ),
        claimed_mac=claimed,
        web_ports=_ports(info.get("HttpPort")),
    )


def _badges(info: dict[str, Any]) -> tuple[Evidence, ...]:
    badges = {name: _text(info.get(name)) for name in ("Vendor", "Manufacturer")}
    return tuple(
        evidence
        for name, badge in badges.items()
        if badge.lower() not in _NO_BADGE
        for evidence in say(Fact.BRAND, badge, Source.DHDISCOVER, 75, name)
    )


def _firmware(version: str) -> tuple[Evidence, ...]:
    """`M.mmm.NNNNNNN.b.R`, with its build date where it is given as `.YYMMDD` or `,build:YYYY-MM-DD`."""
    with_build = _BUILD.match(version)
    dated = _DATED_VERSION.search(version)
    date = ""
    if with_build:
        version, date = with_build.groups()
    elif dated:
        date = "20{}-{}-{}".format(*dated.groups())
    return (
        *say(Fact.FIRMWARE, version, Source.DHDISCOVER, 80, "Version"),
        *say(Fact.BUILD_DATE, date, Source.DHDISCOVER, 80, "Version"),
    )


def _kind_of_model(model: str) -> tuple[Evidence, ...]:
    family = re.match(r"(?:DHI?-)?([A-Z]{2,4})", model.upper())
    kind = _KINDS.get(family.group(1)) if family else None
    return say(Fact.KIND, kind.value if kind else "", Source.DHDISCOVER, 60, "device type")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip("\x00 ") if isinstance(value, str) else ""


def _ports(value: object) -> tuple[int, ...]:
    port = read_port(value)
    return (port,) if port else ()
