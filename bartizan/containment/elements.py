"""The part of the packet filter that depends on the ruleset: what is in which set.

A MAC or address claimed by several devices is held at the tightest of their levels and keeps only the recorders they
have in common, whatever the order they come in.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from bartizan.containment import bridge
from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import (
    MAC,
    RECEIVER,
    RECOGNISED,
    ROUTED,
    SENDER,
    UNKNOWN_RECEIVER,
    UNKNOWN_SENDER,
    verdict,
)
from bartizan.containment.words import Key, Layout, Verdict
from bartizan.ids import Address, Network

Elements = dict[str, dict[Key, Verdict | None]]
"""By name of the set; verdicts in maps, None in plain sets. Sets that packets fill are not among them."""

RECOGNISED_PAIRS = 64
"""MACs times addresses of a device that are recognised in one look; one with more goes the longer way."""

_RECOGNISED, _MAC, _SENDER, _RECEIVER, _UNKNOWN_SENDER, _UNKNOWN_RECEIVER, _RECEIVER_MAC = (
    {level: verdict(role, level) for level in Level}
    for role in (RECOGNISED, MAC, SENDER, RECEIVER, UNKNOWN_SENDER, UNKNOWN_RECEIVER, bridge.RECEIVER_MAC)
)


def elements(ruleset: Ruleset, layout: Layout = ROUTED) -> Elements:
    """Return what every set of a table holds."""
    found = _empty(layout)
    ruleset = prepared(ruleset, layout)
    _put_site(found, ruleset)
    _put_link(found, ruleset)
    _put_devices(found, ruleset.devices, only=None)
    return found


def site_elements(ruleset: Ruleset, layout: Layout = ROUTED) -> Elements:
    """Return what the sets hold that no device has a part in: segments, estate networks, declared recorders."""
    found = _empty(layout)
    ruleset = prepared(ruleset, layout)
    _put_site(found, ruleset)
    _put_link(found, ruleset)
    return found


def device_elements(devices: Collection[ContainedDevice], only: Collection[str], layout: Layout = ROUTED) -> Elements:
    """Return what the sets hold about the MACs and addresses in `only`.

    Args:
        devices: All that claim one of them, and all that claim any MAC or address of those.
        only: The MACs and addresses to return.
        layout: Whose sets.
    """
    found = _empty(layout)
    _put_devices(found, devices, only)
    return found


def collapsed(networks: Iterable[Network]) -> Iterable[IPv4Network | IPv6Network]:
    """Yield the fewest networks that make up the same addresses: the kernel refuses intervals that overlap."""
    parsed = [ip_network(network) for network in networks]
    yield from collapse_addresses(network for network in parsed if isinstance(network, IPv4Network))
    yield from collapse_addresses(network for network in parsed if isinstance(network, IPv6Network))


def prepared(ruleset: Ruleset, layout: Layout) -> Ruleset:
    """Return a ruleset with all that a table's sets need to know of it."""
    return bridge.prepared(ruleset) if layout.family == bridge.FAMILY else ruleset


def _empty(layout: Layout) -> Elements:
    return {spec.name: {} for spec in layout.sets if not spec.size}


def _put_site(found: Elements, ruleset: Ruleset) -> None:
    for segment in ruleset.segments:
        key = (segment.interface,)
        found["segments"][key] = None
        found["unknown_senders"][key] = _UNKNOWN_SENDER[segment.default_level]
        found["unknown_receivers"][key] = _UNKNOWN_RECEIVER[segment.default_level]
    for network in collapsed(ruleset.estate_networks):
        found[f"estate{network.version}"][(str(network),)] = None
    for recorder in ruleset.segment_recorders:
        found[f"recorders{_version(recorder)}"][(recorder,)] = None


def _put_link(found: Elements, ruleset: Ruleset) -> None:
    """Put in the way to the controller, and what a bridge has to know of its link."""
    if (path := ruleset.management) is not None:
        found[f"management{_version(path.own)}"][(path.own, path.controller, str(path.port))] = None
        if "own4" in found:
            for own in bridge.asked_for((path.own,)):
                found[f"own{_version(own)}"][(own,)] = None
    if "routers4" in found:
        for router in ruleset.routers:
            found[f"routers{_version(router)}"][(router,)] = None


def _put_devices(found: Elements, devices: Collection[ContainedDevice], only: Collection[str] | None) -> None:
    by_mac: dict[str, list[ContainedDevice]] = {}
    by_address: dict[str, list[ContainedDevice]] = {}
    for device in devices:
        for mac in device.macs:
            by_mac.setdefault(mac, []).append(device)
        for address in device.addresses:
            by_address.setdefault(address, []).append(device)
    _put_recognised(found, devices, lambda key: len(by_mac.get(key) or by_address[key]) == 1, only)
    if only is not None:
        by_mac = {mac: claimants for mac, claimants in by_mac.items() if mac in only}
        by_address = {address: claimants for address, claimants in by_address.items() if address in only}
    _put_macs(found, by_mac)
    _put_addresses(found, by_address)


def _put_recognised(
    found: Elements, devices: Iterable[ContainedDevice], sole: Callable[[str], bool], only: Collection[str] | None
) -> None:
    for device in devices:
        if len(device.macs) * len(device.addresses) > RECOGNISED_PAIRS:
            continue
        for mac, address in itertools.product(filter(sole, device.macs), filter(sole, device.addresses)):
            if _is_group(address):
                continue
            if only is None or mac in only or address in only:
                key = (device.interface, mac, address)
                found[f"recognised{_version(address)}"][key] = _RECOGNISED[device.level]


def _put_macs(found: Elements, claims: Mapping[str, list[ContainedDevice]]) -> None:
    held, known = found["held_macs"], found["known_macs"]
    for mac, claimants in claims.items():
        level, recorders = _tightest(claimants)
        held[(mac,)] = _MAC[level]
        if "held_receiver_macs" in found:
            found["held_receiver_macs"][(mac,)] = _RECEIVER_MAC[level]
        for device in claimants:
            known[(device.interface, mac)] = None
        for recorder in recorders:
            found["recorders_of_macs6" if ":" in recorder else "recorders_of_macs4"][(recorder, mac)] = None


def _put_addresses(found: Elements, claims: Mapping[str, list[ContainedDevice]]) -> None:
    for address, claimants in claims.items():
        version = _version(Address(address))
        level, recorders = _tightest(claimants)
        if not _is_group(address):
            found[f"held_senders{version}"][(address,)] = _SENDER[level]
        found[f"held_receivers{version}"][(address,)] = _RECEIVER[level]
        for recorder in recorders:
            if _version(recorder) == version:
                found[f"recorders_of{version}"][(recorder, address)] = None


def _tightest(claimants: list[ContainedDevice]) -> tuple[Level, Iterable[Address]]:
    if len(claimants) == 1:
        return claimants[0].level, claimants[0].recorders
    common = set(claimants[0].recorders).intersection(*(device.recorders for device in claimants[1:]))
    return max(device.level for device in claimants), common


def _is_group(address: str) -> bool:
    # Groups are where a bridge's devices are asked for (`bartizan.containment.bridge.prepared`); nobody sends from one.
    return address.startswith("ff0")


def _version(address: Address) -> int:
    return 6 if ":" in address else 4
