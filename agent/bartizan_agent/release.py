"""Lifting containment by hand, for an emergency: a marker on disk that outlives the agent and a reboot, and ends.

A release ends by itself after its hours, by `bartizan-agent contain`, and by a raise that is ordered after it: tighten
with one key. While it stands, nothing puts the table back, neither the agent nor the boot unit. Commands leave their
events in a spool, because the store has one writer; the agent takes them in, each exactly once.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bartizan.errors import Malformed
from bartizan.ids import OrderId
from bartizan.wire import codec
from bartizan_agent.durable import replace_file
from bartizan_agent.nftables import restore
from bartizan_agent.notes import Note
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS taken_from_spool (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Containment lifted by hand. Times are Unix seconds."""

    by: str
    reason: str
    began_at: float
    ends_at: float
    raises: tuple[OrderId, ...] = ()
    """The raises that were in force when it began, so that one ordered later is known for new."""

    def stands(self, now: float) -> bool:
        """Return whether it still holds, as the boot unit would say."""
        return restore.stands(self.began_at, self.ends_at, now)

    def sentence(self) -> str:
        """Return who lifted containment, why and until when."""
        until = datetime.fromtimestamp(self.ends_at, UTC).isoformat(timespec="minutes")
        return f"lifted by {self.by} until {until}: {self.reason}"


def standing(places: Places, now: float) -> Release | None:
    """Return the release that stands now, if any. A marker that cannot be read, or claims too much, lifts nothing."""
    try:
        release = codec.decode(places.release.read_bytes(), Release)
    except (OSError, Malformed):
        return None
    return release if release.stands(now) else None


def begin(places: Places, release: Release, note: Note) -> None:
    """Write the marker and its event. The caller holds `changing` and removes the table then.

    Raises:
        Unavailable: The disk refuses; nothing is released.
    """
    leave(places, note)
    replace_file(places.release, codec.encode(release))


def end(places: Places) -> None:
    """Take the marker away."""
    places.release.unlink(missing_ok=True)


@contextmanager
def changing(places: Places) -> Iterator[None]:
    """Be the only one who looks at the marker and changes the packet filter."""
    places.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def leave(places: Places, note: Note) -> None:
    """Leave an event for the agent to take into its outbox.

    Raises:
        Unavailable: The disk refuses.
    """
    replace_file(places.spool / f"{secrets.token_hex(8)}.json", codec.encode(note))


def take_in(places: Places, connection: sqlite3.Connection, outbox: Outbox) -> None:
    """Move the spool's events into the outbox, each exactly once whenever this is interrupted.

    Raises:
        sqlite3.OperationalError: The disk refuses; they stay in the spool.
    """
    for file in sorted(places.spool.glob("*.json"), key=lambda file: file.stat().st_mtime):
        note = _read(file)
        if note is not None:
            with transaction(connection):
                taken = connection.execute("INSERT OR IGNORE INTO taken_from_spool VALUES (?)", (file.name,))
                if taken.rowcount:
                    outbox.write(note)
        file.unlink()


def wake(places: Places) -> bool:
    """Have a running agent look at the marker and the spool; return whether one runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell, contextlib.suppress(OSError):
        bell.connect(str(places.wake))
        bell.send(b"look")
        return True
    return False


def _read(file: Path) -> Note | None:
    try:
        return codec.decode(file.read_bytes(), Note)
    except Malformed:
        return None
