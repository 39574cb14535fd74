"""From a ruleset to the text of one nft transaction: whole, or only what differs from another ruleset."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from bartizan.containment import nft_text
from bartizan.containment.elements import Elements, device_elements, elements, prepared, site_elements
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import ROUTED, SETS
from bartizan.containment.words import Layout
from bartizan.ids import DeviceId
from bartizan.wire.codec import encode

Devices = Sequence[ContainedDevice]

_INTERVAL_SETS = frozenset(spec.name for spec in SETS if spec.interval)


class Marked(NamedTuple):
    """A ruleset and its digest, and what of that can be used again: the next ruleset is nearly the same."""

    ruleset: Ruleset
    digest: str
    parts: tuple[bytes, ...]
    """Of each device, its own digest."""
    claims: dict[str, int]
    """How many devices claim each MAC and address."""


class Difference(NamedTuple):
    """What turns a table that enforces one ruleset into one that enforces another."""

    marks: tuple[str, str]
    """Digests before and after."""
    emptied: tuple[str, ...]
    """Sets to take everything out of first: one interval cannot be replaced by another that overlaps it."""
    gone: Elements
    come: Elements
    """By name of the set, sets without a change left out."""


def digest(ruleset: Ruleset) -> str:
    """Return the SHA-256, in hexadecimal, of a ruleset's canonical JSON without devices and each device's SHA-256."""
    return _digest(ruleset, [_part(device) for device in ruleset.devices])


def marked(ruleset: Ruleset, like: Marked | None = None) -> Marked:
    """Return a ruleset with its digest; sooner where it shares devices, as objects, with one that is `like` it."""
    devices = ruleset.devices
    if like is None or len(like.parts) != len(devices):
        parts = tuple([_part(device) for device in devices])
        return Marked(ruleset, _digest(ruleset, parts), parts, Counter(_each_key(devices)))
    known = zip(like.ruleset.devices, like.parts, devices, strict=True)
    parts = tuple([part if old is new else _part(new) for old, part, new in known])
    claims = dict(like.claims)
    old, new = _apart(like.ruleset.devices, devices)
    for key in _each_key(old):
        claims[key] -= 1
    for key in _each_key(new):
        claims[key] = claims.get(key, 0) + 1
    return Marked(ruleset, _digest(ruleset, parts), parts, claims)


def render(ruleset: Ruleset, *, layout: Layout = ROUTED) -> str:
    """Return the transaction that replaces the whole table, whether or not there is one."""
    return nft_text.table(layout, digest(ruleset), elements(ruleset, layout))


def contents(ruleset: Ruleset) -> str:
    """Return the commands that fill the sets of an empty table: all of it that is not the same for every ruleset."""
    return "".join(nft_text.put(ROUTED.family, name, held) for name, held in elements(ruleset).items() if held)


def difference(before: Ruleset, after: Ruleset, *, layout: Layout = ROUTED) -> str:
    """Return the transaction that turns a table enforcing `before` into one enforcing `after`.

    Only elements are touched, so evidence lives on, and its cost grows with the change and not with the ruleset.
    Empty if the two are equal.
    """
    old, new = marked(before), marked(after)
    return "" if old.digest == new.digest else text_of(differing(old, new, layout), layout.family)


def differing(before: Marked, after: Marked, layout: Layout = ROUTED) -> Difference:
    """Return what differs between two rulesets. Devices that are the same objects in both cost next to nothing."""
    old, new = _changed_elements(_prepared(before, layout), _prepared(after, layout), layout)
    changed = [name for name in old if old[name] != new[name]]
    gone: Elements = {}
    come: Elements = {}
    for name in changed:
        if name in _INTERVAL_SETS:
            come[name] = new[name]
        else:
            gone[name] = dict(old[name].items() - new[name].items())
            come[name] = dict(new[name].items() - old[name].items())
    emptied = tuple(name for name in changed if name in _INTERVAL_SETS)
    return Difference((before.digest, after.digest), emptied, gone, come)


def text_of(change: Difference, family: str = ROUTED.family) -> str:
    """Return a difference as the text of one transaction."""
    return nft_text.exchange_mark(family, *change.marks) + "".join(
        command for name in change.come for command in _exchange(family, name, change)
    )


def _prepared(ruleset: Marked, layout: Layout) -> Marked:
    """Return a ruleset with all that a table's sets need to know of it; of a router that is nothing more."""
    return ruleset if layout.family == ROUTED.family else marked(prepared(ruleset.ruleset, layout))


def _exchange(family: str, name: str, change: Difference) -> Iterable[str]:
    if name in change.emptied:
        yield nft_text.empty(family, name)
    if gone := change.gone.get(name):
        yield nft_text.take(family, name, gone)
    if come := change.come[name]:
        yield nft_text.put(family, name, come)


def _changed_elements(before: Marked, after: Marked, layout: Layout) -> tuple[Elements, Elements]:
    """Return what the sets hold of all that changed, in both."""
    old, new = _apart(before.ruleset.devices, after.ruleset.devices)
    keys = frozenset(_each_key((*old, *new)))
    claims = Counter(_each_key(old))
    if any(before.claims.get(key, 0) > claims[key] for key in keys):
        # Whoever shares an address with one of these counts for how that is held, and so on for those it shares with.
        unchanged = _unchanged(before.ruleset.devices, after.ruleset.devices)
        sharing = _claimants(unchanged, keys)
        sharing = _claimants(unchanged, keys.union(_each_key(sharing)))
    else:
        sharing = []
    elements_before, elements_after = (device_elements((*changed, *sharing), keys, layout) for changed in (old, new))
    if _site(before.ruleset) != _site(after.ruleset):
        for ruleset, found in ((before.ruleset, elements_before), (after.ruleset, elements_after)):
            for name, held in site_elements(ruleset, layout).items():
                found[name].update(held)
    return elements_before, elements_after


def _apart(before: Devices, after: Devices) -> tuple[list[ContainedDevice], list[ContainedDevice]]:
    """Return the devices that are only before, and those that are only after."""
    if len(before) == len(after):
        # Nearly always the same devices in the same order, and nearly all of them the same objects.
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old is not new]
        pairs = [(old, new) for old, new in pairs if old != new]
        return [old for old, _ in pairs], [new for _, new in pairs]
    old, new = _by_id(before), _by_id(after)
    return (
        [device for device in before if new.get(device.id) != device],
        [device for device in after if old.get(device.id) != device],
    )


def _unchanged(before: Devices, after: Devices) -> list[ContainedDevice]:
    if len(before) == len(after):
        return [new for old, new in zip(before, after, strict=True) if old == new]
    old = _by_id(before)
    return [device for device in after if old.get(device.id) == device]


def _by_id(devices: Devices) -> dict[DeviceId, ContainedDevice]:
    return {device.id: device for device in devices}


def _each_key(devices: Iterable[ContainedDevice]) -> Iterator[str]:
    for device in devices:
        yield from device.macs
        yield from device.addresses


def _part(device: ContainedDevice) -> bytes:
    return hashlib.sha256(encode(device)).digest()


def _digest(ruleset: Ruleset, parts: Iterable[bytes]) -> str:
    found = hashlib.sha256(encode(msgspec.structs.replace(ruleset, devices=())))
    found.update(b"".join(parts))
    return found.hexdigest()


def _claimants(devices: Iterable[ContainedDevice], keys: frozenset[str]) -> list[ContainedDevice]:
    return [device for device in devices if not (keys.isdisjoint(device.macs) and keys.isdisjoint(device.addresses))]


def _site(ruleset: Ruleset) -> tuple[object, ...]:
    return ruleset.segments, ruleset.estate_networks, ruleset.segment_recorders, ruleset.management, ruleset.routers
