"""What devices tried to reach and were kept from, summed over counters that end and begin again. Bounded; durable.

The kernel counts from when a table was made, and forgets a destination a day after its last packet. What is kept here
is the sum, with the first and the last time that a counter was seen to move: the time of an attempt is known to within
the wait between two readings. Sums are written at most twice a minute; until then the kernel itself holds them, so that
only a gateway that loses power in that time loses them.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from bartizan.containment.model import DropCounter
from bartizan.ids import Address, Mac
from bartizan.wire.up import DROPS_REPORTED
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    mac TEXT NOT NULL,
    destination TEXT NOT NULL,
    protocol TEXT NOT NULL,
    port INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    counter INTEGER NOT NULL, -- of the kernel, when it was last read; 0 once it has ended
    header TEXT NOT NULL,     -- of one packet, in words; empty where none was heard
    PRIMARY KEY (mac, destination, protocol, port)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts_counted_by (kernel TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_by_age ON attempts (last_at);
"""
OF_A_MAC = 200
OF_ALL = 20_000
WRITE_SECONDS = 30.0

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What packets are counted by."""

    mac: Mac
    destination: Address
    protocol: str
    port: int


class Attempts:
    """The sums of one gateway.

    Args:
        connection: Of the store.
        kernel: Whose counters will be read. Those of another have ended, however far this one's are.
    """

    def __init__(self, connection: sqlite3.Connection, kernel: str) -> None:
        self._connection = connection
        with suppress(sqlite3.OperationalError), transaction(connection):
            if connection.execute("SELECT kernel FROM attempts_counted_by").fetchone() != (kernel,):
                connection.execute("UPDATE attempts SET counter = 0")
                connection.execute("DELETE FROM attempts_counted_by")
                connection.execute("INSERT INTO attempts_counted_by VALUES (?)", (kernel,))
        rows = connection.execute("SELECT mac, destination, protocol, port, counter FROM attempts WHERE counter > 0")
        self._counters = {Key(*row[:4]): int(row[4]) for row in rows}
        latest = connection.execute(f"{_SELECT} ORDER BY last_at DESC LIMIT ?", (DROPS_REPORTED,))
        self._latest = {key_of(drop): drop for drop in map(_drop, latest)}
        self._unwritten: dict[Key, DropCounter] = {}
        self._headers: dict[Key, str] = {}
        self._written_at = -WRITE_SECONDS

    def take(self, counters: Iterable[DropCounter], at: float, monotonic: float) -> bool:
        """Add what the kernel's counters say beyond what they said before; return whether any moved.

        Args:
            counters: All of them.
            at: When they were read, Unix seconds.
            monotonic: The same by a clock that only rises.
        """
        now = {key_of(counter): counter for counter in counters}
        moved = {key: counter for key, counter in now.items() if counter.packets != self._counters.get(key, 0)}
        for key, counter in moved.items():
            self._unwritten[key] = self._latest[key] = self._sum(key, counter, at)
        ended = self._counters.keys() - now.keys()
        for key in ended:
            known = self._known(key)
            if known is not None:
                self._unwritten[key] = known
        self._counters = {key: counter.packets for key, counter in now.items()}
        if len(self._latest) > DROPS_REPORTED:
            newest = sorted(self._latest.items(), key=lambda one: -one[1].last_at)[:DROPS_REPORTED]
            self._latest = dict(newest)
        if self._unwritten and monotonic - self._written_at >= WRITE_SECONDS:
            self._written_at = monotonic
            self.write()
        return bool(moved)

    def hear(self, key: Key, header: str) -> None:
        """Take note of the header, in words, of a packet that was counted, or will be found counted."""
        known = self._latest.get(key)
        if known is not None:
            self._unwritten[key] = self._latest[key] = replace(known, header=header)
            return
        self._headers[key] = header
        if len(self._headers) > DROPS_REPORTED:
            del self._headers[next(iter(self._headers))]

    def latest(self) -> tuple[DropCounter, ...]:
        """Return the sums of what was tried last, in a fixed order."""
        return tuple(self._latest[key] for key in sorted(self._latest))

    def write(self) -> None:
        """Write down what is not yet. Where the disk refuses it stays in memory, which the kernel's sets bound."""
        rows = [
            (*key, drop.packets, drop.octets, drop.first_at, drop.last_at, self._counters.get(key, 0), drop.header)
            for key, drop in self._unwritten.items()
        ]
        try:
            with transaction(self._connection):
                self._connection.executemany(_REPLACE, rows)
                for mac in {key.mac for key in self._unwritten}:
                    self._connection.execute(_KEEP_OF_MAC, (mac, mac, OF_A_MAC))
                self._connection.execute(_KEEP_OF_ALL, (OF_ALL,))
        except sqlite3.OperationalError:
            log.warning("what devices tried is kept in memory only: free some disk space")
        else:
            self._unwritten.clear()

    def _sum(self, key: Key, counter: DropCounter, at: float) -> DropCounter:
        known, before = self._known(key), self._counters.get(key, 0)
        header = self._headers.pop(key, known.header if known else "")
        began_again = counter.packets < before
        if known is None:
            return replace(counter, first_at=at, last_at=at, header=header)
        # Octets are summed for what they are worth: a counter's own are known only for now.
        added = counter.packets if began_again else counter.packets - before
        each = counter.octets / counter.packets if counter.packets else 0.0
        octets = known.octets + round(added * each)
        return replace(known, packets=known.packets + added, octets=octets, last_at=at, header=header)

    def _known(self, key: Key) -> DropCounter | None:
        known = self._latest.get(key) or self._unwritten.get(key)
        if known is not None:
            return known
        row = self._connection.execute(f"{_SELECT} WHERE {_SAME}", key).fetchone()
        return _drop(row) if row else None


def of_macs(connection: sqlite3.Connection, macs: Iterable[Mac]) -> tuple[DropCounter, ...]:
    """Return what devices with these MACs tried, as far as it is written down, latest first."""
    rows = [row for mac in macs for row in connection.execute(f"{_SELECT} WHERE mac = ?", (mac,))]
    return tuple(sorted(map(_drop, rows), key=lambda drop: -drop.last_at))


def key_of(drop: DropCounter) -> Key:
    """Return what a counter counts by."""
    return Key(drop.mac, drop.destination, drop.protocol, drop.port)


def _drop(row: tuple[str, str, str, int, int, int, float, float, str]) -> DropCounter:
    mac, destination, protocol, port, packets, octets, first_at, last_at, header = row
    return DropCounter(Mac(mac), Address(destination), protocol, port, packets, octets, first_at, last_at, header)


_SELECT = "SELECT mac, destination, protocol, port, packets, octets, first_at, last_at, header FROM attempts"
_SAME = "mac = ? AND destination = ? AND protocol = ? AND port = ?"
_REPLACE = "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP_OF_MAC = """
DELETE FROM attempts WHERE mac = ? AND (destination, protocol, port) IN (
    SELECT destination, protocol, port FROM attempts WHERE mac = ? ORDER BY last_at DESC LIMIT -1 OFFSET ?)
"""
_KEEP_OF_ALL = """
DELETE FROM attempts WHERE (mac, destination, protocol, port) IN (
    SELECT mac, destination, protocol, port FROM attempts ORDER BY last_at DESC LIMIT -1 OFFSET ?)
"""
