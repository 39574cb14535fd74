"""What of a ruleset could cut the gateway's own way to its controller.

A gateway that routes sends and receives by hooks that no ruleset of ours touches, so nothing can. But its way may pass
its own filter: a bridge whose management interface is plugged in on the cameras' side, a way that leaves by one
interface and comes back by another. From a ruleset alone that cannot be told. It names suspects; whether one of them
really cuts is seen by whether the controller answers, and then by whether the kernel had packets to spare.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, ManagementPath, Ruleset
from bartizan.containment.rules import SERVED_BY_GATEWAY
from bartizan.ids import Address


def may_cut(ruleset: Ruleset, path: ManagementPath) -> frozenset[str]:
    """Return, for people, the judgements of a ruleset that would drop the path's packets if these were forwarded."""
    return frozenset((*_segments(ruleset, path), *_devices(ruleset, path)))


def _segments(ruleset: Ruleset, path: ManagementPath) -> Iterator[str]:
    for segment in ruleset.segments:
        if not _lets(ruleset, segment.default_level, (), path):
            yield f"strangers on {segment.interface} are held at {segment.default_level.value}"


def _devices(ruleset: Ruleset, path: ManagementPath) -> Iterator[str]:
    ends = {path.own, path.controller}
    # This is asked before every change of what is enforced, and nearly no device has anything of the path.
    possible = [device for device in ruleset.devices if not (device.addresses and ends.isdisjoint(device.addresses))]
    for device in possible:
        claimed = _claimed(device, path)
        if claimed and not _lets(ruleset, device.level, device.recorders, path):
            yield f"device {device.id} is held at {device.level.value} and {claimed}"


def _claimed(device: ContainedDevice, path: ManagementPath) -> str:
    """Return what of the path a device may have; one known by its MAC alone may be any host."""
    claimed = " and ".join(address for address in device.addresses if address in (path.own, path.controller))
    if claimed:
        return f"claims {claimed}"
    return "" if device.addresses else "is known by its MAC alone"


def _lets(ruleset: Ruleset, level: Level, recorders: tuple[Address, ...], path: ManagementPath) -> bool:
    """Return whether a judgement at this level lets the path through, whichever of its ends is the peer."""
    if level in (Level.WATCH, Level.QUARANTINE):
        return level is Level.WATCH
    ends = {path.own, path.controller}
    if ends <= {*recorders, *ruleset.segment_recorders}:
        return True
    if level is Level.ISOLATE or path.port in SERVED_BY_GATEWAY:
        return False
    networks = [ip_network(network) for network in ruleset.estate_networks]
    return all(any(ip_address(end) in network for network in networks) for end in ends)
