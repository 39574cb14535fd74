"""Sightings of addresses, and how those of one device become one observation. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from bartizan.identity.model import Evidence, Fact, Observation, Source
from bartizan.ids import Address, Mac
from bartizan_agent.discovery.answer import clean

EVIDENCE_LIMIT = 64  # statements kept of one device
PROBLEM_LIMIT = 8
ADDRESS_LIMIT = 16

Place = tuple[str, Address]
"""An address on an interface."""


class Sighting(msgspec.Struct, frozen=True):
    """Something that proves a device to be at an address now, and what it said."""

    interface: str
    address: Address
    evidence: tuple[Evidence, ...] = ()
    claimed_mac: Mac | None = None
    """What it says its MAC is. Anybody can say that."""
    open_ports: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


def merge(sightings: Iterable[Sighting], macs: Mapping[Place, Mac]) -> tuple[Observation, ...]:
    """Return one observation per device: what was seen behind one MAC of one interface, else at one address.

    Who is seen under one address is there under all IPv6 addresses that its MAC has on the link: the kernel does not
    prove those anew while they are in use, and a device has several at a time.

    Args:
        sightings: In any order.
        macs: What the neighbour table says. It outranks every claim.
    """
    by_address: dict[Place, list[Sighting]] = {}
    for sighting in sightings:
        by_address.setdefault((sighting.interface, sighting.address), []).append(sighting)
    on_the_link = {(interface, mac) for (interface, _), mac in macs.items()}
    devices: dict[tuple[str, str], list[Sighting]] = {}
    known_macs: dict[tuple[str, str], Mac] = {}
    for place, seen in sorted(by_address.items()):
        mac = macs.get(place) or _believable_claim(seen, on_the_link)
        device = (place[0], mac or place[1])
        devices.setdefault(device, []).extend(seen)
        if mac:
            known_macs[device] = mac
    more = _ipv6_addresses(macs)
    return tuple(
        _observation(seen, known_macs.get(device), more.get(device, [])) for device, seen in sorted(devices.items())
    )


def _ipv6_addresses(macs: Mapping[Place, Mac]) -> dict[tuple[str, str], list[Address]]:
    found: dict[tuple[str, str], list[Address]] = {}
    for (interface, address), mac in macs.items():
        if ":" in address:
            found.setdefault((interface, mac), []).append(address)
    return found


def _believable_claim(seen: list[Sighting], on_the_link: set[tuple[str, Mac]]) -> Mac | None:
    """A device with an address of another network has no neighbour entry: its word is all there is.

    Unless the MAC belongs to somebody who is there under another address: then it would hide behind them.
    """
    for sighting in seen:
        claim = sighting.claimed_mac
        if claim and (sighting.interface, claim) not in on_the_link:
            return claim
    return None


def _observation(seen: list[Sighting], mac: Mac | None, more: list[Address]) -> Observation:
    own = (Evidence(Fact.MAC, mac, Source.NEIGHBOUR, 100, "neighbour table"),) if mac else ()
    said = sorted({said for sighting in seen for said in sighting.evidence}, key=_heaviest_first)
    addresses = sorted({*(sighting.address for sighting in seen), *more}, key=lambda x: (":" in x, x))
    return Observation(
        interface=seen[0].interface,
        addresses=tuple(addresses[:ADDRESS_LIMIT]),
        mac=mac,
        open_ports=tuple(sorted({port for sighting in seen for port in sighting.open_ports})),
        evidence=(*own, *said)[:EVIDENCE_LIMIT],
        problems=tuple(sorted({clean(text) for sighting in seen for text in sighting.problems})[:PROBLEM_LIMIT]),
    )


def _heaviest_first(said: Evidence) -> tuple[int, str, str, str, str]:
    return -said.weight, said.fact.value, said.source.value, said.value, said.detail
