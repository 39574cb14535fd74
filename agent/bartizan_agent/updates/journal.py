"""The journal of updates: each step is written down before it begins and after it ends, with what it came to.

An update is one row, replaced at every step; what led there is kept beside it as evidence, oldest dropped first. The
row says whether a step was begun and not ended, which is how an interruption is known.
"""

import sqlite3
from collections.abc import Callable

import msgspec

from bartizan.ids import DeviceId, ImageId
from bartizan.wire import codec
from bartizan_agent.store import transaction
from bartizan_agent.updates.model import Outcome, Update

SCHEMA = """
CREATE TABLE IF NOT EXISTS camera_update (
    device TEXT NOT NULL,
    install TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    image TEXT NOT NULL,
    began_at REAL NOT NULL,
    step_open INTEGER NOT NULL DEFAULT 0,
    end TEXT,
    code TEXT,
    state BLOB NOT NULL,
    PRIMARY KEY (device, install, attempt)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS camera_update_one_at_a_time ON camera_update (device) WHERE end IS NULL;
CREATE TABLE IF NOT EXISTS camera_update_step (
    number INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    at REAL NOT NULL,
    phase TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
"""

STEPS_KEPT = 5000
ENDED_KEPT_PER_DEVICE = 10
_REASON_SHOWN = 500  # characters


class Entry(msgspec.Struct, frozen=True):
    """An update that has not ended."""

    update: Update
    interrupted: bool
    """A step was begun, and nothing is known of its end."""


class Journal:
    """The journal of one gateway, in the agent's store. Every method is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, update: Update, now: float, tell: Callable[[], None]) -> None:
        """Write down a new update, and tell it, together or not at all.

        Raises:
            sqlite3.IntegrityError: It is there already, or another one of its device has not ended.
        """
        device, install, attempt = update.key
        end, code = _end(update)
        with transaction(self._connection):
            self._connection.execute(
                "INSERT INTO camera_update VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)",
                (device, install, attempt, update.image.id, now, end, code, codec.encode(update)),
            )
            tell()

    def open_step(self, update: Update) -> None:
        """Write down that the update's present step begins."""
        self._connection.execute(
            "UPDATE camera_update SET step_open = 1 WHERE device = ? AND install = ? AND attempt = ?", update.key
        )

    def close_step(
        self, update: Update, was: Update, outcome: Outcome | None, now: float, tell: Callable[[], None]
    ) -> None:
        """Write down what a step came to, and tell it, together or not at all.

        Args:
            update: As it stands now.
            was: As it stood before.
            outcome: What the step came to; None where no step was taken (withdrawn).
            now: Unix seconds.
            tell: Writes events into the same store.
        """
        end, code = _end(update)
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE camera_update SET step_open = 0, end = ?, code = ?, state = ?"
                " WHERE device = ? AND install = ? AND attempt = ?",
                (end, code, codec.encode(update), *update.key),
            )
            if (was.phase, was.note, was.ending) != (update.phase, update.note, update.ending):
                self._keep_step(was, outcome, now)
            if end:
                self._thin(update.device.id)
            tell()

    def unfinished(self) -> tuple[Entry, ...]:
        """Return every update that has not ended, oldest first."""
        rows = self._connection.execute(
            "SELECT state, step_open FROM camera_update WHERE end IS NULL ORDER BY began_at, device"
        ).fetchall()
        return tuple(Entry(codec.decode(state, Update), bool(step_open)) for state, step_open in rows)

    def known(self, key: tuple[DeviceId, str, int]) -> bool:
        """Return whether this order, in this attempt, was taken up before, ended or not."""
        query = "SELECT 1 FROM camera_update WHERE device = ? AND install = ? AND attempt = ?"
        return self._connection.execute(query, key).fetchone() is not None

    def is_open(self, device: DeviceId) -> bool:
        """Return whether an update of this device has not ended."""
        query = "SELECT 1 FROM camera_update WHERE device = ? AND end IS NULL"
        return self._connection.execute(query, (device,)).fetchone() is not None

    def last_failure(self, device: DeviceId, image: ImageId) -> str:
        """Return the code with which this image last failed on this device; empty if it did not."""
        row = self._connection.execute(
            "SELECT code FROM camera_update WHERE device = ? AND image = ? AND end LIKE 'failed-%'"
            " ORDER BY began_at DESC LIMIT 1",
            (device, image),
        ).fetchone()
        return row[0] if row is not None else ""

    def awaiting_visit(self) -> tuple[Update, ...]:
        """Return the last update of each device, refused ones aside, where it ended with a visit being needed."""
        rows = self._connection.execute(
            "SELECT state FROM camera_update AS one WHERE end = 'failed-needs-visit' AND began_at ="
            " (SELECT MAX(began_at) FROM camera_update WHERE device = one.device AND end IS NOT 'refused')"
            " ORDER BY device"
        ).fetchall()
        return tuple(codec.decode(state, Update) for (state,) in rows)

    def _keep_step(self, was: Update, outcome: Outcome | None, now: float) -> None:
        name = type(outcome).__name__.lower() if outcome is not None else "none"
        # What a camera says of itself is in the update; here only why a step went as it did.
        detail = str(getattr(outcome, "reason", "") or getattr(outcome, "why", ""))[:_REASON_SHOWN]
        self._connection.execute(
            "INSERT INTO camera_update_step (device, at, phase, outcome, detail) VALUES (?, ?, ?, ?, ?)",
            (was.device.id, now, was.phase.value, name, detail),
        )
        self._connection.execute(
            "DELETE FROM camera_update_step WHERE number <= (SELECT MAX(number) FROM camera_update_step) - ?",
            (STEPS_KEPT,),
        )

    def _thin(self, device: DeviceId) -> None:
        self._connection.execute(
            "DELETE FROM camera_update WHERE device = ?1 AND end IS NOT NULL AND began_at <"
            " (SELECT began_at FROM camera_update WHERE device = ?1 ORDER BY began_at DESC LIMIT 1 OFFSET ?2)",
            (device, ENDED_KEPT_PER_DEVICE),
        )


def _end(update: Update) -> tuple[str | None, str | None]:
    return (update.ending.end.value, update.ending.code) if update.ending is not None else (None, None)
