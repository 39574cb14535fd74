"""Previews of the whole estate: judged by class of devices, summed by column, listed one by one."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.policy.evaluate import Evaluator, check
from bartizan.policy.facts import unlisted_site
from bartizan.policy.hindrance import GatewayState, HinderedSite, hindrances, is_fit
from bartizan.policy.model import SiteFacts, Subject, Verdict
from bartizan.policy.preview import DeviceChange, Direction, Judge, Preview, SeenSite, Tally, UnknownRecording, remarks
from bartizan.policy.streams import LostStream, Reach, lost_streams
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import Order, OrderBook, Raise
from bartizan_controller.access import Scope
from bartizan_controller.catalogue.repository import Outlook
from bartizan_controller.preview import estate
from bartizan_controller.preview.alike import Class, Classes, Distinctions
from bartizan_controller.preview.columns import Codes, EstateColumns, Rows, Stream, name_of
from bartizan_controller.store import books

LEVELS = tuple(Level)

Ranks = NDArray[np.int8]


class Previews:
    """Makes previews. Keeps the estate in memory as numbers from the first one on, some 150 octets a device."""

    def __init__(self) -> None:
        self._columns = EstateColumns()
        self._lock = threading.Lock()

    def of_estate(
        self, connection: Connection, present: Catalogue, outlook: Outlook, scope: Scope, *, at: float, limit: int
    ) -> Preview:
        """Return what a catalogue would change at the sites within `scope`, as `estate.of_estate` does.

        Raises:
            TooNew: A policy needs a capability that this program does not have.
            PolicyError: A policy, waiver or order has a condition that makes no sense.
        """
        check(outlook.catalogue)
        with self._lock:
            self._columns.renew(connection)
            within = _Estate(self._columns, connection, scope)
            return _Making(within, present, outlook, at=at, limit=limit).preview()


class _Estate:
    """The sites that somebody may see, and their devices as rows."""

    def __init__(self, columns: EstateColumns, connection: Connection, scope: Scope) -> None:
        self.columns = columns
        self.connection = connection
        self.sites = [site for site, known in columns.known.items() if scope is None or known.organisation in scope]
        self.rows: Rows = columns.rows(self.sites)
        self.counts = np.array([len(columns.sites[site].devices) for site in self.sites], np.int64)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        self.orders: Mapping[SiteId | None, tuple[Order, ...]] = books.all_orders(connection)

    def organisation(self, site: SiteId) -> OrganisationId:
        return self.columns.known[site].organisation

    def gateway(self, site: SiteId) -> GatewayState | None:
        gateway, released = self.columns.known[site].gateway, self.columns.sites[site].released
        return replace(gateway, released=released) if gateway is not None and released else gateway

    def books(self, site: SiteId) -> tuple[OrderBook, ...]:
        return estate.standing(self.orders, site)

    def site_of(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def named(self, names: frozenset[DeviceId]) -> list[int]:
        """Return the rows that may be of these devices."""
        hashes = np.array([name_of(name) for name in names], np.int64)
        return [int(row) for row in np.flatnonzero(np.isin(self.rows.names, hashes))] if names else []

    def name(self, row: int) -> tuple[SiteId, DeviceId]:
        """Return the site and the id of a row's device."""
        number = self.site_of(row)
        site = self.sites[number]
        return site, self.columns.sites[site].devices[row - int(self.starts[number])]

    def seen(self, rows: Sequence[int]) -> Iterator[SeenSite]:
        """Yield the devices of these rows, which rise, site by site."""
        by_site: dict[SiteId, list[DeviceId]] = {}
        for site, device in map(self.name, rows):
            by_site.setdefault(site, []).append(device)
        for site, devices in by_site.items():
            yield SeenSite(
                id=site,
                organisation=self.organisation(site),
                gateway=self.gateway(site),
                devices=estate.some_devices(self.connection, site, devices),
                books=self.books(site),
            )


class _Judged(NamedTuple):
    """What is demanded of each row, before and after."""

    before: Ranks
    after: Ranks
    moves: dict[tuple[int, int], int]
    """How many devices go from one level to another, or stay."""
    duties_change: int


class _Making:
    """One preview in the making."""

    def __init__(self, within: _Estate, present: Catalogue, outlook: Outlook, *, at: float, limit: int) -> None:
        self._estate = within
        self._present, self._proposed = present, outlook.catalogue
        self._needs = outlook.needs_capability
        self._at, self._limit = at, limit
        self._facts = tuple({site.id: site for site in each.sites} for each in (present, outlook.catalogue))
        self._distinctions = Distinctions(
            present, outlook.catalogue, (order for orders in within.orders.values() for order in orders)
        )
        self._judge = Judge(present, outlook.catalogue, at)

    def preview(self) -> Preview:
        within, judged = self._estate, self._judged()
        tighten, loosen = judged.after > judged.before, judged.after < judged.before
        up, down = self._by_site(tighten), self._by_site(loosen)
        changed = np.flatnonzero(tighten | loosen)
        sites = {
            site: Tally(rising, falling, count - rising - falling)
            for site, rising, falling, count in zip(within.sites, up, down, within.counts.tolist(), strict=True)
            if rising or falling
        }
        organisations = self._by_organisation(up, down)
        total = Tally()
        for tally in organisations.values():
            total = total.and_also(tally)
        streams = list(self._lost_streams(judged))
        return Preview(
            total=total,
            moves=self._moves(judged),
            duties_change=judged.duties_change,
            organisations=organisations,
            sites=sites,
            devices=tuple(self._listed(changed[: self._limit])),
            devices_left_out=max(0, len(changed) - self._limit),
            lost_streams=tuple(streams[: self._limit]),
            unknown_recordings=tuple(self._unknown_recordings(judged)),
            hindered=tuple(self._hindered(judged)),
            needs_capability=self._needs,
            remarks=remarks(self._present, self._proposed, self._at),
            streams_left_out=max(0, len(streams) - self._limit),
        )

    def _both_facts(self, site: SiteId) -> tuple[SiteFacts, SiteFacts]:
        return self._facts[0].get(site) or unlisted_site(site), self._facts_after(site)

    def _facts_after(self, site: SiteId) -> SiteFacts:
        return self._facts[1].get(site) or unlisted_site(site)

    def _judged(self) -> _Judged:
        within = self._estate
        of_sites, first = self._kinds_of_sites()
        kinds = max(1, len(first))
        at = np.repeat(of_sites, within.counts) if kinds > 1 else of_sites
        classes = self._distinctions.classes(within.columns, within.rows, at, kinds)
        evaluators = [self._evaluators(site) for site in first]
        judged = [self._verdicts(each, evaluators[each.sites]) for each in classes.present]
        named = list(self._verdicts_of(within.named(self._named())))
        return _summed(classes, judged, named)

    def _kinds_of_sites(self) -> tuple[Codes, list[SiteId]]:
        """Tell sites apart by what counts of their facts and orders: a number for each, and the first of each."""
        kinds: dict[object, int] = {}
        numbers: list[int] = []
        first: list[SiteId] = []
        told_by, orders_of = self._distinctions.site, self._estate.orders
        for site in self._estate.sites:
            before, after = self._both_facts(site)
            of_facts = told_by(before)
            orders = site if site in orders_of else ""
            kind = (of_facts, of_facts if before == after else told_by(after), orders)
            number = kinds.setdefault(kind, len(kinds))
            if number == len(first):
                first.append(site)
            numbers.append(number)
        return np.array(numbers, np.intp), first

    def _verdicts(self, alike: Class, evaluators: tuple[Evaluator, Evaluator]) -> tuple[Verdict, Verdict]:
        device = self._estate.columns.device(alike.sort)
        before, after = evaluators
        return before.verdict(device, self._at), after.verdict(self._weighed(device), self._at)

    def _evaluators(self, site: SiteId) -> tuple[Evaluator, Evaluator]:
        before, after = self._both_facts(site)
        standing = self._estate.books(site)
        return Evaluator(self._present, before, standing), Evaluator(self._proposed, after, standing)

    def _weighed(self, device: Device) -> Device:
        return self._judge.weighed(device)

    def _named(self) -> frozenset[DeviceId]:
        """Return the devices that something speaks of by their id."""
        waivers = (waiver.device for each in (self._present, self._proposed) for waiver in each.waivers)
        orders = (order.device for given in self._estate.orders.values() for order in given if isinstance(order, Raise))
        named = {device for device in (*waivers, *orders) if device is not None}
        if Subject.DEVICE_TAG in self._distinctions.subjects:
            for site in self._estate.sites:
                for facts in self._both_facts(site):
                    named.update(DeviceId(device) for device in facts.device_tags)
        return frozenset(named)

    def _verdicts_of(self, rows: Sequence[int]) -> Iterator[tuple[int, tuple[Verdict, Verdict]]]:
        """Judge single devices: each row, and what is demanded of it before and after."""
        places = {self._estate.name(row): row for row in rows}
        for site in self._estate.seen(rows):
            before, after = self._evaluators(site.id)
            for seen in site.devices:
                verdicts = before.verdict(seen.device, self._at), after.verdict(self._weighed(seen.device), self._at)
                yield places[site.id, seen.device.id], verdicts

    def _by_organisation(self, up: Sequence[int], down: Sequence[int]) -> dict[OrganisationId, Tally]:
        within = self._estate
        sums: dict[OrganisationId, list[int]] = {}
        for site, rising, falling, count in zip(within.sites, up, down, within.counts.tolist(), strict=True):
            summed = sums.setdefault(within.organisation(site), [0, 0, 0])
            summed[0] += rising
            summed[1] += falling
            summed[2] += count - rising - falling
        return {organisation: Tally(*summed) for organisation, summed in sums.items()}

    def _by_site(self, mask: NDArray[np.bool_]) -> list[int]:
        """Return how many rows of each site are in a mask."""
        found = np.zeros(len(self._estate.sites), np.int64)
        inhabited = self._estate.counts > 0
        if inhabited.any():
            found[inhabited] = np.add.reduceat(mask, self._estate.starts[:-1][inhabited], dtype=np.int64)
        counts: list[int] = found.tolist()
        return counts

    def _moves(self, judged: _Judged) -> dict[str, int]:
        moved = {move: count for move, count in judged.moves.items() if move[0] != move[1]}
        return {
            f"{LEVELS[before].value} -> {LEVELS[after].value}": count
            for (before, after), count in sorted(moved.items(), key=lambda item: -item[1])
        }

    def _listed(self, changed: NDArray[np.int64]) -> Iterator[DeviceChange]:
        for site in self._estate.seen([int(row) for row in changed]):
            yield from (each for each in self._judge.changes(site) if each.direction is not Direction.NONE)

    def _lost_streams(self, judged: _Judged) -> Iterator[LostStream]:
        for number, site in enumerate(self._estate.sites):
            streams = self._estate.columns.sites[site].streams
            if streams:
                yield from self._lost_at(number, streams, judged)

    def _lost_at(self, number: int, streams: Sequence[Stream], judged: _Judged) -> list[LostStream]:
        within = self._estate
        site, start = within.sites[number], int(within.starts[number])
        ids = within.columns.sites[site].devices
        places = {place for stream in streams for place in (stream.recorder, stream.camera)}
        levels = [
            {ids[place]: LEVELS[ranks[start + place]] for place in places} for ranks in (judged.before, judged.after)
        ]
        if levels[0] == levels[1] and self._both_facts(site)[0].recorders == self._both_facts(site)[1].recorders:
            return []
        devices = {ids[place]: replace(_NOBODY, id=ids[place]) for place in places}
        channels: dict[DeviceId, list[DeviceId]] = {}
        for stream in streams:
            recorder = ids[stream.recorder]
            devices[recorder] = replace(devices[recorder], addresses=stream.addresses)
            channels.setdefault(recorder, []).append(ids[stream.camera])
        before, after = (Reach(held, facts) for held, facts in zip(levels, self._both_facts(site), strict=True))
        return lost_streams(devices, channels, before, after)

    def _unknown_recordings(self, judged: _Judged) -> Iterator[UnknownRecording]:
        isolated = Level.ISOLATE.rank
        cut_off = (judged.before < isolated) & (judged.after >= isolated) & self._estate.rows.recordable
        for site, count in zip(self._estate.sites, self._by_site(cut_off), strict=True):
            if count and not self._facts_after(site).recorders:
                yield UnknownRecording(site, count)

    def _hindered(self, judged: _Judged) -> Iterator[HinderedSite]:
        within = self._estate
        around = within.rows.arounds
        beyond: dict[int, list[str]] = {}
        for row in np.flatnonzero((around != 0) & (judged.after != Level.WATCH.rank)):
            beyond.setdefault(within.site_of(int(row)), []).append(within.columns.arounds.all[around[row]])
        for number, site in enumerate(within.sites):
            known, reasons = within.columns.known[site], beyond.get(number, ())
            released = within.columns.sites[site].released
            if reasons or released or not is_fit(known.gateway, self._needs):
                yield from hindrances(site, known.organisation, within.gateway(site), reasons, self._needs)


def _summed(
    classes: Classes, judged: Sequence[tuple[Verdict, Verdict]], named: Sequence[tuple[int, tuple[Verdict, Verdict]]]
) -> _Judged:
    """Put together what is demanded of classes, and of single rows in place of that of their class."""
    levels = np.zeros((2, classes.numbers), np.int8)
    counts = {each.number: each.devices for each in classes.present}
    for row, _ in named:
        counts[int(classes.of_rows[row])] -= 1
    moves: dict[tuple[int, int], int] = {}
    duties = 0
    of_classes = [(verdicts, counts[each.number]) for each, verdicts in zip(classes.present, judged, strict=True)]
    for (first, second), count in (*of_classes, *((verdicts, 1) for _, verdicts in named)):
        move = (first.level.rank, second.level.rank)
        moves[move] = moves.get(move, 0) + count
        if (first.firmware, first.harden, first.remove_by) != (second.firmware, second.harden, second.remove_by):
            duties += count
    for each, verdicts in zip(classes.present, judged, strict=True):
        levels[:, each.number] = [verdict.level.rank for verdict in verdicts]
    before, after = levels[0][classes.of_rows], levels[1][classes.of_rows]
    for row, verdicts in named:
        before[row], after[row] = (verdict.level.rank for verdict in verdicts)
    return _Judged(before, after, {move: count for move, count in moves.items() if count}, duties)


_NOBODY = Device(DeviceId(""), Identity(), "")
