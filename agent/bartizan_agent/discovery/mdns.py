"""mDNS (RFC 6762): Axis and Arecont cameras name model and MAC. Messages are read by zeroconf, an optional extra."""

import re
import struct
from importlib.util import find_spec

import msgspec

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, say

PORT = 5353
GROUP = "224.0.0.251"
GROUP_V6 = "ff02::fb"
_ARECONT = "_arec._tcp.local"
_SERVICES = {
    "_axis-video._tcp.local": ("axis", Kind.CAMERA),
    "_axis-nvr._tcp.local": ("axis", Kind.RECORDER),
    _ARECONT: ("arecont", Kind.CAMERA),
}
_RECORDS = 64  # read of one message
_TYPE_PTR = 12
_CLASS_IN = 1
_RESPONSE = 0x8000
_INSTANCE = re.compile(r"\A(?P<model>.+?) - (?P<mac>[0-9A-Fa-f]{12})\Z")
_BADGED_MODEL = re.compile(r"\A(?P<brand>AXIS)\s+(?P<model>.+)\Z", re.IGNORECASE)
_MAC_TEXT = re.compile(rb"macaddress=([0-9A-Fa-f:.-]{12,17})")
_ARECONT_INSTANCE = re.compile(r"\A(?P<brand>Arecont) AV ?(?P<number>.+)-AV(?P<mac>[0-9A-F]{6})\Z", re.IGNORECASE)
"""As in the self-test of a third-party scanner: the model without `AV`, and the MAC without its prefix."""
_ARECONT_PREFIX = "001A07"
_ARECONT_TEXT = re.compile(rb"MAC=[^/]*/(?P<number>[!-~][ -~]*)")
"""The model without `AV`, in full, padded with spaces. What stands before it is not known."""


def is_readable() -> bool:
    """Return whether zeroconf is installed, without which answers cannot be read."""
    return find_spec("zeroconf") is not None


def request() -> bytes:
    """Return one question per service type (RFC 6762 section 5.2)."""
    questions = b"".join(_name(name) + struct.pack("!HH", _TYPE_PTR, _CLASS_IN) for name in _SERVICES)
    return struct.pack("!6H", 0, 0, len(_SERVICES), 0, 0, 0) + questions


def parse(data: bytes) -> Answer:
    """Return what the services of a response say of their host."""
    if len(data) >= 4 and not int.from_bytes(data[2:4], "big") & _RESPONSE:
        return None
    records = _records(data)
    if isinstance(records, Rubbish):
        return records
    instances = [said for service, instance in records.pointers for said in _instance(service, instance)]
    texts = records.texts.values()
    macs = [(read_mac(match.group(1).decode()), 75, "TXT") for text in texts if (match := _MAC_TEXT.search(text))]
    for instance in (name for service, name in records.pointers if service == _ARECONT):
        named = _ARECONT_INSTANCE.match(_without_service(instance, _ARECONT))
        instances += _arecont(named, records.texts.get(instance.lower(), b""))
        macs += [(read_mac(_ARECONT_PREFIX + named.group("mac")), 60, "instance name")] if named else []
    of_mac = [said for mac, weight, where in macs for said in say(Fact.MAC, mac or "", Source.MDNS, weight, where)]
    evidence = (*instances, *of_mac)
    if not evidence:
        return None
    return Heard(tuple(dict.fromkeys(evidence)), next((mac for mac, _, _ in macs if mac), None))


class _Records(msgspec.Struct, frozen=True):
    pointers: tuple[tuple[str, str], ...]
    """(service type, instance name) of what we know how to read."""
    texts: dict[str, bytes]
    """By the instance, in lower case."""


def _records(data: bytes) -> _Records | Rubbish:
    import zeroconf

    message = zeroconf.DNSIncoming(data)  # type: ignore[attr-defined]  # exported, but not listed in __all__
    if not message.valid:
        return Rubbish("mDNS message that does not parse")
    pointers: list[tuple[str, str]] = []
    texts: dict[str, bytes] = {}
    for record in message.answers()[:_RECORDS]:
        if isinstance(record, zeroconf.DNSPointer):  # type: ignore[attr-defined]  # as above
            pointers.append((record.name.rstrip(".").lower(), record.alias.rstrip(".")))
        elif isinstance(record, zeroconf.DNSText):  # type: ignore[attr-defined]  # as above
            texts[record.name.rstrip(".").lower()] = record.text
    return _Records(tuple(pointers), texts)


def _instance(service: str, name: str) -> tuple[Evidence, ...]:
    if service not in _SERVICES:
        return ()
    maker, kind = _SERVICES[service]
    instance = _without_service(name, service)
    named = _INSTANCE.match(instance)
    badged = _BADGED_MODEL.match(named.group("model") if named else instance)
    serial = named.group("mac").upper() if named and maker == "axis" else ""
    return (
        *say(Fact.MAKER, maker, Source.MDNS, 75, service),
        *say(Fact.KIND, kind.value, Source.MDNS, 70, service),
        *say(Fact.BRAND, badged.group("brand") if badged else "", Source.MDNS, 60, "instance name"),
        *say(Fact.MODEL, badged.group("model") if badged and named else "", Source.MDNS, 70, "instance name"),
        *say(Fact.SERIAL, serial, Source.MDNS, 60, "instance name"),
    )


def _arecont(named: re.Match[str] | None, text: bytes) -> tuple[Evidence, ...]:
    told = _ARECONT_TEXT.search(text)
    if told:
        model = say(Fact.MODEL, f"AV{told.group('number').decode()}", Source.MDNS, 75, "TXT")
    else:
        model = say(Fact.MODEL, f"AV{named.group('number')}" if named else "", Source.MDNS, 70, "instance name")
    return (*say(Fact.BRAND, named.group("brand") if named else "", Source.MDNS, 60, "instance name"), *model)


def _without_service(name: str, service: str) -> str:
    return name[: -len(service) - 1] if name.lower().endswith(f".{service}") else name


def _name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\x00"
