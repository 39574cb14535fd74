"""What a ruleset means, written slowly and obviously: the judge of every renderer and enforcer.

Nothing here is shared with the product but the model's own types.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset

GATEWAY_SERVES = (53, 123, 853)


@dataclass(frozen=True)
class Packet:
    """A packet that a gateway is about to forward."""

    from_interface: str
    to_interface: str
    from_mac: str
    source: str
    destination: str
    protocol: str = "udp"
    """`tcp`, `udp`, `icmp`, or `hidden`: IPv6 whose header chain ends before its transport header."""
    from_port: int = 0
    to_port: int = 0
    later_fragment: bool = False


def passes(ruleset: Ruleset, packet: Packet) -> bool:
    """Return whether every judgement lets the packet through."""
    return is_management(ruleset, packet) or (
        _sender_mac_lets(ruleset, packet) and _source_address_lets(ruleset, packet) and _receiver_lets(ruleset, packet)
    )


def is_management(ruleset: Ruleset, packet: Packet) -> bool:
    """Return whether the packet belongs to a way to the controller that is let through."""
    path = ruleset.management
    if path is None or packet.protocol != "tcp" or packet.later_fragment:
        return False
    return (packet.source, packet.destination, packet.to_port) == (path.own, path.controller, path.port) or (
        packet.destination,
        packet.source,
        packet.from_port,
    ) == (path.own, path.controller, path.port)


def _sender_mac_lets(ruleset: Ruleset, packet: Packet) -> bool:
    default = _default(ruleset, packet.from_interface)
    if default is None:
        return True
    claimants = [device for device in ruleset.devices if packet.from_mac in device.macs]
    known_here = any(device.interface == packet.from_interface for device in claimants)
    if not known_here and not _outward(ruleset, packet, default, recorders=set()):
        return False
    return not claimants or _outward(ruleset, packet, _level(claimants), _recorders(claimants))


def _source_address_lets(ruleset: Ruleset, packet: Packet) -> bool:
    claimants = [device for device in ruleset.devices if packet.source in device.addresses]
    return not claimants or _outward(ruleset, packet, _level(claimants), _recorders(claimants))


def _receiver_lets(ruleset: Ruleset, packet: Packet) -> bool:
    default = _default(ruleset, packet.to_interface)
    if default is None:
        return True
    claimants = [device for device in ruleset.devices if packet.destination in device.addresses]
    if claimants:
        return _inward(ruleset, packet, _level(claimants), _recorders(claimants))
    return _inward(ruleset, packet, default, recorders=set())


def _outward(ruleset: Ruleset, packet: Packet, level: Level, recorders: set[str]) -> bool:
    return _allowed(ruleset, packet, level, recorders, peer=packet.destination, port=packet.to_port)


def _inward(ruleset: Ruleset, packet: Packet, level: Level, recorders: set[str]) -> bool:
    return _allowed(ruleset, packet, level, recorders, peer=packet.source, port=packet.from_port)


def _allowed(ruleset: Ruleset, packet: Packet, level: Level, recorders: set[str], *, peer: str, port: int) -> bool:
    if level is Level.WATCH:
        return True
    if level is Level.QUARANTINE:
        return False
    if peer in recorders or peer in ruleset.segment_recorders:
        return True
    if level is Level.ISOLATE:
        return False
    has_port = packet.protocol in ("tcp", "udp") and not packet.later_fragment
    if has_port and port in GATEWAY_SERVES:
        return False
    return packet.protocol != "hidden" and any(
        ip_address(peer) in ip_network(network) for network in ruleset.estate_networks
    )


def _default(ruleset: Ruleset, interface: str) -> Level | None:
    for segment in ruleset.segments:
        if segment.interface == interface:
            return segment.default_level
    return None


def _level(claimants: list[ContainedDevice]) -> Level:
    return max(device.level for device in claimants)


def _recorders(claimants: list[ContainedDevice]) -> set[str]:
    return set.intersection(*(set[str](device.recorders) for device in claimants))
