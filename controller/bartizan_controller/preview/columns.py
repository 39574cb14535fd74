"""The estate as columns: for each device a row of numbers that stand for what policy can ask about.

A number is a place in a list of values, and a value stands there once, however many devices have it. Rows lie in the
order of sites and devices. A site is read again when its gateway's report has changed since it was read.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

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


COLUMNS = ("unit", "exposure", "hardening", "confidence", "day", "interface", "around")


class Rows(NamedTuple):
    """Devices, one at each place of every column."""

    codes: Mapping[str, Codes]
    """By the names in `COLUMNS`."""
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
        self.sites: dict[SiteId, Site] = {}
        self.known: dict[SiteId, Known] = {}
        self._channels: dict[SiteId, Channels] = {}
        self._channels_mark = -1
        self._all: Rows | None = None

    def renew(self, connection: Connection) -> None:
        """Read again what has changed in the database."""
        mark = estate.channels_mark(connection)
        if mark != self._channels_mark:
            before, self._channels = self._channels, estate.told_channels(connection)
            self._channels_mark = mark
            for site in before.keys() | self._channels.keys():
                if before.get(site) != self._channels.get(site):
                    self.sites.pop(site, None)
        self.known = _known(connection)
        changed = [site for site, known in self.known.items() if self._is_stale(site, known)]
        released = {site: posture.released for site, posture in gateways.postures(connection, changed).items()}
        if changed:
            self._all = None
        for site in changed:
            self.sites[site] = self._read(connection, site, released.get(site, ""))

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
            {name: _joined([part.codes[name] for part in parts], np.intp) for name in COLUMNS},
            _joined([part.names for part in parts], np.int64),
            _joined([part.recordable for part in parts], np.bool_),
        )

    def device(self, rows: Rows, row: int) -> Device:
        """Return a device that no condition can tell from the one of a row, if none speaks of a device by its id."""
        unit = self.units.all[rows.codes["unit"][row]]
        exposure = self.exposures.all[rows.codes["exposure"][row]]
        hardened = self.hardened.all[rows.codes["hardening"][row]]
        return Device(
            id=DeviceId(""),
            identity=Identity(**unit._asdict(), confidence=self.confidences.all[rows.codes["confidence"][row]]),
            interface=self.interfaces.all[rows.codes["interface"][row]],
            first_seen=self.days.all[rows.codes["day"][row]],
            vulnerabilities=exposure.vulnerabilities,
            undecided=exposure.undecided,
            hardening=hardening(hardened),
        )

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
        codes = [self._codes(seen) for seen in site.devices]
        in_streams = {camera for cameras in site.channels.values() for camera in cameras} | site.channels.keys()
        return Rows(
            {name: np.array(column, np.intp) for name, column in zip(COLUMNS, zip(*codes, strict=True), strict=True)}
            if codes
            else {name: np.empty(0, np.intp) for name in COLUMNS},
            np.array([name_of(seen.device.id) for seen in site.devices], np.int64),
            np.array(
                [
                    seen.device.id not in in_streams and seen.device.identity.kind is not Kind.OTHER
                    for seen in site.devices
                ],
                np.bool_,
            ),
        )

    def _codes(self, seen: Seen) -> tuple[int, ...]:
        """Return the numbers of one device, in the order of `COLUMNS`."""
        device, identity = seen.device, seen.device.identity
        return (
            self.units.code(Unit(*(getattr(identity, name) for name in Unit._fields))),
            self.exposures.code(Exposure(device.vulnerabilities, device.undecided)),
            self.hardened.code(Hardened(tuple(device.hardening.failed), device.hardening.met)),
            self.confidences.code(identity.confidence),
            self.days.code(noon(device.first_seen)),
            self.interfaces.code(device.interface),
            self.arounds.code(seen.posture.not_enforceable_because if seen.posture else ""),
        )


def hardening(hardened: Hardened) -> Hardening:
    """Return what was found of a device, without the evidence."""
    return Hardening(tuple(Shortfall(check, "") for check in hardened.failed), hardened.met)


def name_of(device: DeviceId) -> int:
    """Return the hash under which a device's id is kept, for this process."""
    return hash(device)


def _known(connection: Connection) -> dict[SiteId, Known]:
    return {
        SiteId(site): Known(
            OrganisationId(organisation),
            None if connected is None else GatewayState(bool(connected), capability, last_seen),
            mark or "",
        )
        for site, organisation, connected, capability, last_seen, mark in dialect.all_rows(connection, _KNOWN)
    }


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
