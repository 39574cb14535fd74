"""The edge of the packet filter: what a ruleset must satisfy before any of it becomes nft.

Past this point names and addresses are trusted. A MAC or address claimed by several devices is no error: the tightest
of their levels holds (`bartizan.containment.elements`).
"""

import functools
import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from bartizan import ids
from bartizan.containment.elements import collapsed
from bartizan.containment.model import ContainedDevice, ManagementPath, Ruleset
from bartizan.errors import Malformed

SEGMENTS = 64
DEVICES = 5_000
NETWORKS = 1_024
RECORDERS = 1_024
MACS_OF_DEVICE = 16
ADDRESSES_OF_DEVICE = 64
"""A camera with privacy extensions (RFC 8981) keeps about eight; this bounds one that invents them."""
RECORDERS_OF_DEVICE = 64
PORTS = 65535
ROUTERS = 32

# Linux allows more (`IFNAMSIZ` is 16 with its terminator); `*` would be a wildcard to nft, quotes would end its text.
_INTERFACE = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,14}\Z")
_COMPATIBLE = (IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"))


def check(ruleset: Ruleset, *, accepted: Ruleset | None = None) -> None:
    """Accept a ruleset that can be rendered, loaded and read back.

    Args:
        ruleset: The one to look at.
        accepted: One that was accepted before: the devices that both have, as objects, need no second look.

    Raises:
        Malformed: Something in it is impossible, too large, ambiguous, or not in canonical form.
    """
    _bound("devices", ruleset.devices, DEVICES)
    if accepted is None or _site(accepted) != _site(ruleset):
        _check_site(ruleset)
        accepted = None
    known = frozenset(segment.interface for segment in ruleset.segments)
    for device in _unseen(ruleset, accepted):
        _check_device(device, known)


def _check_site(ruleset: Ruleset) -> None:
    _bound("segments", ruleset.segments, SEGMENTS)
    _bound("estate networks", ruleset.estate_networks, NETWORKS)
    _bound("declared recorders", ruleset.segment_recorders, RECORDERS)
    interfaces = [segment.interface for segment in ruleset.segments]
    _each(_check_interface, interfaces)
    _unique("segment interface", interfaces)
    _each(_check_network, ruleset.estate_networks)
    if any(network.prefixlen == 0 for network in collapsed(ruleset.estate_networks)):
        raise Malformed("the estate networks contain every address, so block-egress would block nothing: use watch")
    _each(_check_address, ruleset.segment_recorders)
    _bound("routers", ruleset.routers, ROUTERS)
    _each(_check_address, ruleset.routers)
    if ruleset.management is not None:
        _check_management(ruleset.management)


def _unseen(ruleset: Ruleset, accepted: Ruleset | None) -> Iterable[ContainedDevice]:
    """Return the devices to look at, once it is known that no two have the same name."""
    if accepted is not None and len(accepted.devices) == len(ruleset.devices):
        pairs = [pair for pair in zip(accepted.devices, ruleset.devices, strict=True) if pair[0] is not pair[1]]
        if all(old.id == new.id for old, new in pairs):
            return [new for _, new in pairs]
    _unique("device", [device.id for device in ruleset.devices])
    return ruleset.devices


def _site(ruleset: Ruleset) -> tuple[object, ...]:
    return ruleset.segments, ruleset.estate_networks, ruleset.segment_recorders, ruleset.management, ruleset.routers


# Successive rulesets are nearly the same, and looking at an address costs sixty times as much as remembering it.
@functools.lru_cache(maxsize=DEVICES)
def _check_device(device: ContainedDevice, interfaces: frozenset[str]) -> None:
    if device.interface not in interfaces:
        raise Malformed(f"device {device.id!r} is on {device.interface!r}, which is no segment: declare it as one")
    if not device.macs and not device.addresses:
        raise Malformed(f"device {device.id!r} has neither MAC nor address to hold it by")
    _bound(f"MACs of device {device.id!r}", device.macs, MACS_OF_DEVICE)
    _bound(f"addresses of device {device.id!r}", device.addresses, ADDRESSES_OF_DEVICE)
    _bound(f"recorders of device {device.id!r}", device.recorders, RECORDERS_OF_DEVICE)
    _each(_check_mac, device.macs)
    _each(_check_address, device.addresses)
    _each(_check_address, device.recorders)


def _check_management(path: ManagementPath) -> None:
    _each(_check_address, (path.own, path.controller))
    if (":" in path.own) != (":" in path.controller) or not 1 <= path.port <= PORTS:
        raise Malformed(f"{path} is no TCP connection: both ends have one family, and a port is 1 to {PORTS}")


def _each(check_one: Callable[[str], None], values: Iterable[str]) -> None:
    for value in values:
        check_one(value)


def _bound(what: str, values: tuple[object, ...], limit: int) -> None:
    if len(values) > limit:
        raise Malformed(f"{len(values)} {what}; at most {limit} can be held")


def _unique(what: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        twice = sorted({value for value in values if values.count(value) > 1})
        raise Malformed(f"{what} {twice[0]!r} is there more than once")


def _check_interface(name: str) -> None:
    if not _INTERFACE.match(name):
        raise Malformed(f"{name!r} is no interface: use 1 to 15 of letters, digits, '.', '_' and '-'")


def _check_mac(text: str) -> None:
    if _canonical(ids.mac, text) != text:
        raise Malformed(f"{text!r} is not written as a MAC address is here: aa:bb:cc:dd:ee:ff")
    if int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise Malformed(f"{text!r} is no single device's MAC address")


@functools.lru_cache(maxsize=RECORDERS)
def _check_address(text: str) -> None:
    if _canonical(ids.address, text) != text:
        raise Malformed(f"{text!r} is no IPv4 or IPv6 address in canonical form")
    address = ip_address(text)
    if address.is_unspecified or address.is_multicast or address.is_loopback or _is_no_host(address):
        raise Malformed(f"{text!r} is no single host's address on a network")


def _is_no_host(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return str(address) == "255.255.255.255"
    # nft prints these in dotted form, so they could not be recognised when read back.
    return any(address in network for network in _COMPATIBLE)


@functools.lru_cache(maxsize=NETWORKS)
def _check_network(text: str) -> None:
    if _canonical(ids.network, text) != text:
        raise Malformed(f"{text!r} is no IPv4 or IPv6 network in canonical CIDR form")
    network = ip_network(text)
    if network.is_multicast or (network.prefixlen and _is_no_host(network.network_address)):
        raise Malformed(f"{text!r} holds no single hosts' addresses, so it is nobody's estate")


def _canonical(parse: Callable[[str], str], text: str) -> str | None:
    try:
        return parse(text)
    except ValueError:
        return None
