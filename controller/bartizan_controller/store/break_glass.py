"""Containment that was lifted by hand on a gateway, and the review that each such release is owed afterwards.

What is to be reviewed is the gateway's own event; it is kept, however old, until somebody has reviewed it.
"""

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from bartizan.ids import SiteId
from bartizan.wire import codec
from bartizan.wire.events import CONTAINMENT_APPLIED, CONTAINMENT_RELEASED
from bartizan_controller.access import Scope
from bartizan_controller.errors import NotFound
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import events, reviews


class BreakGlass(msgspec.Struct, frozen=True):
    """One release by hand. Times are Unix seconds."""

    number: int
    """Of the event; reviews name it."""
    site: SiteId
    at: float
    by: str
    """Who, as they said at the gateway."""
    reason: str
    until: str
    """When it was to end by itself."""
    held_again_at: float | None
    """When the gateway told next that a ruleset is in force; None: it has not yet."""
    reviewed_at: float | None = None
    reviewed_by: str = ""
    finding: str = ""


def page(
    connection: Connection, scope: Scope, *, reviewed: bool | None, after: int, limit: int
) -> tuple[BreakGlass, ...]:
    """Return releases within `scope` with a greater number than `after`, oldest first."""
    query = _query(scope).where(events.c.number > after)
    if reviewed is not None:
        query = query.where(reviews.c.event.is_not(None) if reviewed else reviews.c.event.is_(None))
    return tuple(_release(row) for row in connection.execute(query.order_by(events.c.number).limit(limit)))


def find(connection: Connection, number: int, scope: Scope) -> BreakGlass:
    """Return one release.

    Raises:
        NotFound: No release has this number, or not within `scope`.
    """
    row = connection.execute(_query(scope).where(events.c.number == number)).first()
    if row is None:
        raise NotFound(f"no release by hand has the number {number}")
    return _release(row)


def review(connection: Connection, number: int, *, by: str, finding: str, now: float) -> bool:
    """Keep a review; return whether it is the first of this release."""
    row = {"event": number, "reviewed_at": now, "reviewed_by": by, "finding": finding}
    new = dialect.insert(connection, reviews).on_conflict_do_nothing().returning(reviews.c.event)
    return connection.execute(new, row).first() is not None


def waiting(connection: Connection) -> int:
    """Return how many releases nobody has reviewed."""
    return int(connection.execute(select(func.count()).select_from(_unreviewed().subquery())).scalar_one())


def _unreviewed() -> Select[tuple[int]]:
    """Select the numbers of the events that are owed a review."""
    owed = events.c.kind == CONTAINMENT_RELEASED
    return select(events.c.number).where(owed, events.c.number.not_in(select(reviews.c.event)))


def _query(scope: Scope) -> Select[tuple[object, ...]]:
    later = events.alias()
    held_again = (
        select(func.min(later.c.at))
        .where(later.c.site == events.c.site, later.c.kind == CONTAINMENT_APPLIED, later.c.number > events.c.number)
        .scalar_subquery()
    )
    query = (
        select(
            events.c.number,
            events.c.site,
            events.c.at,
            events.c.detail,
            held_again.label("held_again_at"),
            reviews.c.reviewed_at,
            reviews.c.reviewed_by,
            reviews.c.finding,
        )
        .join(reviews, reviews.c.event == events.c.number, isouter=True)
        .where(events.c.kind == CONTAINMENT_RELEASED)
    )
    return query if scope is None else query.where(events.c.site.in_(sites_within(scope)))


def _release(row: Row[*tuple[object, ...]]) -> BreakGlass:
    detail = codec.decode(row.detail, dict[str, str])
    return BreakGlass(
        number=row.number,
        site=SiteId(row.site),
        at=row.at,
        by=detail.get("by", ""),
        reason=detail.get("reason", ""),
        until=detail.get("until", ""),
        held_again_at=row.held_again_at,
        reviewed_at=row.reviewed_at,
        reviewed_by=row.reviewed_by or "",
        finding=row.finding or "",
    )
