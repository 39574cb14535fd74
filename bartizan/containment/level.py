"""Containment levels: how far a device may reach, from least to most confined."""

from __future__ import annotations

import enum
import functools


@functools.total_ordering
class Level(enum.Enum):
    """What the gateway lets a device reach. Ordered: a greater level is tighter."""

    WATCH = "watch"
    """Everything passes and is counted."""
    BLOCK_EGRESS = "block-egress"
    """Only the estate's own networks; DNS and NTP only through the gateway."""
    ISOLATE = "isolate"
    """Only its recorders and the gateway."""
    QUARANTINE = "quarantine"
    """Only the gateway, for patching."""

    @property
    def rank(self) -> int:
        """Its place in the order, 0 for `watch`."""
        return _ORDER[self]

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        return self.rank < other.rank


_ORDER = {level: rank for rank, level in enumerate(Level)}
