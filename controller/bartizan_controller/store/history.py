"""What devices were: for each a chain of intervals without gap, in each of which its facts stayed the same.

An interval ends where the next one of its device begins; the newest has no end. That a device is not there is an
interval too, with no facts.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, Select, func, or_, select, tuple_

from bartizan.ids import DeviceId, SiteId
from bartizan.wire import codec
from bartizan_controller import inventory
from bartizan_controller.access import Scope
from bartizan_controller.inventory import Facts, FieldChange, Record
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import device_history


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


def add(connection: Connection, site: SiteId, changed: Mapping[DeviceId, bytes], *, now: float) -> None:
    """Begin a new interval of each device, with these facts, in the transaction of what changed it."""
    rows = [(site, device, now, facts) for device, facts in changed.items()]
    dialect.many_rows(connection, _INSERT, ("site", "device", "since", "facts"), rows)


def encode(facts: Sequence[Record]) -> list[bytes]:
    """Return the facts of devices as they are kept: of many at once, for one at a time takes longer."""
    return _ENCODER.encode_lines(facts).split(b"\n")[: len(facts)]


def decode(documents: Sequence[bytes]) -> list[Record]:
    """Return the facts of each document that `encode` wrote: of many at once, for one at a time takes longer."""
    kept = _KEPT.decode(b"[%b]" % b",".join([document or NOTHING for document in documents]))
    return [each if isinstance(each, Record) else _by_name(each) for each in kept]


def _by_name(facts: Facts) -> Record:
    """Return facts as they were kept before revision 0009."""
    return Record(*(facts.get(name, "") for name in inventory.FACTS))


def of_device(connection: Connection, site: SiteId, device: DeviceId, *, limit: int) -> tuple[Interval, ...]:
    """Return the latest intervals of a device, newest first."""
    query = _intervals(site, device).limit(limit)
    return _read(connection, query)


def within(
    connection: Connection, site: SiteId, device: DeviceId, *, begin: float, end: float, limit: int
) -> tuple[Interval, ...]:
    """Return the intervals of a device that have a part from `begin` to before `end`, newest first.

    With `end` equal to `begin` it is the one that holds that moment; none if nobody knew the device then.
    """
    every = _intervals(site, device).subquery()
    since, until = every.c.since, every.c.until
    query = (
        select(every)
        .where(or_(since < end, since == begin), or_(until.is_(None), until > begin))
        .order_by(every.c.number.desc())
        .limit(limit)
    )
    return _read(connection, query)


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
        begun = select(func.max(device_history.c.number)).where(
            tuple_(*columns).in_(some), device_history.c.since <= moment
        )
        query = select(device_history).where(device_history.c.number.in_(begun.group_by(*columns)))
        rows = connection.execute(query).all()
        facts = decode([row.facts for row in rows])
        found |= {(row.site, row.device): each.facts for row, each in zip(rows, facts, strict=True)}
    return found


def _intervals(site: SiteId, device: DeviceId) -> Select[tuple[int, float, bytes, float | None]]:
    """Return the query of the intervals of a device, newest first."""
    columns = device_history.c
    until = func.lead(columns.since).over(order_by=columns.number).label("until")
    query = select(columns.number, columns.since, columns.facts, until)
    return query.where(columns.site == site, columns.device == device).order_by(columns.number.desc())


def _read(connection: Connection, query: Select[tuple[int, float, bytes, float | None]]) -> tuple[Interval, ...]:
    rows = connection.execute(query).all()
    facts = decode([row.facts for row in rows])
    return tuple(Interval(row.since, row.until, each.facts) for row, each in zip(rows, facts, strict=True))


NOTHING = codec.encode(())
"""The facts of a device that is not there, as they are kept."""
_ENCODER = msgspec.json.Encoder()
_KEPT = msgspec.json.Decoder(list[Record | Facts])
_INSERT = device_history.insert()
