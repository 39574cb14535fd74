"""The gateway's clock, which may be wrong: it never runs before a time that was already seen here.

Gateways lose power, and many have no battery-backed clock. A clock back in 1970 would make an expired catalogue
look fresh; so the last good time is kept as the modification time of one file, and is the floor of `now`.

A clock can be ahead, too, for a day or by years. The floor must not follow it there: it would stay when the clock is
put right, and everything that is signed would be expired for as long. It is kept up to where the catalogue expires.
From there on nothing is left that a clock could make look fresh.
"""

import os
import time
from pathlib import Path
from typing import Protocol

STEP_SECONDS = 60.0  # a wall clock that moves this far against the monotonic one was set, not slewed
BEHIND_SECONDS = 60.0  # further behind a time already seen, a clock cannot tell what time of day it is


class Clock(Protocol):
    """What time it is."""

    def now(self) -> float:
        """Return Unix seconds, never before a time already seen."""

    def monotonic(self) -> float:
        """Return seconds that only rise, for measuring."""


class GatewayClock:
    """The machine's clock above the floor that `file` keeps."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._floor = file.stat().st_mtime if file.exists() else 0.0
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return Unix seconds, never before the floor."""
        return max(time.time(), self._floor)

    def monotonic(self) -> float:
        """Return seconds that only rise."""
        return time.monotonic()

    def behind_seconds(self) -> float:
        """Return how far the wall clock is behind the floor; 0 where it is not."""
        return max(0.0, self._floor - time.time())

    def stepped_seconds(self) -> float:
        """Return how far the wall clock was set since the last call; 0 below `STEP_SECONDS`."""
        offset = time.time() - time.monotonic()
        step, self._offset = offset - self._offset, offset
        return step if abs(step) >= STEP_SECONDS else 0.0

    def keep(self, *, no_later_than: float) -> None:
        """Make the present the floor, unless the present is behind it.

        Args:
            no_later_than: When the catalogue expires, Unix seconds; the floor never follows the clock past that.

        Raises:
            OSError: The disk refuses.
        """
        self._floor = max(self._floor, min(self.now(), no_later_than))
        self._file.touch(mode=0o600)
        os.utime(self._file, (self._floor, self._floor))
