"""What the gateway is to enforce, decided from what it was told and what it sees. Pure.

    verdicts   what policy and orders demand of each device          (`Verdicts`, over `bartizan.policy.evaluate`)
    ruleset    these, with the site's segments and recorders          (`ruleset`; `Rulesets`, one after the other)
    held_up    the same, never below what was enforced before         (while order books or the catalogue are lost)
    mended     the same without what no kernel could take             (a hostile host's impossible addresses)

A recorder is privileged only where the site's signed facts declare its address. One that is itself on a camera segment
keeps its cameras within reach when it is isolated; one behind the core needs nothing but being declared. A host that
only calls itself a recorder is a device like any other.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from bartizan.containment import check
from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.errors import Malformed
from bartizan.identity.model import Device
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.model import SiteFacts, Verdict
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook, Raise


class Link(NamedTuple):
    """A camera segment as this gateway is connected to it."""

    interface: str
    networks: tuple[Network, ...]
    ports_isolated: bool = False
    around: str = ""
    """What takes its packets past this gateway's packet filter, in words."""
    missing: bool = False
    """Whether there is no interface of this name now."""
    own: tuple[Address, ...] = ()
    """The gateway's own addresses on it, those of the link alone left out: one of them may move to a standby."""
    instead_of: str = ""
    """The segment whose interface is called like this now; empty: it is called as configured."""


class Verdicts:
    """The verdict on every device, judged anew only where something that counts for it changed."""

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._site: SiteFacts | None = None
        self._books: tuple[OrderBook, ...] = ()
        self._evaluator: Evaluator | None = None
        self._devices: tuple[Device, ...] = ()
        self._judged: dict[DeviceId, Verdict] = {}
        self._stands_from, self._stands_until = 0.0, 0.0
        """Between which times nothing begins or ends of what was judged by."""

    def judge(
        self,
        catalogue: Catalogue,
        site: SiteFacts,
        books: tuple[OrderBook, ...],
        devices: tuple[Device, ...],
        at: float,
    ) -> dict[DeviceId, Verdict]:
        """Return what is demanded of each device at a time (Unix seconds). Verdicts that stand are the same objects.

        Raises:
            Refused: The catalogue or a book makes no sense; neither should have been accepted.
        """
        stale: frozenset[DeviceId] | None = frozenset()
        is_known = catalogue is self._catalogue and books == self._books
        if self._evaluator is None or catalogue is not self._catalogue or site != self._site:
            self._evaluator, stale = Evaluator(catalogue, site, books), None
        elif books != self._books:
            self._evaluator, stale = self._evaluator.with_orders(books), changed(self._books, books)
        if not self._stands_from <= at < self._stands_until:  # the clock may have been set back, too
            is_known, stale = False, None
        if not is_known:
            self._stands_from, self._stands_until = at, next_change_at(catalogue, books, at) or float("inf")
        self._catalogue, self._site, self._books = catalogue, site, books
        self._judged = self._judge(self._evaluator, devices, stale, at)
        self._devices = devices
        return self._judged

    def _judge(
        self, evaluator: Evaluator, devices: tuple[Device, ...], stale: frozenset[DeviceId] | None, at: float
    ) -> dict[DeviceId, Verdict]:
        """Return the verdicts, of which only those on `stale` devices (None: on all) and on changed ones are new."""
        if devices is self._devices and stale is not None:
            return (
                self._judged | {device.id: evaluator.verdict(device, at) for device in devices if device.id in stale}
                if stale
                else self._judged
            )
        known = {} if stale is None else {device.id: device for device in self._devices if device.id not in stale}
        return {
            device.id: self._judged[device.id] if known.get(device.id) == device else evaluator.verdict(device, at)
            for device in devices
        }


def changed(before: Iterable[OrderBook], after: Iterable[OrderBook]) -> frozenset[DeviceId] | None:
    """Return the devices whose raises differ between two sets of books, or None if that may be any."""
    different = _raises(before) ^ _raises(after)
    if any(order.device is None for _, order in different):
        return None
    return frozenset(order.device for _, order in different if order.device is not None)


def _raises(books: Iterable[OrderBook]) -> frozenset[tuple[str | None, Raise]]:
    return frozenset((book.site, order) for book in books for order in book.orders if isinstance(order, Raise))


def next_change_at(catalogue: Catalogue, books: Iterable[OrderBook], at: float) -> float | None:
    """Return when, after `at`, something begins or ends: a waiver, a rule, the catalogue, a book's installs."""
    times = [time for waiver in catalogue.waivers for time in (waiver.starts_at, waiver.expires_at)]
    times += [rule.starts_at for policy in catalogue.policies for rule in policy.rules if rule.starts_at is not None]
    times += [catalogue.expires_at, *(book.expires_at for book in books)]
    return min((time for time in times if time > at), default=None)


class Rulesets:
    """What the packet filter is to do, composed anew only where something that counts for it changed."""

    def __init__(self) -> None:
        self._of: tuple[SiteFacts, tuple[Device, ...], tuple[Link, ...], tuple[Address, ...]] | None = None
        self._verdicts: Mapping[DeviceId, Verdict] = {}
        self._composed: Ruleset | None = None
        self._depend = False
        """Whether a recorder on a segment is among the devices: whom it may reach depends on the verdicts on others."""

    def compose(
        self,
        site: SiteFacts,
        devices: tuple[Device, ...],
        verdicts: Mapping[DeviceId, Verdict],
        links: tuple[Link, ...],
        routers: tuple[Address, ...] = (),
    ) -> Ruleset:
        """Return what `ruleset` returns, with the very devices of the last one where they are the same."""
        of = (site, devices, links, routers)
        before, old = self._composed, self._verdicts
        if before is None or self._depend or of != self._of:
            composed = ruleset(site, devices, verdicts, links, routers)
            self._depend = bool(_recorders_on_segments(site, devices))
        else:
            composed = _at(before, {device for device in verdicts if verdicts[device] is not old[device]}, verdicts)
        self._of, self._verdicts, self._composed = of, verdicts, composed
        return composed


def _at(before: Ruleset, moved: Collection[DeviceId], verdicts: Mapping[DeviceId, Verdict]) -> Ruleset:
    """Return a ruleset with these devices at other levels."""
    if not moved:
        return before
    devices = tuple(
        [
            replace(device, level=verdicts[device.id].level) if device.id in moved else device
            for device in before.devices
        ]
    )
    return replace(before, devices=devices)


def ruleset(
    site: SiteFacts,
    devices: Iterable[Device],
    verdicts: Mapping[DeviceId, Verdict],
    links: Iterable[Link],
    routers: tuple[Address, ...] = (),
) -> Ruleset:
    """Return everything that the packet filter is to do.

    Devices on an interface that is no camera segment are left to whoever owns that interface.
    """
    links = tuple(links)
    declared = {segment.interface: segment.default_level for segment in site.segments}
    defaults = {link.interface: declared.get(link.instead_of, Level.ISOLATE) for link in links} | declared
    held = [device for device in devices if device.interface in defaults and (device.macs or device.addresses)]
    recorders = _recorders_on_segments(site, held)
    estate = (*site.estate_networks, *(network for link in links for network in link.networks))
    return Ruleset(
        segments=tuple(Segment(interface, defaults[interface]) for interface in sorted(defaults)),
        estate_networks=tuple(dict.fromkeys(estate)),
        devices=tuple(
            ContainedDevice(
                device.id,
                device.interface,
                verdicts[device.id].level,
                device.macs[: check.MACS_OF_DEVICE],
                device.addresses[: check.ADDRESSES_OF_DEVICE],
                _cameras_of(device, held, recorders, verdicts) if device.id in recorders else (),
            )
            for device in held
        ),
        segment_recorders=tuple(dict.fromkeys(site.recorders)),
        routers=routers,
    )


def _recorders_on_segments(site: SiteFacts, devices: Iterable[Device]) -> frozenset[DeviceId]:
    """Return who has a declared recorder's address. Of several, who had it first: an address is easily taken."""
    holders: dict[Address, Device] = {}
    declared = frozenset(site.recorders)
    possible = [device for device in devices if not declared.isdisjoint(device.addresses)]
    for device in sorted(possible, key=lambda device: (device.lost, device.first_seen, device.id)):
        for address in device.addresses:
            holders.setdefault(address, device)
    return frozenset(holders[address].id for address in site.recorders if address in holders)


def _cameras_of(
    recorder: Device, devices: Iterable[Device], recorders: frozenset[DeviceId], verdicts: Mapping[DeviceId, Verdict]
) -> tuple[Address, ...]:
    """Return whom a recorder may reach when it is isolated. Those on its own switch do not need the gateway: last."""
    cameras = [
        device
        for device in devices
        if device.id not in recorders and verdicts[device.id].level is not Level.QUARANTINE and not device.lost
    ]
    cameras.sort(key=lambda device: (device.interface == recorder.interface, device.id))
    return tuple(address for device in cameras for address in device.addresses)[: check.RECORDERS_OF_DEVICE]


def held_up(wanted: Ruleset, before: Ruleset) -> Ruleset:
    """Return `wanted` without letting any device or segment fall below `before`."""
    levels = {device.id: device.level for device in before.devices}
    defaults: dict[str, Level] = {}
    for segment in (*before.segments, *wanted.segments):
        default = segment.default_level
        defaults[segment.interface] = max(default, defaults.get(segment.interface, default))
    return replace(
        wanted,
        segments=tuple(Segment(interface, defaults[interface]) for interface in sorted(defaults)),
        devices=tuple(
            replace(device, level=max(device.level, levels.get(device.id, device.level))) for device in wanted.devices
        ),
    )


def with_devices_of(before: Ruleset, wanted: Ruleset) -> Ruleset:
    """Return `wanted` with the devices that only `before` has: where the inventory was lost."""
    known = {device.id for device in wanted.devices}
    interfaces = {segment.interface for segment in wanted.segments}
    lost = (device for device in before.devices if device.id not in known and device.interface in interfaces)
    return replace(wanted, devices=(*wanted.devices, *lost))


def with_site_of(before: Ruleset, wanted: Ruleset) -> Ruleset:
    """Return `wanted` with the recorders and networks of `before`: where the site's signed facts were lost."""
    estate = tuple(dict.fromkeys((*before.estate_networks, *wanted.estate_networks)))
    return replace(wanted, estate_networks=estate, segment_recorders=before.segment_recorders)


def mended(ruleset: Ruleset, *, accepted: Ruleset | None = None) -> tuple[Ruleset, dict[DeviceId, str]]:
    """Return the ruleset without what makes all of it impossible, and why a device is held less than in full.

    What it shares with one that was `accepted` before, as objects, is not looked at again.

    One host that claims an impossible address must not cost the others their containment, and where the networks or
    recorders of the site are impossible, having none is the safe side.
    """
    if _is_possible(ruleset, accepted):
        return ruleset, {}
    parts = [(device, *_possible(device)) for device in ruleset.devices]
    possible = tuple(part for _, part, _ in parts if part.macs or part.addresses)
    problems = {device.id: problem for device, _, problem in parts if problem}
    kept = replace(ruleset, devices=possible[: check.DEVICES])
    return (kept if _is_possible(kept) else replace(kept, estate_networks=(), segment_recorders=())), problems


def _is_possible(ruleset: Ruleset, accepted: Ruleset | None = None) -> bool:
    try:
        check.check(ruleset, accepted=accepted)
    except Malformed:
        return False
    return True


def _possible(device: ContainedDevice) -> tuple[ContainedDevice, str]:
    problems = []
    kept: dict[str, list[str]] = {"macs": [], "addresses": [], "recorders": []}
    for name, value in _claims(device):
        problem = _problem(device, name, value)
        if problem:
            problems.append(problem)
        else:
            kept[name].append(value)
    possible = ContainedDevice(
        device.id,
        device.interface,
        device.level,
        tuple(Mac(value) for value in kept["macs"]),
        tuple(Address(value) for value in kept["addresses"]),
        tuple(Address(value) for value in kept["recorders"]),
    )
    return possible, "; ".join(problems)


def _claims(device: ContainedDevice) -> Iterator[tuple[str, str]]:
    yield from (("macs", value) for value in device.macs)
    yield from (("addresses", value) for value in device.addresses)
    yield from (("recorders", value) for value in device.recorders)


def _problem(device: ContainedDevice, name: str, value: str) -> str:
    alone = replace(device, **{"macs": (_ANY_MAC,), "addresses": (), "recorders": (), name: (value,)})
    try:
        check.check(Ruleset((Segment(device.interface, device.level),), (), (alone,)))
    except Malformed as malformed:
        return str(malformed)
    return ""


_ANY_MAC = Mac("02:00:00:00:00:01")
