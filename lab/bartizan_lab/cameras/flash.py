"""Writing an image into flash, as far as anybody outside sees it: a percentage that rises with the clock."""

import enum
from dataclasses import dataclass

_BREAKS_AT = 50
"""Percent at which a write that is to fail stops."""


class FlashState(enum.Enum):
    """How a write stands."""

    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Flash:
    """One write. Times are Unix seconds."""

    started: float
    seconds: float
    breaks: bool = False
    """It fails half-way."""

    def percent(self, now: float) -> int:
        """Return how much is written."""
        most = _BREAKS_AT if self.breaks else 100
        if self.seconds <= 0:
            return most
        return min(most, int(100 * (now - self.started) / self.seconds))

    def state(self, now: float) -> FlashState:
        """Return how it stands."""
        percent = self.percent(now)
        if self.breaks and percent >= _BREAKS_AT:
            return FlashState.FAILED
        return FlashState.DONE if percent >= 100 else FlashState.WRITING
