"""What a report changes: the comparison of what is held of a site's devices with what its gateway says now. Pure.

A device's *substance* leaves out what moves by itself (when it was last seen, how many packets were dropped), so that
a report of an unchanged site rewrites nothing. Its *facts* are the part of it that people ask about later.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.wire.up import DevicePosture, Posture

Counts = Counter[tuple[str, str]]
"""How many devices by (dimension, value)."""

Facts = dict[str, str]
"""What history keeps of a device, by the names in `FACTS`; what is not known is left out. Empty: it is not there."""


class SeenDevice(msgspec.Struct, frozen=True):
    """A device, and how its gateway holds it."""

    device: Device
    posture: DevicePosture | None = None
    """None: the gateway lists the device but has not yet judged it."""

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
    digest: bytes


class FieldChange(msgspec.Struct, frozen=True):
    """One line of a device's history."""

    device: DeviceId
    at: float
    field: str
    before: str
    after: str


class HeldDevice(NamedTuple):
    """What is held of a device, as far as a comparison needs it."""

    digest: bytes
    last_seen: float
    dropped_packets: int


class Comparison(NamedTuple):
    """What a report changes in the inventory of its site."""

    written: tuple[Substance, ...]
    """New, or changed in substance."""
    touched: tuple[SeenDevice, ...]
    """The same in substance, but seen again, or with more packets dropped."""
    gone: tuple[DeviceId, ...]


def join(devices: Iterable[Device], posture: Posture) -> dict[DeviceId, SeenDevice]:
    """Return each device with its posture. Of devices with the same id the last one counts."""
    postures = {held.device: held for held in posture.devices}
    return {device.id: SeenDevice(device, postures.get(device.id)) for device in devices}


def substance(seen: SeenDevice) -> Substance:
    """Return a device without what moves by itself, and a digest of that, 16 octets."""
    device = _ENCODER.encode(msgspec.structs.replace(seen.device, last_seen=0.0))
    posture = _ENCODER.encode(seen.posture and msgspec.structs.replace(seen.posture, dropped_packets=0))
    # A JSON document ends where it ends: two in a row cannot be read as two others.
    return Substance(seen, device, posture, hashlib.sha256(device + posture).digest()[:16])


def compare(held: Mapping[DeviceId, HeldDevice], seen: Mapping[DeviceId, SeenDevice]) -> Comparison:
    """Return what changes, given what is held of each device."""
    written: list[Substance] = []
    touched: list[SeenDevice] = []
    for identifier, device in seen.items():
        before, now = held.get(identifier), substance(device)
        if before is None or before.digest != now.digest:
            written.append(now)
        elif before[1:3] != (device.device.last_seen, device.dropped_packets):
            touched.append(device)
    return Comparison(tuple(written), tuple(touched), tuple(held.keys() - seen.keys()))


def facts(seen: SeenDevice | None) -> Facts:
    """Return what history keeps of a device; None stands for a device that is not there."""
    if seen is None:
        return {}
    device, identity, posture = seen.device, seen.device.identity, seen.posture
    told = {
        "presence": "lost" if device.lost else "present",
        "maker": identity.maker,
        "brand": identity.brand,
        "kind": identity.kind.value,
        "model": identity.model,
        "firmware": identity.firmware,
        "build-date": identity.build_date,
        "serial": identity.serial,
        "macs": " ".join(device.macs),
        "addresses": " ".join(device.addresses),
        "vulnerabilities": " ".join(device.vulnerabilities),
    }
    if posture is not None:
        told |= {
            "wanted": posture.wanted.value,
            "enforced": posture.enforced.value if posture.enforced else "",
            "not-enforceable": posture.not_enforceable_because,
        }
    return {name: value for name, value in told.items() if value}


def changes(device: DeviceId, before: Facts, after: Facts, *, at: float) -> tuple[FieldChange, ...]:
    """Return what changed from one set of facts to another, fact by fact."""
    return tuple(
        FieldChange(device, at, name, before.get(name, ""), after.get(name, ""))
        for name in FACTS
        if before.get(name, "") != after.get(name, "")
    )


def counts(told: Facts) -> Counts:
    """Return what one device adds to the counters."""
    if not told:
        return Counter()
    wanted, enforced, advisories = told.get("wanted", ""), told.get("enforced", ""), vulnerabilities(told)
    return Counter(
        {
            ("devices", ""): 1,
            ("maker", told.get("maker", "").casefold()): 1,
            ("kind", told["kind"]): 1,
            ("wanted", wanted): 1,
            ("enforced", enforced): 1,
            ("agrees", _truth(bool(wanted) and wanted == enforced and "not-enforceable" not in told)): 1,
            ("vulnerable", _truth(bool(advisories))): 1,
            **{("vulnerable-to", advisory): 1 for advisory in advisories},
        }
    )


def vulnerabilities(told: Facts) -> frozenset[str]:
    """Return the advisories that a device is open to, spelled as they are counted and found by."""
    return frozenset(told.get("vulnerabilities", "").upper().split())


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


FACTS = (
    "presence",
    "maker",
    "brand",
    "kind",
    "model",
    "firmware",
    "build-date",
    "serial",
    "macs",
    "addresses",
    "vulnerabilities",
    "wanted",
    "enforced",
    "not-enforceable",
)
COUNTED = frozenset({"presence", "maker", "kind", "wanted", "enforced", "not-enforceable", "vulnerabilities"})
"""The facts that `counts` looks at."""
_ENCODER = msgspec.json.Encoder(order="deterministic")
"""Fields in the order of their definition: equal values are equal octets, in less time than sorting takes."""
