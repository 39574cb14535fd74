"""Writes what gateways report of devices: their rows, and what they are found, remembered and counted by."""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter, ne
from typing import NamedTuple

from sqlalchemy import Connection, Table, Update, bindparam, delete, select, update

from bartizan.identity.model import Device
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.inventory import Counts, HeldDevice, Record, SeenDevice, Substance
from bartizan_controller.store import counters, dialect, history
from bartizan_controller.store.tables import device_advisories, device_documents, device_names, devices

Values = tuple[object, ...]
"""Of columns."""


class _Change(NamedTuple):
    """Facts of a device, before and after."""

    was: Record
    now: Record
    facts: bytes
    """What it is now, as history keeps it."""
    device: Device | None


class _Altered:
    """What follows from changes of facts, beside the rows of devices themselves."""

    def __init__(self) -> None:
        self.facts: dict[DeviceId, bytes] = {}
        self.names: list[DeviceId] = []
        """Devices that answer to other names than before."""
        self.new_names: list[Values] = []
        self.exposure: list[DeviceId] = []
        """Devices that are open to other advisories than before."""
        self.new_exposure: list[Values] = []
        self.counts: Counts = Counter()

    def add(self, site: SiteId, identifier: DeviceId, change: _Change) -> None:
        """Take in that a device has other facts than before; None stands for one that is not there."""
        was, now = change.was, change.now
        touches = inventory.touches(was, now)
        self.facts[identifier] = change.facts
        if touches.names:
            self.names.append(identifier)
            if change.device is not None:
                names = inventory.names(change.device)
                self.new_names += [(name, kind, site, identifier) for kind, name in names]
        if touches.exposure:
            self.exposure.append(identifier)
            self.new_exposure += [(advisory, site, identifier) for advisory in inventory.vulnerabilities(now)]
        if touches.counts:
            self.counts.update(inventory.counts(now))
            self.counts.subtract(inventory.counts(was))


class _Setting(NamedTuple):
    """An update of a device, its parameters, and what takes their values from a row."""

    update: Update
    names: Sequence[str]
    values: Callable[[Values], Values]


def told(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, dict[DeviceId, bytes]]:
    """Return the devices of these sites, and the digest of what was told of each; sites without any are left out."""
    found: dict[SiteId, dict[DeviceId, bytes]] = {}
    for site, device, digest in dialect.rows_of(connection, _TOLD, "of_sites", sites):
        found.setdefault(site, {})[device] = digest
    return found


def replace(
    connection: Connection,
    site: SiteId,
    organisation: OrganisationId,
    seen: Mapping[DeviceId, SeenDevice],
    *,
    now: float,
    known: Collection[DeviceId] | None = None,
    same: AbstractSet[DeviceId] = frozenset(),
) -> int:
    """Make the inventory of a site what a report says; return how many devices changed in substance.

    Args:
        connection: In the transaction that keeps the report.
        site: Whose report it is.
        organisation: Of the site.
        seen: What the report says.
        now: When the report came.
        known: The devices of the site, where `told` was asked for many.
        same: Devices of which it says what it said before, and which are not in `seen`.
    """
    if known is None:
        known = told(connection, [site]).get(site, {})
    gone = tuple(device for device in known if device not in seen and device not in same)
    before = _held(connection, site, [device for device in (*seen, *gone) if device in known])
    comparison = inventory.compare(before, seen)
    if comparison.written or gone:
        altered = _write(connection, site, comparison.written, before)
        _remove(connection, site, gone, before, altered)
        _forget(connection, device_names, site, altered.names)
        _forget(connection, device_advisories, site, altered.exposure)
        dialect.many_rows(connection, _INSERT_NAME, _NAMED, altered.new_names)
        dialect.many_rows(connection, _INSERT_ADVISORY, _EXPOSED, altered.new_exposure)
        history.add(connection, site, altered.facts, now=now)
        counters.add(connection, counters.scopes_of(site, organisation), altered.counts)
    _touch(connection, site, comparison.touched)
    return len(comparison.written) + len(gone)


def _held(connection: Connection, site: SiteId, identifiers: Collection[DeviceId]) -> dict[DeviceId, HeldDevice]:
    """Return what is held of these devices of a site; those that it does not have are left out."""
    if len(identifiers) > _FEW:
        rows = dialect.rows_of(connection, _HELD, "of_sites", [site])
    else:
        rows = dialect.rows_of(connection, _HELD_FEW, "ids", identifiers, of_site=site)
    return {row[0]: HeldDevice(row[1], row[2], row[3], row[4], row[5], row[6], row[7:]) for row in rows}


def _write(
    connection: Connection, site: SiteId, written: Sequence[Substance], held: Mapping[DeviceId, HeldDevice]
) -> _Altered:
    """Write devices and their documents; return what follows from it."""
    altered = _Altered()
    new: list[Values] = []
    new_documents: list[Values] = []
    changed: dict[tuple[bool, ...], list[Values]] = {}
    changed_documents: list[Values] = []
    records = [inventory.record(each.seen) for each in written]
    before = [held.get(each.seen.device.id) for each in written]
    were = history.decode([history.NOTHING if each is None else each.facts for each in before])
    for kept, was, substance, record, facts in zip(
        before, were, written, records, history.encode(records), strict=True
    ):
        device = substance.seen.device
        row = _row(site, substance, record)
        document = (substance.device, substance.posture, facts, site, device.id)
        if kept is None:
            new.append(row)
            new_documents.append(document)
        else:
            changed.setdefault(tuple(map(ne, kept.indexed, _indexed(row))), []).append(row)
            changed_documents.append(document)
        if was != record:
            altered.add(site, device.id, _Change(was, record, facts, device))
    dialect.many_rows(connection, _INSERT, _COLUMNS, new)
    dialect.many_rows(connection, _INSERT_DOCUMENT, _DOCUMENT, new_documents)
    for moved, rows in changed.items():
        setting = _set_where(moved)
        dialect.many_rows(connection, setting.update, setting.names, list(map(setting.values, rows)))
    # An update, and no insert that replaces what is there: that would look for its site again, for every row.
    dialect.many_rows(connection, _SET_DOCUMENT, _NEW_DOCUMENT, changed_documents)
    return altered


@functools.cache
def _set_where(moved: tuple[bool, ...]) -> _Setting:
    """Return an update of a device that leaves indices alone, but for those of what was moved, as `_INDEXED` has it.

    SQLite writes an index again when its column is set, to whatever value; most changes concern one of eight.
    """
    kept = {"site", "id", *(name for name, is_moved in zip(_INDEXED, moved, strict=True) if not is_moved)}
    names = [name for name in _COLUMNS if name not in kept]
    statement = (
        update(devices)
        .where(devices.c.site == bindparam(f"{_NEW}site"), devices.c.id == bindparam(f"{_NEW}id"))
        .values({name: bindparam(f"{_NEW}{name}") for name in names})
    )
    named = (*names, "site", "id")
    return _Setting(statement, [f"{_NEW}{name}" for name in named], itemgetter(*map(_COLUMNS.index, named)))


def _remove(
    connection: Connection,
    site: SiteId,
    gone: Sequence[DeviceId],
    held: Mapping[DeviceId, HeldDevice],
    altered: _Altered,
) -> None:
    """Remove devices that are not there any more."""
    for device, was in zip(gone, history.decode([held[device].facts for device in gone]), strict=True):
        altered.add(site, device, _Change(was, inventory.ABSENT, history.NOTHING, None))
    for some in dialect.portions(gone):
        for table in (devices, device_documents):
            connection.execute(delete(table).where(table.c.site == site, table.c.id.in_(some)))


def _forget(connection: Connection, table: Table, site: SiteId, identifiers: Iterable[DeviceId]) -> None:
    for some in dialect.portions(identifiers):
        connection.execute(delete(table).where(table.c.site == site, table.c.device.in_(some)))


def _touch(connection: Connection, site: SiteId, touched: Iterable[SeenDevice]) -> None:
    rows = [(seen.device.last_seen, seen.dropped_packets, seen.told, site, seen.device.id) for seen in touched]
    dialect.many_rows(connection, _TOUCH, ("seen", "dropped", "as_told", "of_site", "of_id"), rows)


def _row(site: SiteId, kept: Substance, record: Record) -> Values:
    """Return the values of a device's columns, as `_COLUMNS` names them."""
    seen, device = kept.seen, kept.seen.device
    return (
        site,
        device.id,
        record.maker.casefold(),
        record.brand.casefold(),
        record.kind,
        record.model.casefold(),
        record.firmware.casefold(),
        device.identity.confidence,
        device.first_seen,
        record.wanted,
        record.enforced,
        seen.agrees,
        record.vulnerabilities != "",
        device.lost,
        device.last_seen,
        seen.dropped_packets,
        _words(device),
        seen.posture.remove_by if seen.posture is not None else None,
        seen.told,
    )


def _words(device: Device) -> str:
    identity = device.identity
    told = (
        device.id,
        identity.maker,
        identity.brand,
        identity.model,
        identity.firmware,
        identity.build_date,
        identity.hardware,
        identity.platform,
        identity.serial,
        *device.macs,
        *device.addresses,
    )
    return " ".join(filter(None, told)).casefold()


# Made once: building a statement takes as long as running it.
_OF_SITE = devices.c.site == bindparam("of_site")
_NEW = "new_"
_COLUMNS = tuple(devices.c.keys())
_INDEXED = ("maker", "model", "firmware", "first_seen", "wanted", "agrees", "remove_by")
_indexed = itemgetter(*map(_COLUMNS.index, _INDEXED))
_AT_SITES = devices.c.site.in_(bindparam("of_sites", expanding=True))
_TOLD = select(devices.c.site, devices.c.id, devices.c.told).where(_AT_SITES)
_FEW = 50  # devices; of more, reading all of a site is quicker than naming each
_HELD_OF_ALL = select(
    devices.c.id,
    *(devices.c[name] for name in ("last_seen", "dropped_packets", "told")),
    *(device_documents.c[name] for name in ("device", "posture", "facts")),
    *(devices.c[name] for name in _INDEXED),
).join(device_documents, (device_documents.c.site == devices.c.site) & (device_documents.c.id == devices.c.id))
_HELD = _HELD_OF_ALL.where(_AT_SITES)
_HELD_FEW = _HELD_OF_ALL.where(_OF_SITE, devices.c.id.in_(bindparam("ids", expanding=True)))
_TOUCH = (
    update(devices)
    .where(_OF_SITE, devices.c.id == bindparam("of_id"))
    .values(last_seen=bindparam("seen"), dropped_packets=bindparam("dropped"), told=bindparam("as_told"))
)
_INSERT, _INSERT_DOCUMENT = devices.insert(), device_documents.insert()
_DOCUMENT = ("device", "posture", "facts", "site", "id")
_NEW_DOCUMENT = tuple(f"{_NEW}{name}" for name in _DOCUMENT)
_SET_DOCUMENT = (
    update(device_documents)
    .where(device_documents.c.site == bindparam(f"{_NEW}site"), device_documents.c.id == bindparam(f"{_NEW}id"))
    .values({name: bindparam(f"{_NEW}{name}") for name in ("device", "posture", "facts")})
)
_NAMED, _EXPOSED = ("name", "kind", "site", "device"), ("advisory", "site", "device")
_INSERT_NAME, _INSERT_ADVISORY = device_names.insert(), device_advisories.insert()
