"""A clock that a test moves."""


class MovingClock:
    """Implements `bartizan_agent.clock.Clock`; both its times stand still until moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += seconds
