"""From a ruleset to nft: whole, as text, or only what differs from another ruleset."""

import hashlib
from collections.abc import Iterable

from bartizan.containment import nft_text
from bartizan.containment.elements import Elements, device_elements, elements, site_elements
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.nft_json import Command, add_mark, flush, put, remove_table, skeleton, take, take_mark
from bartizan.containment.rules import SETS
from bartizan.wire.codec import encode

_INTERVAL_SETS = frozenset(spec.name for spec in SETS if spec.interval)


def digest(ruleset: Ruleset) -> str:
    """Return the SHA-256 of a ruleset's canonical JSON, in hexadecimal."""
    return hashlib.sha256(encode(ruleset)).hexdigest()


def render(ruleset: Ruleset) -> list[Command]:
    """Return the commands of one transaction that replaces the whole table."""
    contents = elements(ruleset)
    return [
        *remove_table(),
        *skeleton(),
        add_mark(digest(ruleset)),
        *(put(name, wanted) for name, wanted in contents.items() if wanted),
    ]


def render_text(ruleset: Ruleset) -> str:
    """Return nft text equal in meaning to `render`, for people and for `nft -f`."""
    return nft_text.table(digest(ruleset), elements(ruleset))


def difference(before: Ruleset, after: Ruleset) -> list[Command]:
    """Return the commands of one transaction that turns a table enforcing `before` into one enforcing `after`.

    Only elements are touched, so counters live on, and its cost grows with the change and not with the ruleset.
    Empty if the two are equal.
    """
    if before == after:
        return []
    old, new = _differing(before, after)
    return [
        take_mark(digest(before)),
        add_mark(digest(after)),
        *(command for name in old for command in _exchange(name, old, new)),
    ]


def touched(before: Ruleset, after: Ruleset) -> frozenset[str]:
    """Return the MACs and addresses of the devices that are not the same in both."""
    old = {device.id: device for device in before.devices}
    new = {device.id: device for device in after.devices}
    return frozenset(
        key
        for one, other in ((old, new), (new, old))
        for id_, device in one.items()
        if other.get(id_) != device
        for key in (*device.macs, *device.addresses)
    )


def _differing(before: Ruleset, after: Ruleset) -> tuple[Elements, Elements]:
    keys = touched(before, after)
    old, new = (device_elements(_claimants(ruleset.devices, keys), keys) for ruleset in (before, after))
    for name, contents in site_elements(before).items():
        old[name].update(contents)
    for name, contents in site_elements(after).items():
        new[name].update(contents)
    return old, new


def _claimants(devices: Iterable[ContainedDevice], keys: frozenset[str]) -> list[ContainedDevice]:
    return [device for device in devices if not (keys.isdisjoint(device.macs) and keys.isdisjoint(device.addresses))]


def _exchange(name: str, old: Elements, new: Elements) -> Iterable[Command]:
    if old[name] == new[name]:
        return
    if name in _INTERVAL_SETS:
        # Replacing one interval by another that overlaps it is refused element by element.
        yield flush(name)
        gone, come = {}, new[name]
    else:
        gone, come = dict(old[name].items() - new[name].items()), dict(new[name].items() - old[name].items())
    if gone:
        yield take(name, gone)
    if come:
        yield put(name, come)
