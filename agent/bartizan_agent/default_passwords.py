"""The one permitted check for a maker's default password. Off unless the site's signed facts switch it on.

Each device is tried once in its life here, with one login: that it was tried is written down first, so a crash or a
restart buys no second attempt. The login is the login budget's to permit, like any other.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress

from bartizan.identity.model import Device, Evidence, Fact, Kind, Source
from bartizan.ids import DeviceId
from bartizan_agent.clock import Clock
from bartizan_agent.drivers import DRIVERS, reading
from bartizan_agent.drivers.contract import Driver, Failure, recognised
from bartizan_agent.roster import Learn
from bartizan_agent.updates.steps import OpenSession

SCHEMA = """
CREATE TABLE IF NOT EXISTS default_password_check (device TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
"""
ONE_SECONDS = 30.0
NOT_TRIED = frozenset({"no-answer", "in-use", "login-withheld", "no-digest"})
"""Failures before any password was sent: the attempt is still to be had."""
PAUSE_SECONDS = 3600.0
ACCEPTED, REFUSED = "accepted", "refused"

log = logging.getLogger(__name__)


class DefaultPasswords:
    """Which devices were tried, and trying the others, one after the other.

    Args:
        connection: The agent's store, with `SCHEMA` made.
        open_session: Opens a session with a camera.
        learn: Told what came of it.
        told: Told the device and the outcome, for the log of events.
        clock: What time it is.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        open_session: OpenSession,
        learn: Learn,
        told: Callable[[DeviceId, str], None],
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._open_session = open_session
        self._learn = learn
        self._told = told
        self._clock = clock
        self._waiting: dict[DeviceId, tuple[Device, Driver]] = {}
        self._not_before: dict[DeviceId, float] = {}
        self._stirred = asyncio.Event()
        self.trying: DeviceId | None = None
        """The device that is being tried now."""

    def consider(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """Take over which devices there are, and whether the site permits the check."""
        fitting = [device for device in devices if permitted and _fits(device)]
        candidates = [(device, recognised(DRIVERS, device.identity)) for device in fitting]
        self._waiting = {
            device.id: (device, driver)
            for device, driver in candidates
            if driver is not None and driver.default_login is not None and not self._was_tried(device.id)
        }
        self._stirred.set()

    async def run(self) -> None:
        """Try whoever waits, for ever."""
        while True:
            self._stirred.clear()
            now = self._clock.monotonic()
            ready = [name for name in self._waiting if self._not_before.get(name, 0.0) <= now]
            if ready:
                # Whoever never had a turn first: devices without an answer are tried again, and there may be many.
                first = min(ready, key=lambda name: self._not_before.get(name, 0.0))
                await self._try(*self._waiting.pop(first))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._stirred.wait()

    async def _try(self, device: Device, driver: Driver) -> None:
        self._not_before[device.id] = self._clock.monotonic() + PAUSE_SECONDS
        if not self._write_down(device.id):
            return
        self.trying = device.id
        try:
            async with (
                asyncio.timeout(ONE_SECONDS),
                self._open_session(device, driver.default_login, restarting=False) as session,
            ):
                answer = await driver.identify(session)
        except TimeoutError:
            return
        finally:
            self.trying = None
        if isinstance(answer, Failure) and answer.code in NOT_TRIED:
            self._connection.execute("DELETE FROM default_password_check WHERE device = ?", (device.id,))
            return
        said = _outcome(answer.code if isinstance(answer, Failure) else "", driver.source)
        if said is not None:
            self._learn(device.id, (said,))
            self._told(device.id, said.value)

    def _write_down(self, device: DeviceId) -> bool:
        """Return whether it is on disk that the device was tried; what cannot be written down is not done."""
        try:
            self._connection.execute("INSERT INTO default_password_check VALUES (?, ?)", (device, self._clock.now()))
        except sqlite3.OperationalError as error:
            log.warning("no default password is tried: the disk refuses", extra={"reason": str(error)})
            return False
        return True

    def _was_tried(self, device: DeviceId) -> bool:
        row = self._connection.execute("SELECT 1 FROM default_password_check WHERE device = ?", (device,)).fetchone()
        return row is not None


def evidence(value: str, source: Source) -> Evidence:
    """Return what came of a login with the default password, as evidence."""
    return Evidence(Fact.DEFAULT_PASSWORD, value, source, reading.WEIGHT, "one login with the maker's default password")


def _outcome(code: str, source: Source) -> Evidence | None:
    if code == "not-activated":
        return Evidence(Fact.FACTORY_STATE, "true", source, reading.WEIGHT, "it says that it has no password yet")
    return {"": evidence(ACCEPTED, source), "login-refused": evidence(REFUSED, source)}.get(code)


def _fits(device: Device) -> bool:
    """Whether there is a camera or recorder to try, that did not say that it has no password at all."""
    is_ours = device.identity.kind in {Kind.CAMERA, Kind.RECORDER}
    return is_ours and bool(device.addresses) and not device.lost
