"""What a report changes: the comparison of what is held of a site's devices with what its gateway says now. Pure.

A device's *substance* leaves out what moves by itself (when it was last seen, how many packets were dropped), so that
a report of an unchanged site rewrites nothing. Its *facts* are the part of it that people ask about later.
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import ne
from typing import Any, NamedTuple

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.wire.up import DevicePosture, Posture

Counts = Counter[tuple[str, str]]
"""How many devices by (dimension, value)."""

Facts = dict[str, str]
"""What history keeps of a device, by the names in `FACTS`; what is not known is left out. Empty: it is not there."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """The facts of a device as history keeps them, one of which is empty where it is not known.

    A report that changes a whole site makes and compares two of them for every device, so that it is no dictionary.
    A fact that is added comes last: what was kept before it is read as empty.
    """

    presence: str = ""
    """`present` or `lost`; empty: it is not there, and nothing is known of it."""
    maker: str = ""
    brand: str = ""
    kind: str = ""
    model: str = ""
    firmware: str = ""
    build_date: str = ""
    serial: str = ""
    macs: str = ""
    addresses: str = ""
    vulnerabilities: str = ""
    wanted: str = ""
    enforced: str = ""
    not_enforceable: str = ""

    @property
    def facts(self) -> Facts:
        """The same by name, of what is known."""
        return {name: value for name, value in zip(FACTS, msgspec.structs.astuple(self), strict=True) if value}


class SeenDevice(msgspec.Struct, frozen=True):
    """A device, and how its gateway holds it."""

    device: Device
    posture: DevicePosture | None = None
    """None: the gateway lists the device but has not yet judged it."""
    told: bytes = b""
    """Digest of both as they were sent, 16 octets; empty where it is not known how they were."""

    @property
    def agrees(self) -> bool:
        """Whether what is enforced is what is wanted, and nothing goes around it."""
        posture = self.posture
        return posture is not None and posture.wanted is posture.enforced and not posture.not_enforceable_because

    @property
    def dropped_packets(self) -> int:
        """How many of its packets were dropped, as far as is known."""
        return self.posture.dropped_packets if self.posture is not None else 0


class Substance(NamedTuple):
    """All of a device that does not move by itself, as it is kept."""

    seen: SeenDevice
    device: bytes
    posture: bytes


class FieldChange(msgspec.Struct, frozen=True):
    """One line of a device's history."""

    device: DeviceId
    at: float
    field: str
    before: str
    after: str


class HeldDevice(NamedTuple):
    """What is held of a device, as far as changes follow from it."""

    last_seen: float
    dropped_packets: int
    told: bytes
    """As in `SeenDevice`, when it was written last."""
    device: bytes
    posture: bytes
    """Both as in `Substance`."""
    facts: bytes
    """As history keeps them."""
    indexed: tuple[object, ...]
    """What indices hold of it."""


class Comparison(NamedTuple):
    """What a report changes of the devices that it names."""

    written: tuple[Substance, ...]
    """New, or changed in substance."""
    touched: tuple[SeenDevice, ...]
    """The same in substance, but seen again, or with more packets dropped."""


def join(devices: Iterable[Device], posture: Posture) -> dict[DeviceId, SeenDevice]:
    """Return each device with its posture. Of devices with the same id the last one counts."""
    postures = {held.device: held for held in posture.devices}
    return {device.id: SeenDevice(device, postures.get(device.id)) for device in devices}


def substances(seen: Iterable[SeenDevice]) -> tuple[Substance, ...]:
    """Return devices without what moves by itself."""
    seen = tuple(seen)
    devices = _lines([msgspec.structs.replace(each.device, last_seen=0.0) for each in seen])
    postures = _lines(
        [
            each.posture and (each.posture if not each.posture.dropped_packets else _unmoved(each.posture))
            for each in seen
        ]
    )
    return tuple(map(Substance, seen, devices, postures))


def _unmoved(posture: DevicePosture) -> DevicePosture:
    return msgspec.structs.replace(posture, dropped_packets=0)


def _lines(values: list[Any]) -> list[bytes]:
    """Encode many values at once: one at a time takes longer."""
    return _ENCODER.encode_lines(values).split(b"\n")[: len(values)]


def told_digest(device: msgspec.Raw, posture: msgspec.Raw) -> bytes:
    """Return the digest of a device and its posture as they were sent, 16 octets."""
    # A JSON document ends where it ends: two in a row cannot be read as two others.
    digest = hashlib.sha256(device)
    digest.update(posture)
    return digest.digest()[:16]


def compare(held: Mapping[DeviceId, HeldDevice], seen: Mapping[DeviceId, SeenDevice]) -> Comparison:
    """Return what is new or changed of what a gateway says of devices, given what is held of them."""
    written: list[Substance] = []
    touched: list[SeenDevice] = []
    for identifier, now in zip(seen, substances(seen.values()), strict=True):
        before, device = held.get(identifier), now.seen
        if before is None or before.device != now.device or before.posture != now.posture:
            written.append(now)
        elif before[:3] != (device.device.last_seen, device.dropped_packets, device.told):
            touched.append(device)
    return Comparison(tuple(written), tuple(touched))


def record(seen: SeenDevice) -> Record:
    """Return what history keeps of a device."""
    device, identity, posture = seen.device, seen.device.identity, seen.posture
    enforced = posture.enforced if posture is not None else None
    return Record(
        "lost" if device.lost else "present",
        identity.maker,
        identity.brand,
        identity.kind.value,
        identity.model,
        identity.firmware,
        identity.build_date,
        identity.serial,
        " ".join(device.macs),
        " ".join(device.addresses),
        " ".join(device.vulnerabilities),
        posture.wanted.value if posture is not None else "",
        enforced.value if enforced is not None else "",
        posture.not_enforceable_because if posture is not None else "",
    )


class Touches(NamedTuple):
    """What else of a device follows from facts that changed."""

    names: bool
    exposure: bool
    counts: bool


def touches(before: Record, after: Record) -> Touches:
    """Return what follows from a change of facts."""
    return _touches(tuple(map(ne, msgspec.structs.astuple(before), msgspec.structs.astuple(after))))


@functools.cache
def _touches(altered: tuple[bool, ...]) -> Touches:
    names = {name for name, is_altered in zip(Record.__struct_fields__, altered, strict=True) if is_altered}
    return Touches(not names.isdisjoint(_NAMING), not names.isdisjoint(_EXPOSING), not names.isdisjoint(_COUNTED))


def changes(device: DeviceId, before: Facts, after: Facts, *, at: float) -> tuple[FieldChange, ...]:
    """Return what changed from one set of facts to another, fact by fact."""
    return tuple(
        FieldChange(device, at, name, before.get(name, ""), after.get(name, ""))
        for name in FACTS
        if before.get(name, "") != after.get(name, "")
    )


def counts(told: Record) -> Counts:
    """Return what one device adds to the counters."""
    if not told.presence:
        return Counter()
    wanted, enforced, advisories = told.wanted, told.enforced, vulnerabilities(told)
    return Counter(
        {
            ("devices", ""): 1,
            ("maker", told.maker.casefold()): 1,
            ("kind", told.kind): 1,
            ("wanted", wanted): 1,
            ("enforced", enforced): 1,
            ("agrees", _truth(bool(wanted) and wanted == enforced and not told.not_enforceable)): 1,
            ("vulnerable", _truth(bool(advisories))): 1,
            **{("vulnerable-to", advisory): 1 for advisory in advisories},
        }
    )


def vulnerabilities(told: Record) -> frozenset[str]:
    """Return the advisories that a device is open to, spelled as they are counted and found by."""
    return frozenset(told.vulnerabilities.upper().split())


def names(device: Device) -> frozenset[tuple[str, str]]:
    """Return what a device answers to, as (kind, name)."""
    found = {("id", name_key(device.id))}
    if device.identity.serial.strip():
        found.add(("serial", name_key(device.identity.serial)))
    found |= {("mac", name_key(each)) for each in device.macs}
    found |= {("address", name_key(each)) for each in device.addresses}
    return frozenset(found)


def name_key(text: str) -> str:
    """Return a name as it is compared: devices and people write serial numbers in any case."""
    return text.strip().casefold()


def _truth(value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "true" if value else "false"


FACTS = tuple(name.replace("_", "-") for name in Record.__struct_fields__)
ABSENT = Record()
_NAMING = frozenset({"presence", "serial", "macs", "addresses"})
"""The facts that `names` looks at."""
_EXPOSING = frozenset({"presence", "vulnerabilities"})
_COUNTED = frozenset({"presence", "maker", "kind", "wanted", "enforced", "not_enforceable", "vulnerabilities"})
"""The facts that `counts` looks at."""
_ENCODER = msgspec.json.Encoder(order="deterministic")
"""Fields in the order of their definition: equal values are equal octets, in less time than sorting takes."""
