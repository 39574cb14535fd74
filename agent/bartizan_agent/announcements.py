"""What the controller was told of levels, beside the events that told it: so that each change is told exactly once.

The levels told and the events are written in one transaction. If the agent dies between the kernel's change and this,
the next look finds the difference and tells it.
"""

import sqlite3
from collections.abc import Mapping

from bartizan.containment.level import Level
from bartizan.ids import DeviceId
from bartizan.wire import events
from bartizan_agent.notes import Note, note
from bartizan_agent.outbox import Outbox
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS announced_level (device TEXT PRIMARY KEY, level TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS announced (topic TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""
NOT_HELD = ""  # in place of a level


class Announcements:
    """Tells changes of level, and single facts, once each."""

    def __init__(self, connection: sqlite3.Connection, outbox: Outbox) -> None:
        self._connection = connection
        self._outbox = outbox
        self._levels: dict[str, str] = dict(connection.execute("SELECT device, level FROM announced_level"))
        self._texts: dict[str, str] = dict(connection.execute("SELECT topic, text FROM announced"))

    def levels(self, enforced: Mapping[DeviceId, Level], because: Mapping[DeviceId, str]) -> None:
        """Tell what differs from what was told before. Where the disk refuses, the next call tells it."""
        now = {device: level.value for device, level in enforced.items()}
        changed = {
            DeviceId(device): now.get(DeviceId(device), NOT_HELD)
            for device in (*now, *self._levels)
            if self._levels.get(device, NOT_HELD) != now.get(DeviceId(device), NOT_HELD)
        }
        if not changed:
            return
        notes = [
            note(
                events.LEVEL_CHANGED,
                device,
                before=self._levels.get(device, NOT_HELD),
                after=level,
                because=because.get(device, ""),
            )
            for device, level in changed.items()
        ]
        try:
            with transaction(self._connection):
                self._connection.executemany("INSERT OR REPLACE INTO announced_level VALUES (?, ?)", changed.items())
                self._connection.execute("DELETE FROM announced_level WHERE level = ?", (NOT_HELD,))
                self._outbox.write(*notes)
        except sqlite3.OperationalError:
            return
        self._levels = {device: level for device, level in (self._levels | changed).items() if level != NOT_HELD}

    def once(self, topic: str, text: str, *notes: Note) -> bool:
        """Record events unless this text was the last one told on this topic; return whether it is told."""
        if self._texts.get(topic, "") == text:
            return True
        try:
            with transaction(self._connection):
                self._connection.execute("INSERT OR REPLACE INTO announced VALUES (?, ?)", (topic, text))
                self._outbox.write(*notes)
        except sqlite3.OperationalError:
            return False
        self._texts[topic] = text
        return True


def unlisted_topic(device: DeviceId) -> str:
    """Return the topic on which it is told that a device tries more than is listed."""
    return f"unlisted of {device}"


def was_told(connection: sqlite3.Connection, topic: str) -> bool:
    """Return whether anything was ever told on a topic."""
    return connection.execute("SELECT 1 FROM announced WHERE topic = ?", (topic,)).fetchone() is not None
