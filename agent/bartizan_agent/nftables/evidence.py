"""From the elements of the evidence sets to drop counters. Pure."""

from collections.abc import Iterable, Iterator

from bartizan.containment.model import ContainedDevice, DeviceDrops, DropCounter
from bartizan.containment.rules import UNLISTED
from bartizan.ids import Address, Mac
from bartizan_agent.nftables.listing import Evidence

# nft prints protocols as numbers when asked to; ICMPv6 is the same matter to a reader as ICMP.
_TRIED = "tried"
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp"}


def drop_counters(evidence: Evidence) -> tuple[DropCounter, ...]:
    """Return what was tried and dropped, by device and destination, in a fixed order."""
    return tuple(sorted(_drop_counters(evidence), key=lambda one: (one.mac, one.destination, one.protocol, one.port)))


def is_of_destinations(name: str) -> bool:
    """Return whether the set of this name tells what was tried, as `drop_counters` wants it."""
    return name.startswith(_TRIED)


def is_of_totals(name: str) -> bool:
    """Return whether the set of this name tells how much was dropped, as `device_drops` wants it."""
    return name == UNLISTED or name.startswith("dropped_")


def device_drops(devices: Iterable[ContainedDevice], evidence: Evidence) -> tuple[DeviceDrops, ...]:
    """Return the totals of each device that has any."""
    sent = evidence.get("dropped_from", {})
    received = {**evidence.get("dropped_to4", {}), **evidence.get("dropped_to6", {})}
    unlisted = evidence.get(UNLISTED, {})
    nothing = (0, 0)
    totals = (
        DeviceDrops(
            device.id,
            sum(sent.get((mac,), nothing)[0] for mac in device.macs),
            sum(received.get((address,), nothing)[0] for address in device.addresses),
            sum(unlisted.get((mac,), nothing)[0] for mac in device.macs),
        )
        for device in devices
    )
    return tuple(total for total in totals if total.sent or total.received or total.unlisted)


def _drop_counters(evidence: Evidence) -> Iterator[DropCounter]:
    for name, contents in evidence.items():
        if not is_of_destinations(name):
            continue
        for (destination, mac, protocol, *port), (packets, octets) in contents.items():
            yield DropCounter(
                Mac(mac),
                Address(destination),
                _PROTOCOLS.get(protocol, protocol),
                int(port[0]) if port else 0,
                packets,
                octets,
            )
