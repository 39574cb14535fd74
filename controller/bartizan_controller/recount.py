"""Counters against counting: whoever looks or puts right is in the audit chain."""

from sqlalchemy import Connection

from bartizan_controller.store import audit, counters
from bartizan_controller.store.counters import Miscount


def check(connection: Connection, *, by: str, now: float) -> tuple[Miscount, ...]:
    """Return the counters that are wrong."""
    wrong = counters.recount(connection)
    _record(connection, "counters.check", wrong, by=by, now=now)
    return wrong


def repair(connection: Connection, *, by: str, now: float) -> tuple[Miscount, ...]:
    """Put wrong counters right, and return what they were."""
    wrong = counters.repair(connection)
    _record(connection, "counters.repair", wrong, by=by, now=now)
    return wrong


def _record(connection: Connection, action: str, wrong: tuple[Miscount, ...], *, by: str, now: float) -> None:
    audit.record(connection, by, action, "inventory", now=now, detail={"wrong": str(len(wrong))})
