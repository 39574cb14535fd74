"""On whose switch port a device is, and whether that port is one device's own. Pure.

A port counts as a device's own only where nothing but that device was seen on it and nothing says that it leads
further. Anything else would cut off somebody who was never to be held.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from bartizan.ids import Mac
from bartizan_agent.switches.reading import Port, View
from bartizan_agent.switches.settings import SwitchSettings

SHOWN = 3
_NAMELESS = "without an address"


class Place(NamedTuple):
    """A device seen on a port."""

    switch: str
    port: Port
    why_not: str
    """Why the port must not be touched; empty if it is the device's own."""


def places(
    macs: Collection[Mac],
    switches: Mapping[str, SwitchSettings],
    views: Mapping[str, View],
    protected: Mapping[Mac, str],
) -> Iterator[Place]:
    """Yield the ports on which any of a device's addresses was seen.

    Args:
        macs: The device's.
        switches: By name.
        views: Of those that answered.
        protected: Addresses whose port is never touched, and what they are.
    """
    for name, view in views.items():
        numbers = frozenset().union(*(view.learned.get(mac, frozenset()) for mac in macs))
        for number in sorted(numbers):
            port = view.ports.get(number)
            if port is not None:
                yield Place(name, port, why_not(port, macs, view, switches[name].untouched, protected))


def why_not(
    port: Port, macs: Collection[Mac], view: View, untouched: Collection[str], protected: Mapping[Mac, str]
) -> str:
    """Return why a port is not to be touched for the sake of these addresses; empty if it may be."""
    seen = view.macs_on(port.number)
    guarded = sorted({protected[mac] for mac in seen if mac in protected})
    tagged = sorted(vlan for vlan, row in view.vlans.items() if port.number in row.egress - row.untagged)
    strangers = sorted(seen.difference(macs))
    leads_to = sorted(view.neighbours.get(port.number, frozenset()).difference(macs))
    reasons = (
        (port.awaits_name, "the switch has not told its name yet; it is asked again"),
        (port.name in untouched, "it is configured never to be touched"),
        (guarded, f"{_some(guarded)} is on it"),
        (port.is_aggregate, "it is a link aggregate"),
        (tagged, f"it carries tagged VLANs ({_some(str(vlan) for vlan in tagged)})"),
        (leads_to, f"another device names itself there by LLDP ({_some(each or _NAMELESS for each in leads_to)})"),
        (strangers, f"it is shared with {_some(strangers)}"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:SHOWN])
    return shown if len(listed) <= SHOWN else f"{shown} and {len(listed) - SHOWN} more"
