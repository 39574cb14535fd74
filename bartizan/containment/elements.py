"""The part of the packet filter that depends on the ruleset: what is in which set.

A MAC or address claimed by several devices is held at the tightest of their levels and keeps only the recorders they
have in common, whatever the order they come in.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import (
    MAC,
    RECEIVER,
    RECOGNISED,
    SENDER,
    SETS,
    UNKNOWN_RECEIVER,
    UNKNOWN_SENDER,
    verdict,
)
from bartizan.containment.words import Key, Verdict
from bartizan.ids import Address, Network

Elements = dict[str, dict[Key, Verdict | None]]
"""By name of the set; verdicts in maps, None in plain sets. Sets that packets fill are not among them."""

RECOGNISED_PAIRS = 64
"""MACs times addresses of a device that are recognised in one look; one with more goes the longer way."""

_RECOGNISED, _MAC, _SENDER, _RECEIVER, _UNKNOWN_SENDER, _UNKNOWN_RECEIVER = (
    {level: verdict(role, level) for level in Level}
    for role in (RECOGNISED, MAC, SENDER, RECEIVER, UNKNOWN_SENDER, UNKNOWN_RECEIVER)
)


def elements(ruleset: Ruleset) -> Elements:
    """Return what every set holds."""
    found = _empty()
    _put_site(found, ruleset)
    _put_devices(found, ruleset.devices, only=None)
    return found


def site_elements(ruleset: Ruleset) -> Elements:
    """Return what the sets hold that no device has a part in: segments, estate networks, declared recorders."""
    found = _empty()
    _put_site(found, ruleset)
    return found


def device_elements(devices: Collection[ContainedDevice], only: Collection[str]) -> Elements:
    """Return what the sets hold about the MACs and addresses in `only`.

    Args:
        devices: All that claim one of them, and all that claim any MAC or address of those.
        only: The MACs and addresses to return.
    """
    found = _empty()
    _put_devices(found, devices, only)
    return found


def collapsed(networks: Iterable[Network]) -> Iterable[IPv4Network | IPv6Network]:
    """Yield the fewest networks that make up the same addresses: the kernel refuses intervals that overlap."""
    parsed = [ip_network(network) for network in networks]
    yield from collapse_addresses(network for network in parsed if isinstance(network, IPv4Network))
    yield from collapse_addresses(network for network in parsed if isinstance(network, IPv6Network))


def _empty() -> Elements:
    return {spec.name: {} for spec in SETS if not spec.size}


def _put_site(found: Elements, ruleset: Ruleset) -> None:
    for segment in ruleset.segments:
        key = (segment.interface,)
        found["segments"][key] = None
        found["unknown_senders"][key] = _UNKNOWN_SENDER[segment.default_level]
        found["unknown_receivers"][key] = _UNKNOWN_RECEIVER[segment.default_level]
    for network in collapsed(ruleset.estate_networks):
        found[f"estate{network.version}"][(str(network),)] = None
    if (path := ruleset.management) is not None:
        found[f"management{_version(path.own)}"][(path.own, path.controller, str(path.port))] = None
    for recorder in ruleset.segment_recorders:
        found[f"recorders{_version(recorder)}"][(recorder,)] = None


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
            if only is None or mac in only or address in only:
                key = (device.interface, mac, address)
                found[f"recognised{_version(address)}"][key] = _RECOGNISED[device.level]


def _put_macs(found: Elements, claims: Mapping[str, list[ContainedDevice]]) -> None:
    held, known = found["held_macs"], found["known_macs"]
    for mac, claimants in claims.items():
        level, recorders = _tightest(claimants)
        held[(mac,)] = _MAC[level]
        for device in claimants:
            known[(device.interface, mac)] = None
        for recorder in recorders:
            found["recorders_of_macs6" if ":" in recorder else "recorders_of_macs4"][(recorder, mac)] = None


def _put_addresses(found: Elements, claims: Mapping[str, list[ContainedDevice]]) -> None:
    for address, claimants in claims.items():
        version = _version(Address(address))
        level, recorders = _tightest(claimants)
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


def _version(address: Address) -> int:
    return 6 if ":" in address else 4
