"""What became of a device between two looks, as the events that tell it. Pure."""

from collections.abc import Iterable, Iterator

import msgspec

from bartizan.identity.model import Device, Evidence, Fact
from bartizan.ids import DeviceId
from bartizan.wire import events
from bartizan_agent.notes import Note, note

LEAVING = "took leave of the network"
"""The problem of a device that said goodbye and was not seen since."""
_FOLLOWED = ("maker", "brand", "kind", "model", "firmware", "hardware", "platform", "serial")


class Change(msgspec.Struct, frozen=True):
    """What became of one device: the kind and detail of the event that tells it."""

    kind: str
    """`device.found`, `device.changed`, `device.lost` and the like."""
    device: DeviceId
    detail: dict[str, str] = {}


def notes(changes: Iterable[Change]) -> tuple[Note, ...]:
    """Return the events that tell what became of devices."""
    return tuple(note(change.kind, change.device, **change.detail) for change in changes)


def found(device: Device) -> Change:
    """Return the change of a device that was never seen before."""
    identity = device.identity
    detail = {
        "maker": identity.maker,
        "model": identity.model,
        "interface": device.interface,
        "confidence": str(identity.confidence),
    }
    return Change(events.DEVICE_FOUND, device.id, detail)


def lost(device: Device) -> Change:
    """Return the change of a device that has been silent for too long."""
    took_leave = "yes" if LEAVING in device.problems else "no"
    return Change(events.DEVICE_LOST, device.id, {"last_seen": f"{device.last_seen:.0f}", "took_leave": took_leave})


def swapped(device: Device, gone: Device, shared: Iterable[str]) -> Change:
    """Return the change of a device that stands in the place of one that is gone."""
    detail = {
        "instead_of": gone.id,
        "shared": ", ".join(sorted(shared)),
        "before": f"{gone.identity.maker} {gone.identity.model}".strip(),
        "after": f"{device.identity.maker} {device.identity.model}".strip(),
    }
    return Change(events.DEVICE_SWAPPED, device.id, detail)


def differences(before: Device, after: Device) -> Iterator[Change]:
    """Yield what is otherwise about one device."""
    if before.lost and not after.lost:
        yield Change(events.DEVICE_RETURNED, after.id, {"last_seen": f"{before.last_seen:.0f}"})
    if before.interface != after.interface:
        yield Change(events.DEVICE_MOVED, after.id, {"before": before.interface, "after": after.interface})
    for field in _FOLLOWED:
        old, new = getattr(before.identity, field), getattr(after.identity, field)
        if old != new:
            yield _changed(after, field, *(getattr(value, "value", value) for value in (old, new)))
    if before.hardening.failed.keys() != after.hardening.failed.keys():
        yield _changed(after, "hardening", ", ".join(before.hardening.failed), ", ".join(after.hardening.failed))
    for field in ("macs", "addresses", "vulnerabilities"):
        old, new = getattr(before, field), getattr(after, field)
        if set(old) != set(new):
            yield _changed(after, field, ", ".join(old), ", ".join(new))


def reset(device: Device, before: Iterable[Evidence], after: Iterable[Evidence]) -> Iterator[Change]:
    """Yield that a device which had a password says that it has none."""
    if _is_in_factory_state(before) == "false" and _is_in_factory_state(after) == "true":
        yield Change(events.DEVICE_RESET, device.id, {"firmware": device.identity.firmware})


def _is_in_factory_state(evidence: Iterable[Evidence]) -> str:
    said = (item for item in evidence if item.fact is Fact.FACTORY_STATE)
    best = max(said, key=lambda item: (item.weight, item.source.value), default=None)
    return best.value if best else ""


def _changed(device: Device, field: str, before: str, after: str) -> Change:
    return Change(events.DEVICE_CHANGED, device.id, {"field": field, "before": before, "after": after})
