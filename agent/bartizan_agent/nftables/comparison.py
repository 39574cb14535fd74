"""What the kernel holds, held against what was applied. Pure: listings in, words out."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from bartizan.containment.bridge import RECEIVER_MAC
from bartizan.containment.elements import Elements
from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import ROLES, ROUTED, verdict
from bartizan.containment.words import Layout, Verdict
from bartizan_agent.nftables.listing import Held, Part
from bartizan_agent.nftables.tool import Object

WORDS = 20
"""Differences named one by one; a ruleset that is wholly different need not be spelled out."""

_LEVELS: dict[Verdict | None, Level] = {
    verdict(role, level): level for role in (*ROLES, RECEIVER_MAC) for level in Level
}


def unlike(held: Held, digest: str, parts: tuple[Part, ...], expected: Elements) -> tuple[str, ...]:
    """Return in words how the kernel's table differs from what was applied; empty if it does not."""
    return tuple(islice(_unlike(held, digest, parts, expected), WORDS))


def incomplete(held: Held, layout: Layout = ROUTED) -> tuple[str, ...]:
    """Return in words what of our sets, chains and rules is not there, or there too often."""
    return tuple(
        f"{wanted} of {kind} {name!r}, not {found}"
        for kind, name, wanted, found in _counts(held, layout)
        if wanted != found
    )


def held_devices(ruleset: Ruleset, held: Held) -> tuple[ContainedDevice, ...]:
    """Return the devices that the kernel holds, each at the loosest level that any of its MACs or addresses is at."""
    found = ((device, _loosest(device, held.elements)) for device in ruleset.devices)
    return tuple(_at(device, level) for device, level in found if level is not None)


def bypasses(flowtables: Iterable[Object]) -> tuple[str, ...]:
    """Return in words which flowtables take flows past the forward hook, once they are in progress.

    Any interface counts, not only a camera's: one direction of a camera's flow enters by the uplink.
    """
    return tuple(sorted(_bypass(entry["flowtable"]) for entry in flowtables if entry.get("flowtable", {}).get("dev")))


def _bypass(flowtable: dict[str, Any]) -> str:
    devices = flowtable["dev"]
    names = devices if isinstance(devices, str) else ", ".join(sorted(devices))
    owner = f"{flowtable['family']} {flowtable['table']}"
    return f"flowtable {flowtable['name']!r} of table {owner} offloads {names}: remove it, or open flows are not cut"


def _unlike(held: Held, digest: str, parts: tuple[Part, ...], expected: Elements) -> Iterator[str]:
    if not held.parts:
        yield "the table is gone"
        return
    if held.marks != (digest,):
        yield f"the table is marked {', '.join(held.marks) or 'with nothing'} and not {digest}"
    missing, besides = set(parts).difference(held.parts), set(held.parts).difference(parts)
    yield from dict.fromkeys(f"{part.kind} {part.name} is not as applied: it is missing" for part in sorted(missing))
    yield from (f"{part.kind} {part.name} is not as applied: there is {part.text}" for part in sorted(besides))
    for name, wanted in expected.items():
        found = held.elements.get(name, {})
        if found != wanted:
            yield from (f"{name} lacks {' . '.join(key)}" for key in sorted(wanted.keys() - found.keys()))
            yield from (f"{name} has {' . '.join(key)} besides" for key in sorted(found.keys() - wanted.keys()))
            common = wanted.keys() & found.keys()
            yield from (f"{name} has changed {' . '.join(key)}" for key in sorted(common) if wanted[key] != found[key])


def _counts(held: Held, layout: Layout) -> Iterator[tuple[str, str, int, int]]:
    kinds = [(part.kind, part.name) for part in held.parts]
    for spec in layout.sets:
        kind = "map" if spec.verdicts else "set"
        yield kind, spec.name, 1, kinds.count((kind, spec.name))
    for chain in layout.chains:
        yield "chain", chain.name, 1, kinds.count(("chain", chain.name))
        yield "rules", chain.name, len(chain.rules), kinds.count(("rule", chain.name))


def _loosest(device: ContainedDevice, elements: Elements) -> Level | None:
    by_mac = [elements[name] for name in ("held_macs", "held_receiver_macs") if name in elements]
    verdicts = [held.get((mac,)) for held in by_mac for mac in device.macs]
    for address in device.addresses:
        version = 6 if ":" in address else 4
        verdicts += (elements[f"held_{side}{version}"].get((address,)) for side in ("senders", "receivers"))
        recognised = elements[f"recognised{version}"]
        keys = ((device.interface, mac, address) for mac in device.macs)
        verdicts += (recognised[key] for key in keys if key in recognised)
    levels = [_LEVELS.get(one) for one in verdicts]
    return None if None in levels else min(level for level in levels if level is not None)


def _at(device: ContainedDevice, level: Level) -> ContainedDevice:
    return device if device.level is level else msgspec.structs.replace(device, level=level)
