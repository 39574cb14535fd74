"""Rows of devices: the inventory as it is. `store.reported` writes it, `store.history` keeps what it was."""

import enum
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Row, select, tuple_

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Kind
from bartizan.ids import DeviceId, SiteId
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.errors import NotFound
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import device_documents, device_names, devices


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


def _placed(row: Row[*tuple[Any, ...]], column: Column[Any] | None) -> Placed:
    value = "" if column is None else getattr(row, column.key)
    return Placed(Position(value, SiteId(row.site), DeviceId(row.id)), _state(row))


def _state(row: Row[*tuple[Any, ...]]) -> DeviceState:
    device = msgspec.structs.replace(_DEVICE.decode(row.device), last_seen=row.last_seen)
    posture = _POSTURE.decode(row.posture)
    if posture is not None:
        posture = msgspec.structs.replace(posture, dropped_packets=row.dropped_packets)
    return DeviceState(SiteId(row.site), device, posture, row.agrees)


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
_DEVICE = msgspec.json.Decoder(Device)
_POSTURE = msgspec.json.Decoder(DevicePosture | None)
