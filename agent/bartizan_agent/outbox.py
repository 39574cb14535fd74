"""The outbox: every event is here before anything else, until the controller has committed it.

Events are numbered by (boot, sequence). A boot is one start of the agent; events of earlier boots go first.
Two limits are met without stopping anything: above `limit_octets` events are thinned, those that reports repeat
anyway first; and where the disk refuses, an event is counted as lost. Either loss becomes an event itself, as soon
as there is room; after a crash a few may be counted that were kept, and none is forgotten.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bartizan.ids import BootId, SiteId
from bartizan.wire import codec, events
from bartizan.wire.up import Event, Events
from bartizan_agent.clock import Clock
from bartizan_agent.losses import Losses
from bartizan_agent.notes import Note, note
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS boots (number INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS outbox (
    boot_number INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    repeated_by_reports INTEGER NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (boot_number, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_counts (
    boot_number INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL, -- the last that was used
    told INTEGER NOT NULL,     -- how many of the lost events were told of
    octets INTEGER NOT NULL    -- of all events that wait, of earlier boots too
) STRICT;
"""
BATCH = 100
THIN_TO = 0.9  # of the limit, so that thinning is rare
LOST_EARLIER = "the disk was full, and the agent ended before there was room"
REPEATED_BY_REPORTS = frozenset(
    {events.DEVICE_FOUND, events.DEVICE_CHANGED, events.DEVICE_LOST, events.MESSAGE_REFUSED}
)

log = logging.getLogger(__name__)


def move(volatile: sqlite3.Connection, store: Path) -> None:
    """Move the events of a store that ends with the process to the one on disk; all of them or none.

    Raises:
        sqlite3.OperationalError: The disk refuses.
    """
    volatile.execute("ATTACH ? AS disk", (str(store),))
    try:
        with transaction(volatile):
            volatile.execute("INSERT OR IGNORE INTO disk.boots (boot) SELECT boot FROM main.boots ORDER BY number")
            volatile.execute(
                """INSERT INTO disk.outbox
                   SELECT there.number, sequence, repeated_by_reports, event FROM main.outbox
                   JOIN main.boots AS here ON here.number = boot_number JOIN disk.boots AS there USING (boot)"""
            )
            volatile.execute("DELETE FROM main.outbox")
    finally:
        volatile.execute("DETACH disk")


class _Counts(NamedTuple):
    """A row of `outbox_counts`."""

    boot_number: int
    sequence: int = 0
    told: int = 0
    octets: int = 0


class Outbox:
    """The events of one gateway that the controller has not yet committed."""

    def __init__(  # noqa: PLR0913 - built once, by the composition root, all by keyword
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        *,
        site: SiteId,
        boot: BootId,
        limit_octets: int,
        news: Callable[[], None] = lambda: None,
        losses: Losses | None = None,
        is_durable: bool = True,
    ) -> None:
        """Take up what earlier starts left.

        Args:
            connection: The agent's store, with `SCHEMA` made.
            clock: What time it is.
            site: Whose events these are.
            boot: This start of the agent.
            limit_octets: Above this, events are thinned.
            news: Called when events were written.
            losses: Keeps what is lost until it is told.
            is_durable: Whether the store outlives the process: if not, all that waits counts as lost until it does.
        """
        self._connection = connection
        self._clock = clock
        self._site = site
        self._boot = boot
        self._limit_octets = limit_octets
        self._news = news
        self._losses = losses or Losses()
        self._is_durable = is_durable
        self._lost_because = LOST_EARLIER
        self._lost = self._losses.earlier
        """Events of this start, and of earlier ones that were not told of."""

    def record(self, *notes: Note) -> None:
        """Keep what happened, if anything did. Where the disk refuses, count it as lost and go on."""
        if not notes:
            return
        try:
            self.write(*notes)
        except sqlite3.OperationalError as error:
            self._count_lost(len(notes), str(error))

    def write(self, *notes: Note) -> None:
        """Keep what happened, in one transaction or as part of the caller's.

        Raises:
            sqlite3.OperationalError: The disk is full or refuses; nothing was kept.
        """
        with transaction(self._connection):
            self._insert(notes)
        self._keep_losses()
        self._news()

    def tell_losses(self) -> None:
        """Tell what was lost, if there is room by now and nothing else happened that would have told it."""
        if self._is_durable and self._losses.count:
            with suppress(sqlite3.OperationalError):
                self.write()

    def head(self, limit: int = BATCH) -> Events | None:
        """Return the oldest events, all of one boot, or None if there are none."""
        rows = self._connection.execute(
            """SELECT boot, event FROM outbox JOIN boots ON number = boot_number
               WHERE boot_number = (SELECT MIN(boot_number) FROM outbox) ORDER BY sequence LIMIT ?""",
            (limit,),
        ).fetchall()
        if not rows:
            return None
        return Events(self._site, BootId(rows[0][0]), tuple(codec.decode(event, Event) for _, event in rows))

    def acknowledge(self, boot: BootId, through: int) -> None:
        """Forget the events of a boot up to and including `through`: the controller has committed them.

        An acknowledgement of a boot that is unknown here changes nothing.

        Raises:
            sqlite3.OperationalError: The disk refuses; the events will be sent, and acknowledged, again.
        """
        with transaction(self._connection):
            freed = self._connection.execute(
                """DELETE FROM outbox WHERE boot_number = (SELECT number FROM boots WHERE boot = ?) AND sequence <= ?
                   RETURNING LENGTH(event)""",
                (boot, through),
            ).fetchall()
            self._connection.execute("UPDATE outbox_counts SET octets = octets - ?", (sum(size for (size,) in freed),))
            self._connection.execute(
                "DELETE FROM boots WHERE boot <> ? AND number NOT IN (SELECT boot_number FROM outbox)", (self._boot,)
            )
            self._connection.execute("DELETE FROM outbox_counts WHERE boot_number NOT IN (SELECT number FROM boots)")
        self._keep_losses()

    def pending(self) -> int:
        """Return how many events wait."""
        count: int = self._connection.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
        return count

    def _insert(self, notes: tuple[Note, ...]) -> None:
        self._connection.execute("INSERT OR IGNORE INTO boots (boot) VALUES (?)", (self._boot,))
        counts = self._counts()
        if self._lost > counts.told:
            notes = (note(events.STORE_FULL, reason=self._lost_because, lost=self._lost - counts.told), *notes)
        counts = self._append(counts._replace(told=self._lost), notes)
        if counts.octets > self._limit_octets:
            thinned, octets = self._thin(counts.octets)
            told = note(events.STORE_FULL, reason="too many events wait", lost=thinned)
            counts = self._append(counts._replace(octets=octets), (told,))
        self._connection.execute("INSERT OR REPLACE INTO outbox_counts VALUES (?, ?, ?, ?)", counts)

    def _counts(self) -> "_Counts":
        """Return what is counted; rolled back with the transaction that counted it."""
        row = self._connection.execute(
            "SELECT outbox_counts.* FROM outbox_counts JOIN boots ON number = boot_number WHERE boot = ?", (self._boot,)
        ).fetchone()
        if row is not None:
            return _Counts(*row)
        ((number,),) = self._connection.execute("SELECT number FROM boots WHERE boot = ?", (self._boot,))
        ((octets,),) = self._connection.execute("SELECT COALESCE(SUM(LENGTH(event)), 0) FROM outbox")
        return _Counts(number, octets=octets)

    def _append(self, counts: "_Counts", notes: tuple[Note, ...]) -> "_Counts":
        at, sequence, octets = self._clock.now(), counts.sequence, counts.octets
        for each in notes:
            sequence += 1
            event = codec.encode(Event(sequence, at, each.kind, each.device, each.detail))
            self._connection.execute(
                "INSERT INTO outbox VALUES (?, ?, ?, ?)",
                (counts.boot_number, sequence, each.kind in REPEATED_BY_REPORTS, event),
            )
            octets += len(event)
        return counts._replace(sequence=sequence, octets=octets)

    def _thin(self, octets: int) -> tuple[int, int]:
        """Forget events; return how many, and how large the others are."""
        wanted = int(self._limit_octets * THIN_TO)
        rows = self._connection.execute(
            """SELECT boot_number, sequence, LENGTH(event) FROM outbox
               ORDER BY repeated_by_reports DESC, boot_number, sequence"""
        )
        thinned = []
        for boot_number, sequence, length in rows:
            if octets <= wanted:
                break
            thinned.append((boot_number, sequence))
            octets -= length
        self._connection.executemany("DELETE FROM outbox WHERE boot_number = ? AND sequence = ?", thinned)
        return len(thinned), octets

    def _count_lost(self, count: int, because: str) -> None:
        if not self._lost:
            log.error("events are being lost: free some disk space", extra={"reason": because})
        self._lost += count
        self._lost_because = because
        self._keep_losses()

    def _keep_losses(self) -> None:
        """Keep how much is lost and not told, as soon as that is certain."""
        if self._connection.in_transaction:
            return
        if not self._is_durable:
            self._losses.keep(self._losses.earlier + self.pending())
        elif self._losses.count or self._lost:
            told = self._counts_told()
            if self._losses.count and self._lost == told:
                log.warning("events are kept again", extra={"lost": self._losses.count})
            self._losses.keep(self._lost - told)

    def _counts_told(self) -> int:
        row = self._connection.execute(
            "SELECT told FROM outbox_counts JOIN boots ON number = boot_number WHERE boot = ?", (self._boot,)
        ).fetchone()
        return int(row[0]) if row is not None else 0
