"""Which names devices asked the DNS for: when first, when last, how often. Bounded; durable."""

import logging
import sqlite3
from collections.abc import Iterable

from bartizan.containment.model import NameAsked
from bartizan.ids import Mac
from bartizan.wire.up import NAMES_REPORTED
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    mac TEXT NOT NULL,
    name TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (mac, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_by_age ON names (last_at);
"""
OF_A_MAC = 200
OF_ALL = 20_000
UNWRITTEN_AT_MOST = 2000

log = logging.getLogger(__name__)


class Names:
    """The names of one gateway's devices."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        latest = connection.execute(f"{_SELECT} ORDER BY last_at DESC LIMIT ?", (NAMES_REPORTED,))
        self._latest = {(one.mac, one.name): one for one in map(_asked, latest)}
        self._unwritten: dict[tuple[Mac, str], NameAsked] = {}

    def hear(self, mac: Mac, name: str, at: float) -> None:
        """Take note of a question at this Unix time."""
        key = (mac, name)
        known = self._latest.get(key) or self._unwritten.get(key) or self._written(key)
        first_at, times = (known.first_at, known.times) if known else (at, 0)
        now = NameAsked(mac, name, first_at, max(at, known.last_at if known else at), times + 1)
        self._unwritten[key] = self._latest[key] = now
        if len(self._latest) > 2 * NAMES_REPORTED:
            newest = sorted(self._latest.items(), key=lambda one: -one[1].last_at)
            self._latest = dict(newest[:NAMES_REPORTED])

    def latest(self) -> tuple[NameAsked, ...]:
        """Return what was asked for last, in a fixed order."""
        newest = sorted(self._latest.values(), key=lambda one: -one.last_at)[:NAMES_REPORTED]
        return tuple(sorted(newest, key=lambda one: (one.mac, one.name)))

    def write(self) -> None:
        """Write down what is not yet. Where the disk refuses, what was asked for last stays in memory."""
        if not self._unwritten:
            return
        rows = [(one.mac, one.name, one.first_at, one.last_at, one.times) for one in self._unwritten.values()]
        try:
            with transaction(self._connection):
                self._connection.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?)", rows)
                for mac in {one.mac for one in self._unwritten.values()}:
                    self._connection.execute(_KEEP_OF_MAC, (mac, mac, OF_A_MAC))
                self._connection.execute(_KEEP_OF_ALL, (OF_ALL,))
        except sqlite3.OperationalError:
            log.warning("names that were asked for are kept in memory only: free some disk space")
            if len(self._unwritten) > UNWRITTEN_AT_MOST:
                self._unwritten.clear()
        else:
            self._unwritten.clear()

    def _written(self, key: tuple[Mac, str]) -> NameAsked | None:
        row = self._connection.execute(f"{_SELECT} WHERE mac = ? AND name = ?", key).fetchone()
        return _asked(row) if row else None


def of_macs(connection: sqlite3.Connection, macs: Iterable[Mac]) -> tuple[NameAsked, ...]:
    """Return what devices with these MACs asked for, as far as it is written down, latest first."""
    rows = [row for mac in macs for row in connection.execute(f"{_SELECT} WHERE mac = ?", (mac,))]
    return tuple(sorted(map(_asked, rows), key=lambda one: -one.last_at))


def _asked(row: tuple[str, str, float, float, int]) -> NameAsked:
    mac, name, first_at, last_at, times = row
    return NameAsked(Mac(mac), name, first_at, last_at, times)


_SELECT = "SELECT mac, name, first_at, last_at, times FROM names"
_KEEP_OF_MAC = """
DELETE FROM names WHERE mac = ? AND name IN (
    SELECT name FROM names WHERE mac = ? ORDER BY last_at DESC LIMIT -1 OFFSET ?)
"""
_KEEP_OF_ALL = """
DELETE FROM names WHERE (mac, name) IN (SELECT mac, name FROM names ORDER BY last_at DESC LIMIT -1 OFFSET ?)
"""
