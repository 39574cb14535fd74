"""What a ruleset means on a bridge, as slowly and obviously as `reference_model`, which judges its IP packets.

Nothing here is shared with the product but the model's own types.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address, ip_network

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from tests.containment.reference_model import Packet, is_management

DISCOVERY = (133, 134, 135, 136)
ASKING = 135
LINK = ("fe80::/10", "ff02::1/128", "ff02::2/128", "ff02::1:ff00:0/104")


@dataclass(frozen=True)
class Frame(Packet):
    """A frame that a gateway is about to pass on. Besides: `arp`, by whose addresses it is judged, and `other`."""

    to_mac: str = ""
    icmpv6_type: int = 0
    tags: tuple[tuple[int, int], ...] = ()
    """VLAN tags from the outside in: Ethertype, and priority and identifier."""
    wrapping: str = ""
    """What stands between the Ethernet header and the addresses besides: `snap`, `ppp`, `mpls`, `jumbo`; or nothing."""


def passes(ruleset: Ruleset, frame: Frame) -> bool:
    """Return whether every judgement lets the frame through."""
    if frame.wrapping or len(frame.tags) > 1:
        frame = replace(frame, protocol="other", icmpv6_type=0, from_port=0, to_port=0, source="", destination="")
    return _is_way(ruleset, frame) or (
        _sender_lets(ruleset, frame) and _source_lets(ruleset, frame) and _receiver_lets(ruleset, frame)
    )


def group_of(address: str) -> str:
    """Return the group by which neighbours ask for an IPv6 address (RFC 4291 section 2.7.1)."""
    return str(IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + IPv6Address(address).packed[13:]))


def _is_way(ruleset: Ruleset, frame: Frame) -> bool:
    if is_management(ruleset, frame):
        return True
    own = ruleset.management.own if ruleset.management else ""
    if frame.protocol == "arp":
        return own in (frame.source, frame.destination)
    groups = {group_of(own)} if ":" in own else set()
    return _discovers(frame) and not {own, *groups}.isdisjoint({frame.source, frame.destination})


def _sender_lets(ruleset: Ruleset, frame: Frame) -> bool:
    default = _default(ruleset, frame.from_interface)
    if default is None:
        return True
    claimants = [device for device in ruleset.devices if frame.from_mac in device.macs]
    known_here = any(device.interface == frame.from_interface for device in claimants)
    if not known_here and not _outward(ruleset, frame, default, set()):
        return False
    return not claimants or _outward(ruleset, frame, _level(claimants), _recorders(claimants))


def _source_lets(ruleset: Ruleset, frame: Frame) -> bool:
    if frame.protocol == "other":
        return True
    claimants = [device for device in ruleset.devices if frame.source in device.addresses]
    return not claimants or _outward(ruleset, frame, _level(claimants), _recorders(claimants))


def _receiver_lets(ruleset: Ruleset, frame: Frame) -> bool:
    default = _default(ruleset, frame.to_interface)
    if default is None:
        return True
    by_mac = [device for device in ruleset.devices if frame.to_mac in device.macs]
    if by_mac and not _inward(ruleset, frame, _level(by_mac), _recorders(by_mac)):
        return False
    by_address = [device for device in ruleset.devices if _is_at(device, frame)]
    if by_address:
        return _inward(ruleset, frame, _level(by_address), _recorders(by_address))
    return _inward(ruleset, frame, default, set())


def _is_at(device: ContainedDevice, frame: Frame) -> bool:
    groups = {group_of(address) for address in device.addresses if ":" in address}
    return frame.protocol != "other" and frame.destination in {*device.addresses, *groups}


def _outward(ruleset: Ruleset, frame: Frame, level: Level, recorders: set[str]) -> bool:
    if level is Level.WATCH:
        return True
    if frame.protocol == "arp" and frame.source in ruleset.routers:
        return False
    if frame.protocol != "other" and _is_within(frame.destination, LINK[3:]):
        peers = {*recorders, *ruleset.segment_recorders, *ruleset.routers}
        asked = frame.destination in {group_of(peer) for peer in peers if ":" in peer}
        is_asking = frame.icmpv6_type == ASKING and not frame.later_fragment
        return level is not Level.QUARANTINE and is_asking and (asked or level is Level.BLOCK_EGRESS)
    return _allowed(ruleset, frame, level, recorders, frame.destination, frame.to_port, (68, 67))


def _inward(ruleset: Ruleset, frame: Frame, level: Level, recorders: set[str]) -> bool:
    return _allowed(ruleset, frame, level, recorders, frame.source, frame.from_port, (67, 68))


def _allowed(  # noqa: PLR0911 - one return for each sentence of the promise
    ruleset: Ruleset, frame: Frame, level: Level, recorders: set[str], peer: str, port: int, dhcp: tuple[int, int]
) -> bool:
    if level is Level.WATCH:
        return True
    if level is Level.QUARANTINE or frame.protocol == "other":
        return False
    if peer in recorders or peer in ruleset.segment_recorders:
        return True
    if _is_router(ruleset, peer) and (frame.protocol == "arp" or _discovers(frame) or _is_dhcp(frame, dhcp)):
        return True
    if level is Level.ISOLATE:
        return False
    if _discovers(frame) and _is_within(peer, LINK):
        return True
    has_port = frame.protocol in ("tcp", "udp") and not frame.later_fragment
    if has_port and port in (53, 123, 853):
        return False
    return frame.protocol != "hidden" and _is_within(peer, ruleset.estate_networks)


def _discovers(frame: Frame) -> bool:
    return frame.icmpv6_type in DISCOVERY and not frame.later_fragment


def _is_dhcp(frame: Frame, ports: tuple[int, int]) -> bool:
    found = (frame.from_port, frame.to_port)
    wanted = tuple({68: 546, 67: 547}[port] for port in ports) if ":" in frame.source else ports
    return frame.protocol == "udp" and not frame.later_fragment and found == wanted


def _is_router(ruleset: Ruleset, peer: str) -> bool:
    everyone = ("255.255.255.255", "ff02::2", "ff02::1:2") if ruleset.routers else ()
    return peer in (*ruleset.routers, *everyone)


def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    return any(ip_address(address) in ip_network(network) for network in networks)


def _default(ruleset: Ruleset, interface: str) -> Level | None:
    return next((each.default_level for each in ruleset.segments if each.interface == interface), None)


def _level(claimants: list[ContainedDevice]) -> Level:
    return max(device.level for device in claimants)


def _recorders(claimants: list[ContainedDevice]) -> set[str]:
    return set.intersection(*(set[str](device.recorders) for device in claimants))
