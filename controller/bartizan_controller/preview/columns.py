"""The estate as columns: for each device a row with the number of its sort, which is what policy can ask about.

A sort is a few numbers, each a place in a list of values. A value stands there once, however many sorts have it, and so
does a sort, however many devices are of it. Rows lie in the order of sites and devices. A site is read again when its
gateway's report has changed since it was read.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, OrganisationId, SiteId
from bartizan.policy.hindrance import GatewayState
from bartizan.policy.preview import Seen, SeenSite, noon
from bartizan.policy.streams import Channels
from bartizan_controller.preview import estate
from bartizan_controller.store import dialect, gateways
from bartizan_controller.store.tables import gateways as gateways_table
from bartizan_controller.store.tables import sites as sites_table

V = TypeVar("V", bound=Hashable)
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]


class Unit(NamedTuple):
    """What an identity says that advisories and conditions can tell apart."""

    maker: str
    brand: str
    kind: Kind
    model: str
    firmware: str
    build_date: str
    hardware: str
    platform: str


class Exposure(NamedTuple):
    """What a device is open to."""

    vulnerabilities: tuple[str, ...]
    undecided: tuple[str, ...]


class Hardened(NamedTuple):
    """Which hardening checks a device fails and meets."""

    failed: tuple[str, ...]
    met: tuple[str, ...]


class Values(Generic[V]):
    """Values in the order in which they were first met."""

    def __init__(self) -> None:
        self.all: list[V] = []
        self._places: dict[V, int] = {}

    def code(self, value: V) -> int:
        """Return the place of a value; a new one goes to the end."""
        place = self._places.setdefault(value, len(self.all))
        if place == len(self.all):
            self.all.append(value)
        return place


class Sort(NamedTuple):
    """What a condition can ask of a device: places in the lists of `EstateColumns`."""

    unit: int
    exposure: int
    hardening: int
    confidence: int
    day: int
    interface: int


UNUSED_SORTS = 500_000
"""Kept beside as many as there are devices, before those of which no device is any more are forgotten."""


class Rows(NamedTuple):
    """Devices, one at each place of every column."""

    sorts: Codes
    arounds: Codes
    """Why it cannot be enforced, each a place in `EstateColumns.arounds`."""
    names: NDArray[np.int64]
    """A hash of each device's id: unequal ones have unequal ids."""
    recordable: Mask
    """Whether it matters that nobody knows who records it: it is not known to be something else."""


class Stream(NamedTuple):
    """A camera that a recorder of the same site says it records. Both are places within the site."""

    recorder: int
    camera: int
    addresses: tuple[Address, ...]
    """The recorder's."""


class Site(NamedTuple):
    """A site as it was read."""

    mark: str
    """Of the report that it was read from."""
    rows: Rows
    devices: tuple[DeviceId, ...]
    streams: tuple[Stream, ...]
    released: str


class Known(NamedTuple):
    """What is not in a report."""

    organisation: OrganisationId
    gateway: GatewayState | None
    mark: str


class EstateColumns:
    """Every site's rows. Used by one thread at a time."""

    def __init__(self) -> None:
        self.units: Values[Unit] = Values()
        self.exposures: Values[Exposure] = Values()
        self.hardened: Values[Hardened] = Values()
        self.confidences: Values[int] = Values()
        self.days: Values[float] = Values()
        self.interfaces: Values[str] = Values()
        self.arounds: Values[str] = Values()
        self.arounds.code("")
        self.sorts: Values[Sort] = Values()
        self.sites: dict[SiteId, Site] = {}
        self.known: dict[SiteId, Known] = {}
        self._channels: dict[SiteId, Channels] = {}
        self._channels_mark = -1
        self._all: Rows | None = None
        self._of_sorts: dict[str, Codes] = {}
        self._raw: dict[SiteId, Raw] = {}

    def renew(self, connection: Connection) -> None:
        """Read again what has changed in the database."""
        mark = estate.channels_mark(connection)
        if mark != self._channels_mark:
            before, self._channels = self._channels, estate.told_channels(connection)
            self._channels_mark = mark
            for site in before.keys() | self._channels.keys():
                if before.get(site) != self._channels.get(site):
                    self.sites.pop(site, None)
        moved = self._renew_known(connection)
        moved += [site for site in self.known if site not in self.sites]
        changed = [site for site in dict.fromkeys(moved) if self._is_stale(site, self.known[site])]
        released = {site: posture.released for site, posture in gateways.postures(connection, changed).items()}
        if changed:
            self._all = None
        for site in changed:
            self.sites[site] = self._read(connection, site, released.get(site, ""))
        if len(self.sorts.all) > sum(len(site.devices) for site in self.sites.values()) + UNUSED_SORTS:
            self._forget_unused_sorts()

    def of_sorts(self) -> Mapping[str, Codes]:
        """Return for each field of `Sort` the places that the sorts have, in their order."""
        if not self._of_sorts or len(self._of_sorts["unit"]) != len(self.sorts.all):
            table = np.array(self.sorts.all, np.intp).reshape(-1, len(Sort._fields))
            self._of_sorts = dict(zip(Sort._fields, np.ascontiguousarray(table.T), strict=True))
        return self._of_sorts

    def rows(self, sites: Sequence[SiteId]) -> Rows:
        """Return the rows of some sites, one site after the other. All of them are put together once."""
        if len(sites) < len(self.sites):
            return self._put_together(sites)
        if self._all is None:
            self._all = self._put_together(sites)
        return self._all

    def _put_together(self, sites: Sequence[SiteId]) -> Rows:
        parts = [self.sites[site].rows for site in sites]
        return Rows(
            _joined([part.sorts for part in parts], np.intp),
            _joined([part.arounds for part in parts], np.intp),
            _joined([part.names for part in parts], np.int64),
            _joined([part.recordable for part in parts], np.bool_),
        )

    def device(self, number: int) -> Device:
        """Return a device that no condition can tell from those of a sort, if none speaks of a device by its id."""
        sort = self.sorts.all[number]
        exposure = self.exposures.all[sort.exposure]
        return Device(
            id=DeviceId(""),
            identity=Identity(**self.units.all[sort.unit]._asdict(), confidence=self.confidences.all[sort.confidence]),
            interface=self.interfaces.all[sort.interface],
            first_seen=self.days.all[sort.day],
            vulnerabilities=exposure.vulnerabilities,
            undecided=exposure.undecided,
            hardening=hardening(self.hardened.all[sort.hardening]),
        )

    def _renew_known(self, connection: Connection) -> list[SiteId]:
        """Return the sites of which something else is known than before: most are as they were."""
        before, self._raw = self._raw, dict(_raw(connection))
        moved = [site for site, raw in self._raw.items() if before.get(site) != raw]
        if before.keys() != self._raw.keys():  # sites stand in the order of the database
            self.known = {site: _known(raw) for site, raw in self._raw.items()}
        else:
            self.known |= {site: _known(self._raw[site]) for site in moved}
        return moved

    def _forget_unused_sorts(self) -> None:
        """Devices come to be of other sorts, and nobody is left of the one before."""
        used = np.unique(self._put_together(tuple(self.sites)).sorts)
        kept: Values[Sort] = Values()
        places = np.zeros(len(self.sorts.all), np.intp)
        places[used] = [kept.code(self.sorts.all[number]) for number in used]
        self.sorts, self._all, self._of_sorts = kept, None, {}
        for name, site in self.sites.items():
            self.sites[name] = site._replace(rows=site.rows._replace(sorts=places[site.rows.sorts]))

    def _is_stale(self, site: SiteId, known: Known) -> bool:
        read = self.sites.get(site)
        return read is None or read.mark != known.mark

    def _read(self, connection: Connection, site: SiteId, released: str) -> Site:
        known = self.known[site]
        seen = estate.seen_devices(connection, site)
        channels = {**self._channels.get(site, {}), **estate.recorded(seen)}
        at_site = SeenSite(site, known.organisation, devices=seen, channels=channels)
        return Site(
            mark=known.mark,
            rows=self._rows(at_site),
            devices=tuple(each.device.id for each in seen),
            streams=tuple(_streams(at_site)),
            released=released,
        )

    def _rows(self, site: SeenSite) -> Rows:
        in_streams = {camera for cameras in site.channels.values() for camera in cameras} | site.channels.keys()
        return Rows(
            np.array([self.sorts.code(self._sort(seen.device)) for seen in site.devices], np.intp),
            np.array([self.arounds.code(_around(seen)) for seen in site.devices], np.intp),
            np.array([name_of(seen.device.id) for seen in site.devices], np.int64),
            np.array(
                [
                    seen.device.id not in in_streams and seen.device.identity.kind is not Kind.OTHER
                    for seen in site.devices
                ],
                np.bool_,
            ),
        )

    def _sort(self, device: Device) -> Sort:
        identity = device.identity
        return Sort(
            self.units.code(Unit(*(getattr(identity, name) for name in Unit._fields))),
            self.exposures.code(Exposure(device.vulnerabilities, device.undecided)),
            self.hardened.code(Hardened(tuple(device.hardening.failed), device.hardening.met)),
            self.confidences.code(identity.confidence),
            self.days.code(noon(device.first_seen)),
            self.interfaces.code(device.interface),
        )


def _around(seen: Seen) -> str:
    return seen.posture.not_enforceable_because if seen.posture else ""


def hardening(hardened: Hardened) -> Hardening:
    """Return what was found of a device, without the evidence."""
    return Hardening(tuple(Shortfall(check, "") for check in hardened.failed), hardened.met)


def name_of(device: DeviceId) -> int:
    """Return the hash under which a device's id is kept, for this process."""
    return hash(device)


Raw = tuple[Any, ...]
"""As `_KNOWN` selects it."""


def _raw(connection: Connection) -> Iterable[tuple[SiteId, Raw]]:
    return ((SiteId(row[0]), tuple(row)) for row in dialect.all_rows(connection, _KNOWN))


def _known(raw: Raw) -> Known:
    _, organisation, connected, capability, last_seen, mark = raw
    gateway = None if connected is None else GatewayState(bool(connected), capability, last_seen)
    return Known(OrganisationId(organisation), gateway, mark or "")


_KNOWN = (
    select(
        sites_table.c.id,
        sites_table.c.organisation,
        gateways_table.c.connected,
        gateways_table.c.capability,
        gateways_table.c.last_seen,
        gateways_table.c.report_digest,
    )
    .join(gateways_table, gateways_table.c.site == sites_table.c.id, isouter=True)
    .order_by(sites_table.c.id)
)


def _streams(site: SeenSite) -> Iterable[Stream]:
    places = {seen.device.id: place for place, seen in enumerate(site.devices)}
    for recorder, cameras in site.channels.items():
        if recorder in places:
            addresses = site.devices[places[recorder]].device.addresses
            for camera in cameras:
                if camera in places:
                    yield Stream(places[recorder], places[camera], addresses)


T = TypeVar("T", bound=np.generic)


def _joined(parts: Sequence[NDArray[T]], kind: type[T]) -> NDArray[T]:
    return np.concatenate(parts) if parts else np.empty(0, kind)
