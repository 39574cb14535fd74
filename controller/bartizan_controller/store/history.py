"""What devices were: for each a chain of intervals without gap, in each of which its facts stayed the same.

The newest interval has no end. That a device is not there is an interval too, with no facts.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, or_, select, tuple_, update

from bartizan.ids import DeviceId, SiteId
from bartizan.wire import codec
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.inventory import Facts, FieldChange
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import device_history

FEW = 50  # devices; of more, reading all of a site is quicker than naming each


class Interval(msgspec.Struct, frozen=True):
    """A time in which a device's facts stayed the same."""

    since: float
    until: float | None
    """Null: they still are."""
    facts: Facts
    """Empty: the device was not there."""


class Difference(msgspec.Struct, frozen=True):
    """A device that was not the same at two moments."""

    site: SiteId
    device: DeviceId
    before: Facts
    """Empty: it was not there."""
    after: Facts


def current(connection: Connection, site: SiteId, identifiers: Collection[DeviceId]) -> dict[DeviceId, Facts]:
    """Return the present facts of these devices; those that nobody has seen are left out."""
    if len(identifiers) > FEW:
        rows = dialect.rows_of(connection, _ALL_CURRENT, "of_sites", [site])
    else:
        rows = dialect.rows_of(connection, _CURRENT, "ids", identifiers, of_site=site)
    return {DeviceId(row[0]): _decode(row[1]) for row in rows if row[0] in identifiers}


def add(connection: Connection, site: SiteId, changed: Mapping[DeviceId, Facts], *, now: float) -> None:
    """End the present interval of each device and begin a new one, in the transaction of what changed it."""
    dialect.many(connection, _END, [{"of_site": site, "of_device": device, "at": now} for device in changed])
    rows = [
        {"site": site, "device": device, "since": now, "until": None, "facts": codec.encode(facts)}
        for device, facts in changed.items()
    ]
    dialect.many(connection, _INSERT, rows)


def of_device(connection: Connection, site: SiteId, device: DeviceId, *, limit: int) -> tuple[Interval, ...]:
    """Return the latest intervals of a device, newest first."""
    query = (
        select(device_history)
        .where(device_history.c.site == site, device_history.c.device == device)
        .order_by(device_history.c.number.desc())
        .limit(limit)
    )
    return tuple(_interval(row) for row in connection.execute(query).mappings())


def within(
    connection: Connection, site: SiteId, device: DeviceId, *, begin: float, end: float, limit: int
) -> tuple[Interval, ...]:
    """Return the intervals of a device that have a part from `begin` to before `end`, newest first.

    With `end` equal to `begin` it is the one that holds that moment; none if nobody knew the device then.
    """
    until = device_history.c.until
    query = (
        select(device_history)
        .where(device_history.c.site == site, device_history.c.device == device)
        .where(or_(device_history.c.since < end, device_history.c.since == begin), or_(until.is_(None), until > begin))
        .order_by(device_history.c.number.desc())
        .limit(limit)
    )
    return tuple(_interval(row) for row in connection.execute(query).mappings())


def changes_of(connection: Connection, site: SiteId, device: DeviceId, *, limit: int) -> tuple[FieldChange, ...]:
    """Return the latest changes of a device fact by fact, newest first."""
    intervals = of_device(connection, site, device, limit=limit + 1)
    lines: list[FieldChange] = []
    for index, interval in enumerate(intervals[:limit]):
        before = intervals[index + 1].facts if index + 1 < len(intervals) else {}
        lines += reversed(inventory.changes(device, before, interval.facts, at=interval.since))
    return tuple(lines[:limit])


def differences(
    connection: Connection,
    scope: Scope,
    *,
    site: SiteId | None = None,
    begin: float,
    end: float,
    after: tuple[str, str] = ("", ""),
    limit: int,
) -> tuple[tuple[Difference, ...], tuple[str, str] | None]:
    """Return devices that were not the same at `begin` and at `end`, by (site, id), and where to go on.

    That is None at the end. What changed and changed back is no difference: a page may have fewer than `limit`.
    """
    columns = (device_history.c.site, device_history.c.device)
    query = select(*columns).distinct().where(device_history.c.since > begin, device_history.c.since <= end)
    query = query.where(tuple_(*columns) > after)
    if scope is not None:
        query = query.where(device_history.c.site.in_(sites_within(scope)))
    if site is not None:
        query = query.where(device_history.c.site == site)
    moved = [(row.site, row.device) for row in connection.execute(query.order_by(*columns).limit(limit))]
    before, later = _facts_at(connection, moved, begin), _facts_at(connection, moved, end)
    found = tuple(
        Difference(SiteId(key[0]), DeviceId(key[1]), before.get(key, {}), later.get(key, {}))
        for key in moved
        if before.get(key, {}) != later.get(key, {})
    )
    return found, moved[-1] if len(moved) == limit else None


def _facts_at(
    connection: Connection, devices: Iterable[tuple[str, str]], moment: float
) -> dict[tuple[str, str], Facts]:
    found: dict[tuple[str, str], Facts] = {}
    columns = (device_history.c.site, device_history.c.device)
    for some in dialect.portions(devices):
        query = select(device_history).where(tuple_(*columns).in_(some), *_holds(moment))
        for row in connection.execute(query.order_by(device_history.c.number)):
            found[row.site, row.device] = _decode(row.facts)
    return found


def _holds(moment: float) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    until = device_history.c.until
    return device_history.c.since <= moment, or_(until.is_(None), until > moment)


def _interval(row: RowMapping) -> Interval:
    return Interval(row["since"], row["until"], _decode(row["facts"]))


def _decode(document: bytes) -> Facts:
    return _FACTS.decode(document)


_FACTS = msgspec.json.Decoder(Facts)
_OPEN_AT_SITE = (device_history.c.site == bindparam("of_site"), device_history.c.until.is_(None))
_FACTS_OF = select(device_history.c.device, device_history.c.facts)
_ALL_CURRENT = _FACTS_OF.where(
    device_history.c.site.in_(bindparam("of_sites", expanding=True)), device_history.c.until.is_(None)
)
_CURRENT = _FACTS_OF.where(*_OPEN_AT_SITE, device_history.c.device.in_(bindparam("ids", expanding=True)))
_END = (
    update(device_history)
    .where(*_OPEN_AT_SITE, device_history.c.device == bindparam("of_device"))
    .values(until=bindparam("at"))
)
_INSERT = device_history.insert()
