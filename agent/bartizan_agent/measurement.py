"""In which time it is proven what the kernel enforced: spans without a gap, each look at the kernel making one longer.

A span goes on from one look to the next, and over a restart of the agent, as long as the kernel's own count of changes
says that nobody else touched the table (`firewall.Proof`). It ends where that cannot be told, where the table was not
as applied, and where the clock was set, so that a span is as long as it says.
"""

import logging
import math
import sqlite3
from typing import NamedTuple

from bartizan.wire import events
from bartizan_agent.clock import STEP_SECONDS
from bartizan_agent.firewall import Proof
from bartizan_agent.notes import note
from bartizan_agent.outbox import Outbox
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS measured (
    since REAL PRIMARY KEY,
    until REAL NOT NULL,
    kernel TEXT NOT NULL,
    generation INTEGER NOT NULL, -- at the last look
    clock_offset REAL NOT NULL,  -- of the wall clock against the monotonic one, at the last look
    because TEXT NOT NULL        -- why it is not one with the span before; empty for the first
) WITHOUT ROWID;
"""
KEPT = 2000
WRITE_SECONDS = 60.0
RESTARTED = "the gateway was restarted, or the agent was begun in another network namespace"
WHILE_AWAY = "the agent was not running, and the packet filter was changed meanwhile"
CLOCK_SET = "the gateway's clock was set by {:+.0f} seconds"

log = logging.getLogger(__name__)


class Span(NamedTuple):
    """A time in which the table was as applied, all of it."""

    since: float
    until: float
    kernel: str
    generation: int
    clock_offset: float
    because: str


class Look(NamedTuple):
    """When the kernel was looked at."""

    began_at: float
    ended_at: float
    """Unix seconds."""
    monotonic: float
    """Of the beginning."""


class Measurement:
    """The spans of one gateway."""

    def __init__(self, connection: sqlite3.Connection, outbox: Outbox, kernel: str) -> None:
        self._connection = connection
        self._outbox = outbox
        self._kernel = kernel
        self.present = latest(connection)
        """The last span, which goes on if nothing is in the way; None before the first."""
        self._in_the_way: list[str] = []
        self._written: Span | None = self.present
        self._written_at = 0.0

    def take(self, proof: Proof, look: Look, *, not_enforced: str = "") -> bool:
        """Take note of a look; `not_enforced` says what is wrong with what it found.

        Returns:
            Whether it is proven that what is enforced was enforced from the look before to this one.
        """
        present = self.present
        if not_enforced:
            self._in_the_way.append(proof.broken_because or not_enforced)
            self._write(look)
            return False
        offset = look.began_at - look.monotonic
        because = self._why_apart(present, proof, offset) if present is not None else ""
        if present is not None and not because:
            self.present = present._replace(
                until=max(present.until, look.began_at), generation=proof.until, clock_offset=offset
            )
            self._write(look)
            return True
        begin = look.ended_at if present is None else max(look.ended_at, math.nextafter(present.until, math.inf))
        self.present = Span(begin, begin, self._kernel, proof.until, offset, because)
        self._in_the_way = []
        self._write(look, gap_since=None if present is None else present.until)
        return False

    def write(self) -> None:
        """Write down how far the present span goes."""
        span = self.present
        if span is None or span == self._written:
            return
        try:
            with transaction(self._connection):
                self._keep(span)
        except sqlite3.OperationalError:
            log.warning("how long the rules were in force is kept in memory only: free some disk space")
        else:
            self._written = span

    def _why_apart(self, before: Span, proof: Proof, offset: float) -> str:
        if before.kernel != self._kernel:
            return RESTARTED
        step = offset - before.clock_offset
        reasons = [*self._in_the_way, *([proof.broken_because] if proof.broken_because else [])]
        if not reasons and proof.since != before.generation:
            reasons.append(WHILE_AWAY)
        if abs(step) >= STEP_SECONDS:
            reasons.append(CLOCK_SET.format(step))
        return "; ".join(dict.fromkeys(reasons))

    def _write(self, look: Look, *, gap_since: float | None = None) -> None:
        span = self.present
        if span is None:
            return
        if gap_since is not None:
            since, until = f"{gap_since:.3f}", f"{span.since:.3f}"
            self._outbox.record(note(events.EVIDENCE_GAP, since=since, until=until, because=span.because))
        was_touched = self._written is None or self._written[2:4] != span[2:4]
        if was_touched or gap_since is not None or look.monotonic - self._written_at >= WRITE_SECONDS:
            self._written_at = look.monotonic
            self.write()

    def _keep(self, span: Span) -> None:
        self._connection.execute("INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?)", span)
        self._connection.execute(_KEEP, (KEPT,))


_KEEP = "DELETE FROM measured WHERE since IN (SELECT since FROM measured ORDER BY since DESC LIMIT -1 OFFSET ?)"


def latest(connection: sqlite3.Connection) -> Span | None:
    """Return the span that was measured last, as far as it is written down."""
    row = connection.execute("SELECT * FROM measured ORDER BY since DESC LIMIT 1").fetchone()
    return Span(*row) if row else None


def within(connection: sqlite3.Connection, begin: float, end: float) -> tuple[Span, ...]:
    """Return the spans that touch a time, oldest first."""
    rows = connection.execute("SELECT * FROM measured WHERE until >= ? AND since <= ? ORDER BY since", (begin, end))
    return tuple(Span(*row) for row in rows)
