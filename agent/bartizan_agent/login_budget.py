"""How often a camera may be tried with a credential: one budget for discovery, health checks and updates together.

Vendors lock a source out after about five wrong logins, for half an hour, and count RTSP as well. So a credential that
was refused is not tried again until it changes; changed credentials are tried at most `REFUSALS_PER_WINDOW` times in
`WINDOW_SECONDS`; and the 401 that cameras give while they restart is forgiven, a few times, far apart. All of it
outlives the agent: a crash must not buy new attempts.
"""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable

import msgspec

from bartizan.trust.credentials import Credential

SCHEMA = """
CREATE TABLE IF NOT EXISTS login_budget (
    camera TEXT PRIMARY KEY,
    salt BLOB NOT NULL,
    credential BLOB NOT NULL,
    latched INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    window_began REAL NOT NULL,
    forgiven INTEGER NOT NULL,
    not_before REAL NOT NULL
) STRICT;
"""

REFUSALS_PER_WINDOW = 2
WINDOW_SECONDS = 3600.0
RESTART_PAUSES = (60.0, 180.0)
"""Seconds to wait after each forgiven refusal; one more refusal after the last is counted."""
_ROUNDS = 20_000  # of PBKDF2: computed only for a camera that refused somebody, so a few milliseconds are cheap


class Permission(msgspec.Struct, frozen=True):
    """Whether a login may be tried now."""

    granted: bool
    reason: str = ""
    wait_seconds: float = 0.0
    """Until it may be tried; 0 where only another credential helps."""


GRANTED = Permission(granted=True)


class LoginBudget:
    """The table of refusals. A camera that accepted its credential has no row.

    Args:
        connection: The agent's store, with `SCHEMA` made.
        clock: Returns Unix seconds.
        on_latch: Told the camera and its refusals in this window, when a credential is given up.
        restart_pauses: Seconds to wait after each refusal that is forgiven a restarting camera.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Callable[[], float],
        on_latch: Callable[[str, int], None] = lambda _camera, _refusals: None,
        *,
        restart_pauses: tuple[float, ...] = RESTART_PAUSES,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._on_latch = on_latch
        self._restart_pauses = restart_pauses

    def permits(self, camera: str, credential: Credential) -> Permission:
        """Return whether this credential may be tried on this camera now."""
        row = self._row(camera)
        if row is None:
            return GRANTED
        now = self._clock()
        if row.latched and hmac.compare_digest(row.credential, _marked(credential, row.salt)):
            return Permission(granted=False, reason="this user name and password were refused; give others")
        if not row.latched:
            return _from(row.not_before, now, "the camera wants no login at present")
        if row.refusals >= REFUSALS_PER_WINDOW:
            return _from(row.window_began + WINDOW_SECONDS, now, "too many refused logins within an hour")
        return GRANTED

    def accepted(self, camera: str) -> None:
        """Note that the camera let us in: everything before is forgotten."""
        self._connection.execute("DELETE FROM login_budget WHERE camera = ?", (camera,))

    def forget(self, camera: str) -> None:
        """Take a camera's refusals back, because a person says that the credential is right after all."""
        self.accepted(camera)

    def locked_out(self, camera: str, credential: Credential, seconds: float) -> None:
        """Note that the camera lets nobody in for a while, whatever the password: somebody else guessed."""
        now = self._clock()
        self._write(
            camera,
            credential,
            latched=False,
            refusals=0,
            window_began=now,
            forgiven=0,
            not_before=now + min(seconds, WINDOW_SECONDS),
        )

    def refused(self, camera: str, credential: Credential) -> None:
        """Note that the camera refused the credential: it is not tried again until it changes."""
        row, now = self._row(camera), self._clock()
        in_window = row is not None and now - row.window_began < WINDOW_SECONDS
        refusals = row.refusals + 1 if row is not None and in_window else 1
        began = row.window_began if row is not None and in_window else now
        self._write(camera, credential, latched=True, refusals=refusals, window_began=began, forgiven=0, not_before=0.0)
        self._on_latch(camera, refusals)

    def refused_while_restarting(self, camera: str, credential: Credential) -> Permission:
        """Note a refusal by a camera that is restarting. Return whether, and when, the same credential may be tried."""
        row, now = self._row(camera), self._clock()
        forgiven = row.forgiven if row is not None and not row.latched else 0
        if forgiven >= len(self._restart_pauses):
            self.refused(camera, credential)
            return Permission(granted=False, reason="the camera refuses its login after the restart")
        pause = self._restart_pauses[forgiven]
        refusals, began = (row.refusals, row.window_began) if row is not None else (0, now)
        self._write(
            camera,
            credential,
            latched=False,
            refusals=refusals,
            window_began=began,
            forgiven=forgiven + 1,
            not_before=now + pause,
        )
        return Permission(granted=True, reason="the camera refused a login while restarting", wait_seconds=pause)

    def _row(self, camera: str) -> "_Row | None":
        found = self._connection.execute(
            "SELECT salt, credential, latched, refusals, window_began, forgiven, not_before"
            " FROM login_budget WHERE camera = ?",
            (camera,),
        ).fetchone()
        if found is None:
            return None
        row, now = _Row(*found), self._clock()
        if row.window_began <= now:
            return row
        # The clock was set back: what happened "later" than now counts from now, or it would lock us out until then.
        return msgspec.structs.replace(row, window_began=now, not_before=min(row.not_before, now + WINDOW_SECONDS))

    def _write(
        self,
        camera: str,
        credential: Credential,
        *,
        latched: bool,
        refusals: int,
        window_began: float,
        forgiven: int,
        not_before: float,
    ) -> None:
        salt = secrets.token_bytes(16)
        self._connection.execute(
            "INSERT OR REPLACE INTO login_budget VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (camera, salt, _marked(credential, salt), int(latched), refusals, window_began, forgiven, not_before),
        )


class _Row(msgspec.Struct, frozen=True):
    salt: bytes
    credential: bytes
    latched: int
    refusals: int
    window_began: float
    forgiven: int
    not_before: float


def _marked(credential: Credential, salt: bytes) -> bytes:
    """Return what a credential is recognised by, from which it cannot be read back."""
    text = f"{len(credential.username)}:{credential.username}{credential.password}".encode()
    return hashlib.pbkdf2_hmac("sha256", text, salt, _ROUNDS)


def _from(moment: float, now: float, reason: str) -> Permission:
    wait = moment - now
    return GRANTED if wait <= 0 else Permission(granted=False, reason=reason, wait_seconds=wait)
