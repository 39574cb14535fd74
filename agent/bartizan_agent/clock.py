"""The gateway's clock, which may be wrong: it never runs before a time that was already seen here.

Gateways lose power, and many have no battery-backed clock. A clock back in 1970 would make an expired catalogue
look fresh; so the last good time is kept as the modification time of one file. At least as much time has passed since
then as the agent ran: that is the floor of `now`, so that what ends by time does end while the clock is behind.

A clock can be ahead, too, for a day or by years. The floor must not follow it there: it would stay when the clock is
put right, and everything that is signed would be expired for as long, and nothing flashed. So it follows a clock only
up to where the catalogue expires, beyond which nothing is left that a clock could make look fresh; there by no jump,
unless the clock went steadily for a day; and what it followed in a jump that is taken back within a day, it forgets.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

STEP_SECONDS = 60.0  # a wall clock that moves this far against the monotonic one was set, not slewed
BEHIND_SECONDS = 60.0  # further behind a time already seen, a clock cannot tell what time of day it is
STEADY_SECONDS = 86400.0  # after so long without being set, a clock is believed


BEHIND = "the gateway's clock is behind, so that nobody can tell whether a window is open"


class Clock(Protocol):
    """What time it is."""

    def now(self) -> float:
        """Return Unix seconds, never before a time already seen."""

    def monotonic(self) -> float:
        """Return seconds that only rise, for measuring."""


class GatewayClock:
    """The machine's clock above the floor that `file` keeps.

    Args:
        file: Keeps the floor.
        wall: The machine's clock, Unix seconds.
        monotonic: Seconds that only rise.
    """

    def __init__(
        self,
        file: Path,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._wall = wall
        self._monotonic = monotonic
        self._kept = file.stat().st_mtime if file.exists() else 0.0
        self._kept_at = self._steady_since = monotonic()
        self._offset = wall() - monotonic()
        self._before_jump: tuple[float, float] | None = None
        """The floor before the clock was set forward, and when that was, monotonic."""

    def now(self) -> float:
        """Return Unix seconds, never before the floor."""
        return max(self._wall(), self._floor())

    def monotonic(self) -> float:
        """Return seconds that only rise."""
        return self._monotonic()

    def behind_seconds(self) -> float:
        """Return how far the wall clock is behind the floor; 0 where it is not."""
        return max(0.0, self._floor() - self._wall())

    def stepped_seconds(self) -> float:
        """Return how far the wall clock was set since the last call; 0 below `STEP_SECONDS`."""
        at = self.monotonic()
        offset = self._wall() - at
        step, self._offset = offset - self._offset, offset
        if abs(step) < STEP_SECONDS:
            return 0.0
        if step > 0:
            self._before_jump = self._before_jump or (self._floor(), at)
        elif self._before_jump is not None:
            floor, since = self._before_jump
            self._kept, self._kept_at = min(self._floor(), floor + at - since), at
            self._before_jump = None
        self._steady_since = at
        return step

    def keep(self, *, no_later_than: float) -> None:
        """Make the present the floor, unless the present is behind it, or further ahead than can be believed.

        Args:
            no_later_than: When the catalogue expires, Unix seconds; the floor never follows the clock past that.

        Raises:
            OSError: The disk refuses.
        """
        at, wall, floor = self.monotonic(), self._wall(), self._floor()
        is_steady = at - self._steady_since >= STEADY_SECONDS
        if is_steady:
            self._before_jump = None
        present = max(floor, wall) if is_steady or wall <= no_later_than else floor
        self._kept, self._kept_at = max(self._kept, min(present, no_later_than)), at
        self._file.touch(mode=0o600)
        os.utime(self._file, (self._kept, self._kept))

    def _floor(self) -> float:
        return self._kept + self.monotonic() - self._kept_at
