"""The gateways of one site, device by device: where a take-over would hold something otherwise. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bartizan.containment.level import Level
from bartizan.ids import DeviceId
from bartizan.policy.model import SiteFacts
from bartizan.policy.preview import Seen
from bartizan_controller.pushes.expect import at_most

SITES_OWN, STANDBY = "the site's gateway", "it"


class Holder(NamedTuple):
    """What one gateway of a pair holds."""

    name: str
    """In sentences about the standby."""
    devices: Mapping[DeviceId, Seen]
    facts: SiteFacts
    """Of the site, with the gateway's own segments."""


def unlike(main: Sequence[Seen], standby: Sequence[Seen], facts: tuple[SiteFacts, SiteFacts]) -> tuple[str, ...]:
    """Return how a standby would hold devices otherwise than the site's own gateway does, at most 20 ways.

    What either cannot enforce is no difference: it says so itself.

    Args:
        main: The devices of the site, as its own gateway reported them.
        standby: The same of the standby.
        facts: Of the site as its own gateway goes by them, and as the standby does.
    """
    first = Holder(SITES_OWN, {each.device.id: each for each in main}, facts[0])
    second = Holder(STANDBY, {each.device.id: each for each in standby}, facts[1])
    found = [*_known_to_both(first, second), *_unknown(first, second), *_unknown(second, first)]
    return at_most(sorted(found))


def _known_to_both(first: Holder, second: Holder) -> Iterator[str]:
    for device in first.devices.keys() & second.devices.keys():
        levels = _held(first.devices[device]), _held(second.devices[device])
        if None not in levels and levels[0] != levels[1]:
            yield f"{device}: {second.name} holds {levels[1]}, {first.name} {levels[0]}"


def _unknown(knows: Holder, other: Holder) -> Iterator[str]:
    """Yield devices that one gateway holds tighter than the other holds strangers, of which it has not heard."""
    for device in knows.devices.keys() - other.devices.keys():
        seen = knows.devices[device]
        level = seen.posture.enforced if seen.posture and not seen.posture.not_enforceable_because else None
        default = _strangers(other.facts, seen.device.interface)
        if level is not None and default < level:
            yield f"{device}: {knows.name} holds {level.value}; unknown to {other.name}, it gets {default.value} there"


def _held(seen: Seen) -> str | None:
    """Return at which level a device is held; None where nobody can say, or it cannot be."""
    posture = seen.posture
    if posture is None or posture.not_enforceable_because:
        return None
    return posture.enforced.value if posture.enforced else "nothing"


def _strangers(facts: SiteFacts, interface: str) -> Level:
    """Return how a gateway holds strangers of a segment; the loosest that may be, where it names segments otherwise."""
    levels = {segment.interface: segment.default_level for segment in facts.segments}
    return levels.get(interface) or min(levels.values(), default=Level.ISOLATE)
