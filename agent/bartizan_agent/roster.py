"""The site's inventory, in memory and on disk. What merging means is `inventory`'s; keeping it is done here.

Rows are written one by one as devices change, so that a gateway that restarts knows its cameras before it has looked.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable

import msgspec

from bartizan.identity.model import Device, Evidence, Observation, RecorderChannel
from bartizan.ids import DeviceId
from bartizan.wire import codec
from bartizan_agent.changes import Change
from bartizan_agent.inventory import Known, Merged, add_evidence, judge_again, merge
from bartizan_agent.knowledge import Knowledge
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS roster (device TEXT PRIMARY KEY, known BLOB NOT NULL) WITHOUT ROWID;
"""

Learn = Callable[[DeviceId, tuple[Evidence, ...]], None]
"""Told what a device said of itself once it was logged in to."""

log = logging.getLogger(__name__)


class Roster:
    """All devices ever found on this site, lost ones included.

    Args:
        connection: The agent's store, with `SCHEMA` made.
        knowledge: Gives what to judge devices by.
        limit: Devices listed at most. More are held by their segment's default, like any stranger.
    """

    def __init__(self, connection: sqlite3.Connection, knowledge: Callable[[], Knowledge], *, limit: int) -> None:
        self._connection = connection
        self._knowledge = knowledge
        self._limit = limit
        rows = connection.execute("SELECT device, known FROM roster")
        self._known = {DeviceId(device): codec.decode(known, Known) for device, known in rows}
        self._written = dict(self._known)
        self._devices = _in_order(self._known)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device, in the order of their ids. The same object as long as nothing changes."""
        return self._devices

    def device(self, name: DeviceId) -> Device | None:
        """Return a device by its id."""
        known = self._known.get(name)
        return known.device if known else None

    def observe(self, observations: Iterable[Observation], at: float) -> tuple[Change, ...]:
        """Take in what was seen, and return what changed by it."""
        by = self._knowledge()
        merged = merge(self._known, observations, directory=by.directory, advisories=by.advisories, at=at)
        return self._take(merged)

    def learn(self, device: DeviceId, evidence: Iterable[Evidence]) -> tuple[Change, ...]:
        """Take in what a device said of itself once it was logged in to, and return what changed by it."""
        by = self._knowledge()
        merged = add_evidence(self._known, device, evidence, directory=by.directory, advisories=by.advisories)
        return self._take(merged)

    def tie(self, recorder: DeviceId, channels: tuple[RecorderChannel, ...]) -> None:
        """Keep what a recorder records; of one that is no longer known, nothing."""
        known = self._known.get(recorder)
        if known is not None and known.device.channels != channels:
            device = msgspec.structs.replace(known.device, channels=channels)
            self._known = {**self._known, recorder: msgspec.structs.replace(known, device=device)}
            self._write()

    def judge_again(self) -> tuple[Change, ...]:
        """See all devices by what is known of makers now, and return what changed by it."""
        by = self._knowledge()
        return self._take(judge_again(self._known, directory=by.directory, advisories=by.advisories))

    def _take(self, merged: Merged) -> tuple[Change, ...]:
        left_out = self._beyond_limit(merged.devices)
        self._known = {device: known for device, known in merged.devices.items() if device not in left_out}
        devices = _in_order(self._known)
        if devices != self._devices:
            self._devices = devices
        self._write()
        return tuple(change for change in merged.changes if change.device not in left_out)

    def _beyond_limit(self, devices: dict[DeviceId, Known]) -> frozenset[DeviceId]:
        """Return the newest devices, as many as are too many: a host that invents neighbours displaces none."""
        excess = len(devices) - self._limit
        if excess <= 0:
            return frozenset()
        newest = sorted(devices, key=lambda device: devices[device].device.first_seen, reverse=True)
        return frozenset(newest[:excess])

    def _write(self) -> None:
        changed = [(device, known) for device, known in self._known.items() if self._written.get(device) != known]
        gone = [(device,) for device in self._written if device not in self._known]
        if not changed and not gone:
            return
        try:
            with transaction(self._connection):
                rows = [(device, codec.encode(known)) for device, known in changed]
                self._connection.executemany("INSERT OR REPLACE INTO roster VALUES (?, ?)", rows)
                self._connection.executemany("DELETE FROM roster WHERE device = ?", gone)
        except sqlite3.OperationalError as error:
            # The devices are contained all the same; they are written with the next change.
            log.warning("inventory not written", extra={"reason": str(error)})
        else:
            self._written = dict(self._known)


def _in_order(known: dict[DeviceId, Known]) -> tuple[Device, ...]:
    return tuple(known[device].device for device in sorted(known))
