"""Rows of events: what gateways said happened, and what the controller itself refused. A log; rows never change."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, select

from bartizan.ids import BootId, DeviceId, SiteId
from bartizan.wire import codec
from bartizan.wire.events import CONTAINMENT_RELEASED
from bartizan_controller.access import Scope
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import events, reviews

FORGET_AT_ONCE = 10_000


class RecordedEvent(msgspec.Struct, frozen=True):
    """An event as the controller keeps it. Events of the controller itself have neither boot nor sequence."""

    site: SiteId
    at: float
    """Unix seconds, by the clock of whoever noticed it."""
    received_at: float
    kind: str
    detail: dict[str, str]
    device: DeviceId | None = None
    boot: BootId = BootId("")
    sequence: int | None = None
    number: int = 0
    """Rises with every event kept; ask for what came after it."""


class EventFilter(msgspec.Struct, frozen=True):
    """Which events are asked for. Empty fields do not restrict."""

    organisations: Scope = None
    site: SiteId | None = None
    device: DeviceId | None = None
    kind: str | None = None
    kinds: frozenset[str] = frozenset()


def add(connection: Connection, recorded: Sequence[RecordedEvent]) -> None:
    """Keep events; of those with the same site, boot and sequence only the first."""
    rows = [
        {
            "site": event.site,
            "boot": event.boot,
            "sequence": event.sequence,
            "at": event.at,
            "received_at": event.received_at,
            "kind": event.kind,
            "device": event.device,
            "detail": codec.encode(event.detail),
        }
        for event in recorded
    ]
    dialect.many(connection, dialect.insert_new(connection, events), rows)


def page(connection: Connection, wanted: EventFilter, *, after: int, limit: int) -> tuple[RecordedEvent, ...]:
    """Return events with a greater number than `after`, oldest first."""
    query = select(events).where(events.c.number > after)
    if wanted.organisations is not None:
        query = query.where(events.c.site.in_(sites_within(wanted.organisations)))
    for column, value in ((events.c.site, wanted.site), (events.c.device, wanted.device), (events.c.kind, wanted.kind)):
        if value is not None:
            query = query.where(column == value)
    if wanted.kinds:
        query = query.where(events.c.kind.in_(sorted(wanted.kinds)))
    rows = connection.execute(query.order_by(events.c.number).limit(limit))
    return tuple(_event(row) for row in rows.mappings())


def latest(connection: Connection, kind: str, sites: Iterable[SiteId]) -> tuple[RecordedEvent, ...]:
    """Return the latest event of a kind of each device of these sites, as far as events are kept."""
    found: list[RecordedEvent] = []
    for some in dialect.portions(sites):
        newest_of_each = select(func.max(events.c.number)).where(events.c.kind == kind, events.c.site.in_(some))
        newest_of_each = newest_of_each.group_by(events.c.site, events.c.device)
        rows = connection.execute(select(events).where(events.c.number.in_(newest_of_each)))
        found += [_event(row) for row in rows.mappings()]
    return tuple(found)


def last_of(connection: Connection, kind: str, site: SiteId, device: DeviceId) -> RecordedEvent | None:
    """Return the latest event of a kind of one device, if one is kept."""
    query = select(events).where(events.c.kind == kind, events.c.site == site, events.c.device == device)
    row = connection.execute(query.order_by(events.c.number.desc()).limit(1)).mappings().first()
    return _event(row) if row else None


def of_kind(
    connection: Connection, kind: str, site: SiteId, *, device: DeviceId | None = None, since: float, limit: int
) -> tuple[RecordedEvent, ...]:
    """Return the latest events of a kind that a site's gateway told of since a time, newest first."""
    query = select(events).where(events.c.kind == kind, events.c.site == site, events.c.at >= since)
    if device is not None:
        query = query.where(events.c.device == device)
    rows = connection.execute(query.order_by(events.c.number.desc()).limit(limit))
    return tuple(_event(row) for row in rows.mappings())


def last_sequences(connection: Connection, boots: Mapping[SiteId, BootId]) -> dict[SiteId, int]:
    """Return the greatest sequence kept of each site's boot; boots without events are left out."""
    found: dict[SiteId, int] = {}
    for some in dialect.portions(boots):
        query = select(events.c.site, events.c.boot, func.max(events.c.sequence).label("last"))
        query = query.where(events.c.site.in_(some), events.c.boot.in_({boots[site] for site in some}))
        for row in connection.execute(query.group_by(events.c.site, events.c.boot)):
            if boots[SiteId(row.site)] == row.boot and row.last is not None:
                found[SiteId(row.site)] = row.last
    return found


def newest(connection: Connection) -> int:
    """Return the number of the newest event, 0 if there is none."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.number), 0))).scalar_one())


def newest_of(connection: Connection, kind: str) -> int:
    """Return the number of the newest event of a kind, 0 if there is none."""
    query = select(func.coalesce(func.max(events.c.number), 0)).where(events.c.kind == kind)
    return int(connection.execute(query).scalar_one())


def forget(connection: Connection, *, received_before: float) -> int:
    """Delete some events that are older; return how many. Call again while there are any.

    What is owed a review is kept until somebody has made it.
    """
    is_done = (events.c.kind != CONTAINMENT_RELEASED) | events.c.number.in_(select(reviews.c.event))
    old = select(events.c.number).where(events.c.received_at < received_before, is_done).limit(FORGET_AT_ONCE)
    return connection.execute(delete(events).where(events.c.number.in_(old))).rowcount


def _event(row: RowMapping) -> RecordedEvent:
    return RecordedEvent(
        site=row["site"],
        at=row["at"],
        received_at=row["received_at"],
        kind=row["kind"],
        detail=codec.decode(row["detail"], dict[str, str]),
        device=row["device"],
        boot=row["boot"],
        sequence=row["sequence"],
        number=row["number"],
    )
