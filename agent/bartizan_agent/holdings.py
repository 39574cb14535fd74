"""How the kernel held each device, from which look to which: what statements are made of. Durable; bounded.

One time is kept for all that goes on: that of the last look which found the whole table as applied. Only what changes
is written.
"""

import logging
import math
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.statement import EVERYTHING, Held, Holding
from bartizan.ids import DeviceId
from bartizan.wire import codec
from bartizan_agent.store import transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS holdings (
    device TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL, -- null while it goes on
    held BLOB NOT NULL,
    PRIMARY KEY (device, since)
) WITHOUT ROWID;
"""
OF_A_DEVICE = 100

log = logging.getLogger(__name__)


class _Open(NamedTuple):
    since: float
    held: Held | None


class Holdings:
    """The holdings of one gateway's devices.

    Args:
        connection: Of the store.
        confirmed_at: The last look that is written down, by which what was open then is known to have held.
    """

    def __init__(self, connection: sqlite3.Connection, confirmed_at: float) -> None:
        self._connection = connection
        self._confirmed_at = confirmed_at
        rows = connection.execute("SELECT device, since, held FROM holdings WHERE until IS NULL")
        self._open = {DeviceId(device): _Open(since, codec.decode(held, _HELD)) for device, since, held in rows}

    def take(self, found: Mapping[DeviceId, Held], began_at: float, ended_at: float) -> bool:
        """Take note of how devices are held, as a look found them that began and ended at these times.

        Returns:
            Whether it is written down. If not, nothing of it was taken over, and nothing may be claimed until it is.
        """
        before, until = self._open, self._confirmed_at
        changed = [device for device in {**before, **found} if _held(before.get(device)) != found.get(device)]
        confirmed_at = max(began_at, until)
        if not changed:
            self._confirmed_at = confirmed_at
            return True
        # Never the same time as the row before: two rows of a device differ by it.
        since = math.nextafter(max(ended_at, confirmed_at), math.inf)
        ended = [(max(until, before[device].since), device) for device in changed if device in before]
        begun = {device: _Open(since, found.get(device)) for device in changed}
        try:
            with transaction(self._connection):
                self._connection.executemany("UPDATE holdings SET until = ? WHERE device = ? AND until IS NULL", ended)
                self._connection.executemany(
                    "INSERT OR REPLACE INTO holdings VALUES (?, ?, NULL, ?)",
                    [(device, one.since, codec.encode(one.held)) for device, one in begun.items()],
                )
                self._connection.executemany(_KEEP, [(device, device, OF_A_DEVICE) for device in changed])
        except sqlite3.OperationalError:
            log.warning("how devices are held could not be written down: free some disk space")
            return False
        self._open, self._confirmed_at = before | begun, confirmed_at
        return True


def held_by(ruleset: Ruleset, devices: Iterable[ContainedDevice], around: Mapping[str, str]) -> dict[DeviceId, Held]:
    """Return how devices of a ruleset are held; `around` says per interface what takes packets past the filter."""
    networks, recorders = tuple(ruleset.estate_networks), tuple(ruleset.segment_recorders)
    reach: dict[Level, tuple[str, ...]] = {
        Level.WATCH: (EVERYTHING,),
        Level.BLOCK_EGRESS: (*networks, *recorders),
        Level.ISOLATE: recorders,
        Level.QUARANTINE: (),
    }
    return {
        device.id: Held(
            device.level,
            device.macs,
            device.addresses,
            (*reach[device.level], *(() if device.level in _OWN_MATTER_NOT else device.recorders)),
            around.get(device.interface, ""),
        )
        for device in devices
    }


def of_device(connection: sqlite3.Connection, device: DeviceId, confirmed_at: float) -> tuple[Holding, ...]:
    """Return the holdings of a device, oldest first; what goes on is known up to `confirmed_at`."""
    rows = connection.execute("SELECT since, until, held FROM holdings WHERE device = ? ORDER BY since", (device,))
    found: list[Holding] = []
    for since, until, held in rows:
        with suppress(msgspec.MsgspecError):
            found.append(
                Holding(since, max(since, confirmed_at if until is None else until), codec.decode(held, _HELD))
            )
    return tuple(found)


_HELD: Any = Held | None


def _held(one: _Open | None) -> Held | None:
    return one.held if one is not None else None


_OWN_MATTER_NOT = frozenset({Level.WATCH, Level.QUARANTINE})
_KEEP = """
DELETE FROM holdings WHERE device = ? AND since IN (
    SELECT since FROM holdings WHERE device = ? ORDER BY since DESC LIMIT -1 OFFSET ?)
"""
