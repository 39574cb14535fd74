"""Rows of asset lists, and the devices that have a name in common with an asset."""

from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, true, tuple_

from bartizan.ids import DeviceId, SiteId
from bartizan.wire import codec
from bartizan_controller.access import Scope
from bartizan_controller.assets.model import Asset
from bartizan_controller.assets.reconcile import Candidate, Key, KnownDevice
from bartizan_controller.inventory import name_key
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import assets, device_names, devices


class HeldList(msgspec.Struct, frozen=True):
    """An asset list that is held."""

    name: str
    assets: int


class Wanted(msgspec.Struct, frozen=True):
    """Which assets and devices are compared."""

    scope: Scope = None
    list: str | None = None
    site: SiteId | None = None


def lists(connection: Connection, scope: Scope) -> tuple[HeldList, ...]:
    """Return the lists that have assets within `scope`, by name."""
    query = select(assets.c.list, func.count().label("total")).where(_within(assets.c.site, Wanted(scope)))
    rows = connection.execute(query.group_by(assets.c.list).order_by(assets.c.list))
    return tuple(HeldList(row.list, row.total) for row in rows)


def load(connection: Connection, wanted: Wanted) -> tuple[Asset, ...]:
    """Return assets by list, site and place."""
    query = select(assets.c.asset).where(*_wanted(wanted)).order_by(*_KEY)
    return tuple(_ASSET.decode(row.asset) for row in connection.execute(query))


def replace(connection: Connection, name: str, scope: Scope, expected: Iterable[Asset]) -> None:
    """Keep a list in place of what was held under its name within `scope`."""
    forget(connection, name, scope)
    rows = [
        {
            "list": name,
            "site": asset.site,
            "place": asset.line,
            "serial": name_key(asset.serial),
            "mac": name_key(asset.mac),
            "address": name_key(asset.address),
            "asset": codec.encode(asset),
        }
        for asset in expected
    ]
    dialect.many(connection, _INSERT, rows)


def forget(connection: Connection, name: str, scope: Scope) -> int:
    """Delete a list within `scope`; return how many assets it had."""
    return connection.execute(delete(assets).where(*_wanted(Wanted(scope, name)))).rowcount


def candidates(connection: Connection, wanted: Wanted, expected: Sequence[Asset]) -> list[Candidate]:
    """Return the devices within scope that have a name in common with one of the assets that `load` returned."""
    keys = connection.execute(select(*_KEY).where(*_wanted(wanted)).order_by(*_KEY))
    numbers = {tuple(row): number for number, row in enumerate(keys)}
    found: list[Candidate] = []
    for key, column in ((Key.SERIAL, assets.c.serial), (Key.MAC, assets.c.mac), (Key.ADDRESS, assets.c.address)):
        query = (
            select(*_KEY, devices.c.site.label("at"), devices.c.id, devices.c.lost, devices.c.last_seen)
            .join(device_names, and_(device_names.c.name == column, device_names.c.kind == key.value))
            .join(devices, and_(devices.c.site == device_names.c.site, devices.c.id == device_names.c.device))
            .where(column != "", _within(devices.c.site, Wanted(wanted.scope)), *_wanted(wanted))
        )
        if key is Key.ADDRESS:
            query = query.where(device_names.c.site == assets.c.site)
        for row in connection.execute(query):
            device = KnownDevice(SiteId(row.at), DeviceId(row.id), row.lost, row.last_seen)
            found.append(Candidate(numbers[row.list, row.site, row.place], device, key))
    return _with_contradictions(connection, expected, found)


def unexpected(
    connection: Connection, wanted: Wanted, claimed: Collection[tuple[SiteId, DeviceId]], *, limit: int
) -> tuple[int, tuple[KnownDevice, ...]]:
    """Return how many devices are there that nobody claims, and the first of them by site and id."""
    there = and_(devices.c.lost.is_(False), _within(devices.c.site, wanted))
    total: int = connection.execute(select(func.count()).select_from(devices).where(there)).scalar_one()
    known = _there(connection, claimed, there)
    columns = (devices.c.site, devices.c.id, devices.c.lost, devices.c.last_seen)
    query = select(*columns).where(there).order_by(devices.c.site, devices.c.id)
    found: list[KnownDevice] = []
    # No more rows than can be claimed stand before the last one that is wanted.
    for row in connection.execute(query.limit(limit + len(known))):
        if (row.site, row.id) not in known and len(found) < limit:
            found.append(KnownDevice(SiteId(row.site), DeviceId(row.id), row.lost, row.last_seen))
    return total - len(known), tuple(found)


def _there(
    connection: Connection, claimed: Collection[tuple[SiteId, DeviceId]], there: ColumnElement[bool]
) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    key = tuple_(devices.c.site, devices.c.id)
    for some in dialect.portions(claimed):
        rows = connection.execute(select(devices.c.site, devices.c.id).where(key.in_(some), there))
        found |= {(row.site, row.id) for row in rows}
    return found


def _with_contradictions(
    connection: Connection, expected: Sequence[Asset], found: Sequence[Candidate]
) -> list[Candidate]:
    """Mark addresses at which the device has a serial number or MAC that is not the asset's."""
    strong = {(each.asset, each.device) for each in found if each.by is not Key.ADDRESS}
    named = _strong_names(connection, {(each.device.site, each.device.device) for each in found})
    return [
        each
        if each.by is not Key.ADDRESS or (each.asset, each.device) in strong
        else each._replace(
            contradicted=_contradict(expected[each.asset], named.get((each.device.site, each.device.device), set()))
        )
        for each in found
    ]


def _contradict(asset: Asset, kinds: set[str]) -> bool:
    return bool((asset.serial and Key.SERIAL.value in kinds) or (asset.mac and Key.MAC.value in kinds))


def _strong_names(
    connection: Connection, wanted: Collection[tuple[SiteId, DeviceId]]
) -> dict[tuple[str, str], set[str]]:
    kinds: dict[tuple[str, str], set[str]] = {}
    key = tuple_(device_names.c.site, device_names.c.device)
    for some in dialect.portions(wanted):
        query = select(device_names.c.site, device_names.c.device, device_names.c.kind).where(key.in_(some))
        for row in connection.execute(query):
            kinds.setdefault((row.site, row.device), set()).add(row.kind)
    return kinds


def _wanted(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [_within(assets.c.site, wanted)]
    if wanted.list is not None:
        conditions.append(assets.c.list == wanted.list)
    return conditions


def _within(column: ColumnElement[str], wanted: Wanted) -> ColumnElement[bool]:
    within = true() if wanted.scope is None else column.in_(sites_within(wanted.scope))
    return within if wanted.site is None else and_(within, column == wanted.site)


_KEY = (assets.c.list, assets.c.site, assets.c.place)
_INSERT = assets.insert()
_ASSET = msgspec.json.Decoder(Asset)
