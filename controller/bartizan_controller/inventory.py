"""What a report changes: the comparison of what is held of a site's devices with what its gateway says now. Pure.

A device's *substance* leaves out what moves by itself (when it was last seen, how many packets were dropped), so that
a report of an unchanged site rewrites nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.wire import codec
from bartizan.wire.up import DevicePosture, Posture

Counts = Counter[tuple[str, str]]
"""How many devices by (dimension, value)."""


class SeenDevice(msgspec.Struct, frozen=True):
    """A device, and how its gateway holds it."""

    device: Device
    posture: DevicePosture | None = None
    """None: the gateway lists the device but has not yet judged it."""

    @property
    def agrees(self) -> bool:
        """Whether what is enforced is what is wanted."""
        return self.posture is not None and self.posture.wanted is self.posture.enforced

    @property
    def dropped_packets(self) -> int:
        """How many of its packets were dropped, as far as is known."""
        return self.posture.dropped_packets if self.posture is not None else 0

    def substance(self) -> bytes:
        """Return a digest, 16 octets, of all that does not move by itself."""
        still = (
            msgspec.structs.replace(self.device, last_seen=0.0),
            self.posture and msgspec.structs.replace(self.posture, dropped_packets=0),
        )
        return hashlib.sha256(codec.encode(still)).digest()[:16]


class FieldChange(msgspec.Struct, frozen=True):
    """One line of a device's history."""

    device: DeviceId
    at: float
    field: str
    before: str
    after: str


class HeldDevice(msgspec.Struct, frozen=True):
    """What is held of a device, as far as a comparison needs it."""

    substance: bytes
    last_seen: float
    dropped_packets: int


class Comparison(msgspec.Struct, frozen=True):
    """What a report changes in the inventory of its site."""

    written: tuple[SeenDevice, ...]
    """New, or changed in substance."""
    touched: tuple[SeenDevice, ...]
    """The same in substance, but seen again, or with more packets dropped."""
    gone: tuple[DeviceId, ...]


def join(devices: Iterable[Device], posture: Posture) -> dict[DeviceId, SeenDevice]:
    """Return each device with its posture. Of devices with the same id the last one counts."""
    postures = {held.device: held for held in posture.devices}
    return {device.id: SeenDevice(device, postures.get(device.id)) for device in devices}


def compare(held: Mapping[DeviceId, HeldDevice], seen: Mapping[DeviceId, SeenDevice]) -> Comparison:
    """Return what changes, given what is held of each device."""
    written: list[SeenDevice] = []
    touched: list[SeenDevice] = []
    for identifier, device in seen.items():
        before = held.get(identifier)
        if before is None or before.substance != device.substance():
            written.append(device)
        elif (before.last_seen, before.dropped_packets) != (device.device.last_seen, device.dropped_packets):
            touched.append(device)
    return Comparison(tuple(written), tuple(touched), tuple(held.keys() - seen.keys()))


def history(before: SeenDevice | None, after: SeenDevice | None, *, at: float) -> tuple[FieldChange, ...]:
    """Return the lines that a change adds to a device's history; None stands for a device that is not there."""
    known = after or before
    if known is None:
        return ()
    old, new = _told(before), _told(after)
    return tuple(
        FieldChange(known.device.id, at, field, old[field], new[field]) for field in new if old[field] != new[field]
    )


def counts(device: SeenDevice) -> Counts:
    """Return what one device adds to the counters."""
    told = _told(device)
    return Counter(
        {
            ("devices", ""): 1,
            ("maker", told["maker"]): 1,
            ("kind", told["kind"]): 1,
            ("wanted", told["wanted"]): 1,
            ("enforced", told["enforced"]): 1,
            ("agrees", str(device.agrees).lower()): 1,
            ("vulnerable", str(bool(device.device.vulnerabilities)).lower()): 1,
        }
    )


def _told(seen: SeenDevice | None) -> dict[str, str]:
    """What history tells of a device: what an operator or an auditor would ask for later."""
    if seen is None:
        return dict.fromkeys(_FIELDS, "")
    identity, posture = seen.device.identity, seen.posture
    values = (
        "present",
        identity.maker,
        identity.brand,
        identity.kind.value,
        identity.model,
        identity.firmware,
        identity.serial,
        " ".join(seen.device.addresses),
        " ".join(seen.device.vulnerabilities),
        posture.wanted.value if posture else "",
        posture.enforced.value if posture and posture.enforced else "",
        posture.not_enforceable_because if posture else "",
    )
    return dict(zip(_FIELDS, values, strict=True))


_FIELDS = (
    "presence",
    "maker",
    "brand",
    "kind",
    "model",
    "firmware",
    "serial",
    "addresses",
    "vulnerabilities",
    "wanted",
    "enforced",
    "not-enforceable",
)
