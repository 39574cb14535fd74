"""Hikvision SADP: XML over UDP 37020, answered to the sender or to the group.

It only ever inquires: other types of request change devices.
"""

import re
from uuid import UUID

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan_agent.discovery import loose_xml
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, read_port, say

PORT = 37020
GROUP = "239.255.255.250"
MAKER = "hikvision"
_ROOTS = {"probematch", "probematches"}
_VERSION = re.compile(r"\A(V?\d+(?:\.\d+){1,3})\s*,?\s*build\s*(\d{6})", re.IGNORECASE)
_DATE_IN_SERIAL = re.compile(r"20[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_GENERIC = re.compile(r"\A(?:ip\s?(?:camera|dome|zoom)|ipc|nvr|dvr|network\s.*|\d+)\Z", re.IGNORECASE)
_RECORDER = re.compile(r"\Ai?DS-(?:7|8|9|A)\d", re.IGNORECASE)
_CAMERA = re.compile(r"\Ai?DS-2", re.IGNORECASE)


def request(uuid: UUID) -> bytes:
    """Return the inquiry. The UUID is only echoed."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>{str(uuid).upper()}</Uuid><Types>inquiry</Types></Probe>'
    ).encode()


def parse(data: bytes) -> Answer:
    """Return what a ProbeMatch says; its root's spelling differs between firmwares."""
    root = loose_xml.read(data)
    if isinstance(root, Rubbish):
        return root
    if loose_xml.local_name(root) == "probe":
        return None
    said = loose_xml.fields(root)
    if loose_xml.local_name(root) not in _ROOTS and "devicesn" not in said:
        return Rubbish("SADP answer without a ProbeMatch or a serial number")
    return Heard(
        evidence=_evidence(said),
        claimed_mac=read_mac(said.get("mac", "")),
        web_ports=tuple(port for port in (read_port(said.get("httpport", "")),) if port),
    )


def model_of_serial(serial: str) -> str:
    """Return the model that a serial number begins with: what stands before the last plausible date in it."""
    dates = [match.start() for match in re.finditer(f"(?={_DATE_IN_SERIAL.pattern})", serial[:128])]
    return serial[: dates[-1]] if dates else ""


def _evidence(said: dict[str, str]) -> tuple[Evidence, ...]:
    serial = said.get("devicesn", "")
    model, model_field = said.get("devicedescription", ""), "DeviceDescription"
    if not model or _GENERIC.match(model):
        model, model_field = model_of_serial(serial), "DeviceSN"
    return (
        *say(Fact.MAKER, MAKER, Source.SADP, 80, "answers SADP"),
        *say(Fact.MODEL, model, Source.SADP, 80, model_field),
        *say(Fact.SERIAL, serial, Source.SADP, 85, "DeviceSN"),
        *say(Fact.MAC, read_mac(said.get("mac", "")) or "", Source.SADP, 80, "MAC"),
        *_firmware(said.get("softwareversion", "")),
        *_kind(model, said.get("digitalchannelnum", "")),
        *_badge(said),
        *_factory_state(said.get("activated", "")),
    )


def _firmware(version: str) -> tuple[Evidence, ...]:
    """`V5.5.6build 180326` as `V5.5.6 build 180326`, and the date in it (YYMMDD)."""
    match = _VERSION.match(version)
    if not match:
        return say(Fact.FIRMWARE, version, Source.SADP, 70, "SoftwareVersion")
    number, build = match.groups()
    date = f"20{build[:2]}-{build[2:4]}-{build[4:]}"
    return (
        *say(Fact.FIRMWARE, f"{number} build {build}", Source.SADP, 80, "SoftwareVersion"),
        *say(Fact.BUILD_DATE, date, Source.SADP, 80, "SoftwareVersion"),
    )


def _kind(model: str, digital_channels: str) -> tuple[Evidence, ...]:
    channels = int(digital_channels) if re.fullmatch(r"[0-9]{1,4}", digital_channels) else 0
    if _RECORDER.match(model) or channels > 4:
        return say(Fact.KIND, Kind.RECORDER.value, Source.SADP, 75, "model and channels")
    if _CAMERA.match(model):
        return say(Fact.KIND, Kind.CAMERA.value, Source.SADP, 75, "model")
    return ()


def _badge(said: dict[str, str]) -> tuple[Evidence, ...]:
    badge = said.get("oeminfo", "")
    if badge.lower() in {"", "n/a", "none", "null"}:
        badge = ""
    return (
        *say(Fact.BRAND, badge, Source.SADP, 70, "OEMInfo"),
        *say(Fact.OEM_CODE, said.get("oemcode", ""), Source.SADP, 70, "OEMCode"),
    )


def _factory_state(activated: str) -> tuple[Evidence, ...]:
    """Whether it has no password yet. Some firmware spells it `flase`."""
    word = activated[:1].lower()
    value = {"f": "true", "0": "true", "t": "false", "1": "false"}.get(word, "")
    return say(Fact.FACTORY_STATE, value, Source.SADP, 80, f"Activated={activated}")
