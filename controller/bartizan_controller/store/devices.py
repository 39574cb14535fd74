"""Rows of devices: the inventory as it is. `store.history` keeps what it was, `store.counters` how much there is."""

import enum
import functools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Row, Table, Update, bindparam, delete, select, tuple_, update

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Kind
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.errors import NotFound
from bartizan_controller.inventory import Counts, Facts, HeldDevice, SeenDevice, Substance
from bartizan_controller.store import counters, dialect, history
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import device_advisories, device_documents, device_names, devices


class DeviceState(msgspec.Struct, frozen=True):
    """A device of the inventory."""

    site: SiteId
    device: Device
    posture: DevicePosture | None
    agrees: bool
    """Whether what is enforced is what is wanted."""


class Filter(msgspec.Struct, frozen=True):
    """Which devices are asked for, by what the controller knows beside facts. Empty fields do not restrict."""

    site: SiteId | None = None
    organisations: Scope = None
    level: Level | None = None
    """Wanted at this level."""
    enforced: Level | None = None
    agrees: bool | None = None
    vulnerable: bool | None = None
    lost: bool | None = None
    name: str = ""
    """Its id, serial number, MAC or address."""
    words: tuple[str, ...] = ()
    """Each stands somewhere in what is known of it by name."""


class Sort(enum.Enum):
    """What lists can be in the order of; site and id decide between equals."""

    SITE = "site"
    MAKER = "maker"
    MODEL = "model"
    FIRMWARE = "firmware"
    FIRST_SEEN = "first-seen"


class Order(NamedTuple):
    """The order of a list."""

    by: Sort = Sort.SITE
    descending: bool = False


BY_SITE = Order()


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list: behind this device."""

    value: str | float
    """What it is sorted by, if not by its site."""
    site: SiteId
    device: DeviceId


class Placed(NamedTuple):
    """A device, and its place in a list."""

    position: Position
    state: DeviceState


def held(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, dict[DeviceId, HeldDevice]]:
    """Return what is held of the devices of these sites; sites without any are left out."""
    found: dict[SiteId, dict[DeviceId, HeldDevice]] = {}
    for row in dialect.rows_of(connection, _HELD, "of_sites", sites):
        found.setdefault(SiteId(row[0]), {})[DeviceId(row[1])] = HeldDevice(row[2], row[3], row[4])
    return found


def replace(
    connection: Connection,
    site: SiteId,
    organisation: OrganisationId,
    seen: Mapping[DeviceId, SeenDevice],
    *,
    now: float,
    known: Mapping[DeviceId, HeldDevice] | None = None,
) -> int:
    """Make the inventory of a site what a report says; return how many devices changed in substance.

    Args:
        connection: In the transaction that keeps the report.
        site: Whose report it is.
        organisation: Of the site.
        seen: What the report says.
        now: When the report came.
        known: What `held` returned for the site, where it was asked for many.
    """
    if known is None:
        known = held(connection, [site]).get(site, {})
    comparison = inventory.compare(known, seen)
    after = {each.seen.device.id: inventory.facts(each.seen) for each in comparison.written}
    after |= {device: Facts() for device in comparison.gone}
    if after:
        before = history.current(connection, site, known.keys() & after.keys())
        altered = _altered(before, after)
        _write(connection, site, comparison.written, known.keys())
        _remove(connection, site, comparison.gone)
        _name(connection, site, _of(altered, _NAMING), comparison.written)
        _expose(connection, site, _of(altered, _EXPOSING), after)
        history.add(connection, site, {device: after[device] for device in altered}, now=now)
        difference = _difference(before, after, _of(altered, inventory.COUNTED))
        counters.add(connection, counters.scopes_of(site, organisation), difference)
    _touch(connection, site, comparison.touched)
    return len(after)


def find(connection: Connection, site: SiteId, device: DeviceId, organisations: Scope) -> DeviceState:
    """Return one device.

    Raises:
        NotFound: The site has none of that id, or is not within `organisations`.
    """
    query = _STATES.where(devices.c.id == device, *_conditions(Filter(site=site, organisations=organisations)))
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"site {site!r} has no device {device!r}")
    return _state(row)


def load(connection: Connection, site: SiteId, wanted: Iterable[DeviceId]) -> tuple[DeviceState, ...]:
    """Return some devices of a site, by id; those that it does not have are left out."""
    found: list[DeviceState] = []
    for some in dialect.portions(sorted(wanted)):
        query = _STATES.where(devices.c.site == site, devices.c.id.in_(some)).order_by(devices.c.id)
        found += [_state(row) for row in connection.execute(query)]
    return tuple(found)


def sites_of(connection: Connection, device: DeviceId, organisations: Scope) -> tuple[SiteId, ...]:
    """Return the sites that hold a device of that id: one, unless it was moved or cloned."""
    query = select(devices.c.site).where(devices.c.id == device, devices.c.site.in_(sites_within(organisations)))
    return tuple(SiteId(row.site) for row in connection.execute(query.order_by(devices.c.site)))


def page(
    connection: Connection,
    wanted: Filter,
    *,
    narrow: ColumnElement[bool] | None = None,
    order: Order = BY_SITE,
    after: Position | None = None,
    limit: int,
) -> tuple[Placed, ...]:
    """Return devices beginning after a position: those of `wanted`, and of `narrow` if it is given."""
    column = _SORTED_BY[order.by]
    keys = [*([] if column is None else [column]), devices.c.site, devices.c.id]
    query = _STATES.where(*_conditions(wanted))
    if narrow is not None:
        query = query.where(narrow)
    if after is not None:
        values = [*([] if column is None else [after.value]), after.site, after.device]
        query = query.where(tuple_(*keys) < values if order.descending else tuple_(*keys) > values)
    query = query.order_by(*(key.desc() if order.descending else key for key in keys)).limit(limit)
    return tuple(_placed(row, column) for row in connection.execute(query))


def recorders(connection: Connection, site: SiteId, *, limit: int) -> tuple[Placed, ...]:
    """Return the recorders of a site, the first `limit` by their ids."""
    return page(connection, Filter(site=site), narrow=devices.c.kind == Kind.RECORDER.value, limit=limit)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    plain: dict[ColumnElement[object], object] = {
        devices.c.site: wanted.site,
        devices.c.wanted: wanted.level and wanted.level.value,
        devices.c.enforced: wanted.enforced and wanted.enforced.value,
        devices.c.agrees: wanted.agrees,
        devices.c.vulnerable: wanted.vulnerable,
        devices.c.lost: wanted.lost,
    }
    conditions = [column == value for column, value in plain.items() if value is not None]
    if wanted.organisations is not None:
        conditions.append(devices.c.site.in_(sites_within(wanted.organisations)))
    if wanted.name:
        named = select(device_names.c.site, device_names.c.device).where(
            device_names.c.name == inventory.name_key(wanted.name)
        )
        conditions.append(tuple_(devices.c.site, devices.c.id).in_(named))
    conditions += [dialect.like(devices.c.words, f"*{word.casefold()}*") for word in wanted.words]
    return conditions


def _write(connection: Connection, site: SiteId, written: Sequence[Substance], held: AbstractSet[DeviceId]) -> None:
    found_by = _found_by(connection, site, [each.seen.device.id for each in written if each.seen.device.id in held])
    new: list[dict[str, object]] = []
    changed: dict[tuple[str, ...], list[dict[str, object]]] = {}
    documents: list[dict[str, object]] = []
    for kept in written:
        device = kept.seen.device.id
        row = _row(site, kept)
        documents.append({"site": site, "id": device, "device": kept.device, "posture": kept.posture})
        if device in found_by:
            moved = tuple(name for name, value in zip(_INDEXED, found_by[device], strict=True) if row[name] != value)
            changed.setdefault(moved, []).append(row)
        else:
            new.append(row)
    dialect.many(connection, dialect.upsert(connection, devices, "site", "id"), new)
    for moved, rows in changed.items():
        dialect.many(connection, _update(moved), rows, prefix=_NEW)
    dialect.many(connection, dialect.upsert(connection, device_documents, "site", "id"), documents)


def _found_by(
    connection: Connection, site: SiteId, identifiers: Collection[DeviceId]
) -> dict[DeviceId, Sequence[object]]:
    """Return what indices hold of these devices."""
    if len(identifiers) > history.FEW:
        rows = dialect.rows_of(connection, _FOUND_BY, "of_sites", [site])
    else:
        rows = dialect.rows_of(connection, _FOUND_BY_FEW, "ids", identifiers, of_site=site)
    return {DeviceId(row[0]): row[1:] for row in rows}


@functools.cache
def _update(moved: tuple[str, ...]) -> Update:
    """Return an update of a device that leaves indices alone, but for those of what was moved.

    SQLite writes an index again when its column is set, to whatever value; most changes concern one of eight.
    """
    names = [column.name for column in devices.c if column.name in moved or column.name not in _KEPT_INDEXED]
    return (
        update(devices)
        .where(devices.c.site == bindparam(f"{_NEW}site"), devices.c.id == bindparam(f"{_NEW}id"))
        .values({name: bindparam(f"{_NEW}{name}") for name in names})
    )


def _remove(connection: Connection, site: SiteId, gone: Iterable[DeviceId]) -> None:
    for some in dialect.portions(gone):
        for table in (devices, device_documents):
            connection.execute(delete(table).where(table.c.site == site, table.c.id.in_(some)))


def _name(connection: Connection, site: SiteId, renamed: Collection[DeviceId], written: Iterable[Substance]) -> None:
    """Keep what these devices answer to, in place of what they answered to before."""
    _forget(connection, device_names, site, renamed)
    rows = [
        {"name": name, "kind": kind, "site": site, "device": each.seen.device.id}
        for each in written
        if each.seen.device.id in renamed
        for kind, name in inventory.names(each.seen.device)
    ]
    dialect.many(connection, _INSERT_NAME, rows)


def _expose(
    connection: Connection, site: SiteId, exposed: Collection[DeviceId], after: Mapping[DeviceId, Facts]
) -> None:
    """Keep what these devices are open to, in place of what they were open to before."""
    _forget(connection, device_advisories, site, exposed)
    rows = [
        {"advisory": advisory, "site": site, "device": device}
        for device in exposed
        for advisory in inventory.vulnerabilities(after[device])
    ]
    dialect.many(connection, _INSERT_ADVISORY, rows)


def _forget(connection: Connection, table: Table, site: SiteId, identifiers: Iterable[DeviceId]) -> None:
    for some in dialect.portions(identifiers):
        connection.execute(delete(table).where(table.c.site == site, table.c.device.in_(some)))


def _touch(connection: Connection, site: SiteId, touched: Iterable[SeenDevice]) -> None:
    rows = [
        {"of_site": site, "of_id": seen.device.id, "seen": seen.device.last_seen, "dropped": seen.dropped_packets}
        for seen in touched
    ]
    dialect.many(connection, _TOUCH, rows)


def _altered(before: Mapping[DeviceId, Facts], after: Mapping[DeviceId, Facts]) -> dict[DeviceId, frozenset[str]]:
    """Return which facts of each device are others than before, if any are."""
    altered: dict[DeviceId, frozenset[str]] = {}
    for device, facts in after.items():
        if different := facts.items() ^ before.get(device, _ABSENT).items():
            altered[device] = frozenset(name for name, _ in different)
    return altered


def _of(altered: Mapping[DeviceId, frozenset[str]], names: frozenset[str]) -> frozenset[DeviceId]:
    """Return the devices of which one of these facts is altered."""
    return frozenset(device for device, facts in altered.items() if not names.isdisjoint(facts))


def _difference(
    before: Mapping[DeviceId, Facts], after: Mapping[DeviceId, Facts], counted: Iterable[DeviceId]
) -> Counts:
    difference: Counts = Counter()
    for device in counted:
        difference.update(inventory.counts(after[device]))
        difference.subtract(inventory.counts(before.get(device, _ABSENT)))
    return difference


def _row(site: SiteId, kept: Substance) -> dict[str, object]:
    device, posture = kept.seen.device, kept.seen.posture
    identity = device.identity
    return {
        "site": site,
        "id": device.id,
        "maker": identity.maker.casefold(),
        "brand": identity.brand.casefold(),
        "kind": identity.kind.value,
        "model": identity.model.casefold(),
        "firmware": identity.firmware.casefold(),
        "confidence": identity.confidence,
        "first_seen": device.first_seen,
        "wanted": posture.wanted.value if posture else "",
        "enforced": posture.enforced.value if posture and posture.enforced else "",
        "agrees": kept.seen.agrees,
        "vulnerable": bool(device.vulnerabilities),
        "lost": device.lost,
        "last_seen": device.last_seen,
        "dropped_packets": kept.seen.dropped_packets,
        "digest": kept.digest,
        "words": _words(device),
        "remove_by": posture.remove_by if posture else None,
    }


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


def _placed(row: Row[*tuple[Any, ...]], column: Column[Any] | None) -> Placed:
    value = "" if column is None else getattr(row, column.key)
    return Placed(Position(value, SiteId(row.site), DeviceId(row.id)), _state(row))


def _state(row: Row[*tuple[Any, ...]]) -> DeviceState:
    device = msgspec.structs.replace(_DEVICE.decode(row.device), last_seen=row.last_seen)
    posture = _POSTURE.decode(row.posture)
    if posture is not None:
        posture = msgspec.structs.replace(posture, dropped_packets=row.dropped_packets)
    return DeviceState(SiteId(row.site), device, posture, row.agrees)


_ABSENT = Facts()
_NAMING = frozenset({"presence", "serial", "macs", "addresses"})
_EXPOSING = frozenset({"presence", "vulnerabilities"})
_SORTED_BY: Mapping[Sort, Column[Any] | None] = {
    Sort.SITE: None,
    Sort.MAKER: devices.c.maker,
    Sort.MODEL: devices.c.model,
    Sort.FIRMWARE: devices.c.firmware,
    Sort.FIRST_SEEN: devices.c.first_seen,
}
_STATES = select(
    devices.c.site,
    devices.c.id,
    devices.c.maker,
    devices.c.model,
    devices.c.firmware,
    devices.c.first_seen,
    devices.c.agrees,
    devices.c.last_seen,
    devices.c.dropped_packets,
    device_documents.c.device,
    device_documents.c.posture,
).join(device_documents, (device_documents.c.site == devices.c.site) & (device_documents.c.id == devices.c.id))
# Made once: building a statement takes as long as running it.
_OF_SITE = devices.c.site == bindparam("of_site")
_NEW = "new_"
_INDEXED = ("maker", "model", "firmware", "first_seen", "wanted", "agrees", "remove_by")
_KEPT_INDEXED = frozenset({"site", "id", *_INDEXED})
_AT_SITES = devices.c.site.in_(bindparam("of_sites", expanding=True))
_HELD = select(devices.c.site, devices.c.id, devices.c.digest, devices.c.last_seen, devices.c.dropped_packets).where(
    _AT_SITES
)
_INDICES = select(devices.c.id, *(devices.c[name] for name in _INDEXED))
_FOUND_BY = _INDICES.where(_AT_SITES)
_FOUND_BY_FEW = _INDICES.where(_OF_SITE, devices.c.id.in_(bindparam("ids", expanding=True)))
_TOUCH = (
    update(devices)
    .where(_OF_SITE, devices.c.id == bindparam("of_id"))
    .values(last_seen=bindparam("seen"), dropped_packets=bindparam("dropped"))
)
_INSERT_NAME, _INSERT_ADVISORY = device_names.insert(), device_advisories.insert()
_DEVICE = msgspec.json.Decoder(Device)
_POSTURE = msgspec.json.Decoder(DevicePosture | None)
