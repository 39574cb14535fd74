"""Rows of devices: the inventory as it is, its history, and counters that are kept instead of counted."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, delete, func, select, tuple_, update

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Kind
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.wire import codec
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.errors import NotFound
from bartizan_controller.inventory import Counts, FieldChange, HeldDevice, SeenDevice
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import counters, device_advisories, device_history, devices

ESTATE = "estate"


class DeviceState(msgspec.Struct, frozen=True):
    """A device of the inventory."""

    site: SiteId
    device: Device
    posture: DevicePosture | None
    agrees: bool
    """Whether what is enforced is what is wanted."""


class Filter(msgspec.Struct, frozen=True):
    """Which devices are asked for. Empty fields do not restrict."""

    site: SiteId | None = None
    organisations: Scope = None
    maker: str | None = None
    model: str | None = None
    kind: Kind | None = None
    level: Level | None = None
    """Wanted at this level."""
    agrees: bool | None = None
    vulnerable: bool | None = None
    advisory: str | None = None
    """Open to this advisory."""


def replace(
    connection: Connection,
    site: SiteId,
    organisation: OrganisationId,
    seen: Mapping[DeviceId, SeenDevice],
    *,
    now: float,
) -> int:
    """Make the inventory of a site what a report says; return how many devices changed in substance."""
    held = {
        DeviceId(row.id): HeldDevice(row.digest, row.last_seen, row.dropped_packets)
        for row in connection.execute(_HELD, {"of_site": site})
    }
    comparison = inventory.compare(held, seen)
    altered = [device.device.id for device in comparison.written if device.device.id in held]
    before = {
        state.device.id: SeenDevice(state.device, state.posture)
        for state in _load(connection, site, [*altered, *comparison.gone])
    }
    _write(connection, site, comparison.written)
    _touch(connection, site, comparison.touched)
    _remove(connection, site, comparison.gone)
    changes: list[FieldChange] = []
    difference: Counts = Counter()
    for identifier in [*(device.device.id for device in comparison.written), *comparison.gone]:
        old, new = before.get(identifier), seen.get(identifier)
        changes += inventory.history(old, new, at=now)
        difference.update(inventory.counts(new) if new else ())
        difference.subtract(inventory.counts(old) if old else ())
    _tell(connection, site, changes)
    _count(connection, (ESTATE, f"organisation/{organisation}", f"site/{site}"), difference)
    return len(comparison.written) + len(comparison.gone)


def find(connection: Connection, site: SiteId, device: DeviceId, organisations: Scope) -> DeviceState:
    """Return one device.

    Raises:
        NotFound: The site has none of that id, or is not within `organisations`.
    """
    query = _select(Filter(site=site, organisations=organisations)).where(devices.c.id == device)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"site {site!r} has no device {device!r}")
    return _state(row)


def sites_of(connection: Connection, device: DeviceId, organisations: Scope) -> tuple[SiteId, ...]:
    """Return the sites that hold a device of that id: one, unless it was moved or cloned."""
    query = select(devices.c.site).where(devices.c.id == device, devices.c.site.in_(sites_within(organisations)))
    return tuple(SiteId(row.site) for row in connection.execute(query.order_by(devices.c.site)))


def page(
    connection: Connection, wanted: Filter, *, after: tuple[str, str] = ("", ""), limit: int
) -> tuple[DeviceState, ...]:
    """Return devices in the order of (site, id), beginning after `after`."""
    query = _select(wanted)
    if wanted.site is not None:
        query = query.where(devices.c.id > after[1])
    elif after != ("", ""):
        query = query.where(tuple_(devices.c.site, devices.c.id) > after)
    query = query.order_by(devices.c.site, devices.c.id).limit(limit)
    return tuple(_state(row) for row in connection.execute(query).mappings())


def history_of(connection: Connection, site: SiteId, device: DeviceId, *, limit: int) -> tuple[FieldChange, ...]:
    """Return the latest changes of a device, newest first."""
    query = (
        select(device_history)
        .where(device_history.c.site == site, device_history.c.device == device)
        .order_by(device_history.c.number.desc())
        .limit(limit)
    )
    return tuple(
        FieldChange(DeviceId(row.device), row.at, row.field, row.before, row.after) for row in connection.execute(query)
    )


def counted(connection: Connection, scopes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return how many devices there are by dimension and value, summed over counter scopes.

    A scope is `ESTATE`, `organisation/<id>` (without what is below it) or `site/<id>`.
    """
    query = (
        select(counters.c.dimension, counters.c.value, func.sum(counters.c.count).label("total"))
        .where(counters.c.scope.in_(list(scopes)), counters.c.count != 0)
        .group_by(counters.c.dimension, counters.c.value)
        .order_by(counters.c.dimension, counters.c.value)
    )
    result: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        result.setdefault(row.dimension, {})[row.value] = int(row.total)
    return result


def _select(wanted: Filter) -> Select[tuple[object, ...]]:
    return select(*_STATE).where(*_conditions(wanted))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    plain: dict[ColumnElement[object], object] = {
        devices.c.site: wanted.site,
        devices.c.maker: wanted.maker,
        devices.c.model: wanted.model,
        devices.c.kind: wanted.kind and wanted.kind.value,
        devices.c.wanted: wanted.level and wanted.level.value,
        devices.c.agrees: wanted.agrees,
        devices.c.vulnerable: wanted.vulnerable,
    }
    conditions = [column == value for column, value in plain.items() if value is not None]
    if wanted.organisations is not None:
        conditions.append(devices.c.site.in_(sites_within(wanted.organisations)))
    if wanted.advisory is not None:
        open_to = select(device_advisories.c.site, device_advisories.c.device).where(
            device_advisories.c.advisory == wanted.advisory
        )
        conditions.append(tuple_(devices.c.site, devices.c.id).in_(open_to))
    return conditions


def _load(connection: Connection, site: SiteId, identifiers: Iterable[DeviceId]) -> Iterable[DeviceState]:
    for some in dialect.portions(identifiers):
        for row in connection.execute(_LOAD, {"of_site": site, "ids": some}).mappings():
            yield _state(row)


def _write(connection: Connection, site: SiteId, written: Iterable[SeenDevice]) -> None:
    rows = [_row(site, seen) for seen in written]
    if not rows:
        return
    statement = dialect.insert(connection, devices)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in {"site", "id"}}
    connection.execute(statement.on_conflict_do_update(index_elements=["site", "id"], set_=changed), rows)
    _forget_advisories(connection, site, [row["id"] for row in rows])
    advisories = [
        {"advisory": advisory, "site": site, "device": seen.device.id}
        for seen in written
        for advisory in dict.fromkeys(seen.device.vulnerabilities)
    ]
    if advisories:
        connection.execute(device_advisories.insert(), advisories)


def _touch(connection: Connection, site: SiteId, touched: Iterable[SeenDevice]) -> None:
    rows = [
        {"of_site": site, "of_id": seen.device.id, "seen": seen.device.last_seen, "dropped": seen.dropped_packets}
        for seen in touched
    ]
    if rows:
        connection.execute(_TOUCH, rows)


def _remove(connection: Connection, site: SiteId, gone: Iterable[DeviceId]) -> None:
    for some in dialect.portions(gone):
        connection.execute(delete(devices).where(devices.c.site == site, devices.c.id.in_(some)))
        _forget_advisories(connection, site, some)


def _forget_advisories(connection: Connection, site: SiteId, identifiers: Iterable[object]) -> None:
    for some in dialect.portions(identifiers):
        connection.execute(
            delete(device_advisories).where(device_advisories.c.site == site, device_advisories.c.device.in_(some))
        )


def _tell(connection: Connection, site: SiteId, changes: list[FieldChange]) -> None:
    if changes:
        connection.execute(
            device_history.insert(), [{"site": site} | msgspec.structs.asdict(change) for change in changes]
        )


def _count(connection: Connection, scopes: Iterable[str], difference: Counts) -> None:
    rows = [
        {"scope": scope, "dimension": dimension, "value": value, "count": by}
        for scope in scopes
        for (dimension, value), by in difference.items()
        if by
    ]
    if rows:
        statement = dialect.insert(connection, counters)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["scope", "dimension", "value"],
                set_={"count": counters.c.count + statement.excluded.count},
            ),
            rows,
        )


def _row(site: SiteId, seen: SeenDevice) -> dict[str, object]:
    identity, posture = seen.device.identity, seen.posture
    return {
        "site": site,
        "id": seen.device.id,
        "maker": identity.maker,
        "kind": identity.kind.value,
        "model": identity.model,
        "firmware": identity.firmware,
        "wanted": posture.wanted.value if posture else "",
        "enforced": posture.enforced.value if posture and posture.enforced else "",
        "agrees": seen.agrees,
        "vulnerable": bool(seen.device.vulnerabilities),
        "last_seen": seen.device.last_seen,
        "dropped_packets": seen.dropped_packets,
        "digest": seen.substance(),
        "device": codec.encode(seen.device),
        "posture": codec.encode(posture),
    }


def _state(row: RowMapping) -> DeviceState:
    device = msgspec.structs.replace(codec.decode(row["device"], Device), last_seen=row["last_seen"])
    posture = _POSTURE.decode(row["posture"])
    if posture is not None:
        posture = msgspec.structs.replace(posture, dropped_packets=row["dropped_packets"])
    return DeviceState(SiteId(row["site"]), device, posture, row["agrees"])


_STATE = (
    devices.c.site,
    devices.c.device,
    devices.c.posture,
    devices.c.agrees,
    devices.c.last_seen,
    devices.c.dropped_packets,
)
# Made once: building a statement takes as long as running it.
_OF_SITE = devices.c.site == bindparam("of_site")
_HELD = select(devices.c.id, devices.c.digest, devices.c.last_seen, devices.c.dropped_packets).where(_OF_SITE)
_LOAD = select(*_STATE).where(_OF_SITE, devices.c.id.in_(bindparam("ids", expanding=True)))
_TOUCH = (
    update(devices)
    .where(_OF_SITE, devices.c.id == bindparam("of_id"))
    .values(last_seen=bindparam("seen"), dropped_packets=bindparam("dropped"))
)
_POSTURE = msgspec.json.Decoder(DevicePosture | None)
