"""From a ruleset to the text of one nft transaction: whole, or only what differs from another ruleset."""

import hashlib
from collections.abc import Iterable

from bartizan.containment import nft_text
from bartizan.containment.elements import Elements, device_elements, elements, prepared, site_elements
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import ROUTED, SETS
from bartizan.containment.words import Layout
from bartizan.wire.codec import encode

_INTERVAL_SETS = frozenset(spec.name for spec in SETS if spec.interval)


def digest(ruleset: Ruleset) -> str:
    """Return the SHA-256 of a ruleset's canonical JSON, in hexadecimal."""
    return hashlib.sha256(encode(ruleset)).hexdigest()


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
    marks = digest(before), digest(after)
    if marks[0] == marks[1]:
        return ""
    old, new = _differing(before, after, layout)
    changes = (command for name in old for command in _exchange(layout.family, name, old, new))
    return nft_text.exchange_mark(layout.family, *marks) + "".join(changes)


def _differing(before: Ruleset, after: Ruleset, layout: Layout) -> tuple[Elements, Elements]:
    both = prepared(before, layout), prepared(after, layout)
    keys = _changed_keys(*both)
    old, new = (device_elements(_concerned(ruleset.devices, keys), keys, layout) for ruleset in both)
    for name, contents in site_elements(before, layout).items():
        old[name].update(contents)
    for name, contents in site_elements(after, layout).items():
        new[name].update(contents)
    return old, new


def _changed_keys(before: Ruleset, after: Ruleset) -> frozenset[str]:
    """Return the MACs and addresses of devices that are not the same in both."""
    old = {device.id: device for device in before.devices}
    new = {device.id: device for device in after.devices}
    return frozenset(
        key
        for one, other in ((old, new), (new, old))
        for identifier, device in one.items()
        if other.get(identifier) != device
        for key in (*device.macs, *device.addresses)
    )


def _concerned(devices: Iterable[ContainedDevice], keys: frozenset[str]) -> list[ContainedDevice]:
    """Return the devices that claim one of `keys`, and those that share any MAC or address with them."""
    claimants = _claimants(devices, keys)
    return _claimants(devices, frozenset(key for device in claimants for key in (*device.macs, *device.addresses)))


def _claimants(devices: Iterable[ContainedDevice], keys: frozenset[str]) -> list[ContainedDevice]:
    return [device for device in devices if not (keys.isdisjoint(device.macs) and keys.isdisjoint(device.addresses))]


def _exchange(family: str, name: str, old: Elements, new: Elements) -> Iterable[str]:
    if old[name] == new[name]:
        return
    if name in _INTERVAL_SETS:
        # Replacing one interval by another that overlaps it is refused element by element.
        yield nft_text.empty(family, name)
        gone, come = {}, new[name]
    else:
        gone, come = dict(old[name].items() - new[name].items()), dict(new[name].items() - old[name].items())
    if gone:
        yield nft_text.take(family, name, gone)
    if come:
        yield nft_text.put(family, name, come)
