"""Rows of the audit chain."""

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, select

from bartizan.wire import codec
from bartizan_controller.audit import GENESIS, AuditEntry, seal
from bartizan_controller.store.tables import audit

BATCH = 1000


def record(
    connection: Connection, who: str, action: str, subject: str, *, now: float, detail: dict[str, str] | None = None
) -> AuditEntry:
    """Append to the chain, in the transaction of the change that it tells of."""
    last = connection.execute(
        select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1).with_for_update()
    ).first()
    number, previous = (last.number, last.digest) if last else (0, GENESIS)
    entry = seal(AuditEntry(number + 1, now, who, action, subject, detail or {}), previous)
    connection.execute(
        audit.insert().values(
            number=entry.number,
            at=entry.at,
            who=entry.who,
            action=entry.action,
            subject=entry.subject,
            detail=codec.encode(entry.detail),
            digest=entry.digest,
        )
    )
    return entry


def page(connection: Connection, *, after: int, limit: int) -> tuple[AuditEntry, ...]:
    """Return entries with a greater number than `after`, oldest first."""
    rows = connection.execute(select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit))
    return tuple(_entry(row) for row in rows.mappings())


def walk(connection: Connection) -> Iterator[AuditEntry]:
    """Yield the whole chain, oldest first."""
    after = 0
    while entries := page(connection, after=after, limit=BATCH):
        yield from entries
        # Rows that somebody renumbered must not stop the walk from moving on.
        after = max(entry.number for entry in entries)


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(
        number=row["number"],
        at=row["at"],
        who=row["who"],
        action=row["action"],
        subject=row["subject"],
        detail=codec.decode(row["detail"], dict[str, str]),
        digest=row["digest"],
    )
