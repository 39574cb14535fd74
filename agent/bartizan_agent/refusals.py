"""Refusals of what arrives, recorded within an allowance: a flood of rubbish must not push better events out."""

import math

from bartizan.errors import Refused
from bartizan_agent.clock import Clock
from bartizan_agent.notes import note
from bartizan_agent.outbox import Outbox

PER_HOUR = 20  # of each kind


class Refusals:
    """Records so many refusals of each kind an hour, and how many were left out in between."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._allowances: dict[str, _Allowance] = {}

    def record(self, kind: str, refusal: Refused, **detail: object) -> None:
        """Record an event of this kind, with the refusal's code and reason."""
        self.record_code(kind, refusal.code, str(refusal), **detail)

    def record_code(self, kind: str, code: str, reason: str, **detail: object) -> None:
        """Record an event of this kind with a code and a reason."""
        left_out = self._allowances.setdefault(kind, _Allowance()).take(self._clock.monotonic())
        if left_out is not None:
            more = {"unrecorded_before": left_out} if left_out else {}
            self._outbox.record(note(kind, None, **detail, code=code, reason=reason, **more))


class _Allowance:
    """So many an hour."""

    def __init__(self) -> None:
        self._hour_began = -math.inf
        self._taken = 0
        self._left_out = 0

    def take(self, at: float) -> int | None:
        """Return how many were left out since the last one that was not, or None to leave this one out."""
        if at - self._hour_began >= 3600:
            self._hour_began, self._taken = at, 0
        if self._taken >= PER_HOUR:
            self._left_out += 1
            return None
        self._taken += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
