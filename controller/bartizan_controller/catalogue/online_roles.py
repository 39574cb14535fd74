"""The roles that the controller signs by itself: which versions belong together, and that they are fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import BadSignature
from bartizan.trust.approval import sign
from bartizan.trust.catalogue import assemble_snapshot, assemble_timestamp
from bartizan.trust.tufdata import APPROVED, ROOT, SNAPSHOT, TIMESTAMP, require_online_signature, version_and_expiry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bartizan_controller.catalogue.online_keys import OnlineKeys

DAY_SECONDS = 86400.0


class Lifetimes(msgspec.Struct, frozen=True):
    """How long a version of each role lasts, in days.

    What people sign lasts a year, so that no estate stops patching because somebody was on leave. The timestamp
    lasts a week: a gateway that is kept from newer versions notices then, and stops flashing.
    """

    root: float = 365
    targets: float = 365
    policy: float = 365
    firmware: float = 365
    snapshot: float = 30
    timestamp: float = 7

    def of(self, role: str) -> float:
        """Return the lifetime of a role in seconds."""
        return float(msgspec.structs.asdict(self)[role]) * DAY_SECONDS


class OnlineRoles:
    """Signs snapshot and timestamp over what people approved."""

    def __init__(self, keys: OnlineKeys, lifetimes: Lifetimes) -> None:
        self._keys = keys
        self._lifetimes = lifetimes

    def sign(self, approved: Mapping[str, bytes], *, versions: Mapping[str, int], now: float) -> dict[str, bytes]:
        """Return all metadata: what was approved, and a snapshot and timestamp that follow those of `versions`.

        Raises:
            BadSignature: The root names other online keys than this controller holds.
        """
        snapshot = sign(
            SNAPSHOT,
            assemble_snapshot(
                {role: approved[role] for role in APPROVED},
                version=versions[SNAPSHOT] + 1,
                expires_at=now + self._lifetimes.of(SNAPSHOT),
            ),
            self._keys.snapshot,
        )
        timestamp = sign(
            TIMESTAMP,
            assemble_timestamp(
                snapshot, version=versions[TIMESTAMP] + 1, expires_at=now + self._lifetimes.of(TIMESTAMP)
            ),
            self._keys.timestamp,
        )
        metadata = {**approved, SNAPSHOT: snapshot, TIMESTAMP: timestamp}
        for role in (SNAPSHOT, TIMESTAMP):
            require_online_signature(role, metadata[role], metadata[ROOT])
        return metadata

    def is_due(self, present: Mapping[str, bytes], now: float) -> bool:
        """Return whether half of a lifetime is over or the keys have changed."""
        try:
            for role in (SNAPSHOT, TIMESTAMP):
                require_online_signature(role, present[role], present[ROOT])
        except BadSignature:
            return True
        return any(
            version_and_expiry(role, present[role])[1] - now < self._lifetimes.of(role) / 2
            for role in (SNAPSHOT, TIMESTAMP)
        )
