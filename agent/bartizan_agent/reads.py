"""Asking cameras who they are, logged in: what they announce to strangers is often less, or less true.

A device is asked when it is found, when its credential changes, after an update, and once a day. What a camera does
wrong costs it its turn, and a place for a minute at most; who did wrong before waits behind all others, ever longer.
How often a camera may be logged in to at all is the login budget's to say.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from bartizan.identity.model import Device, Evidence, Fact, Kind, Source
from bartizan.ids import DeviceId
from bartizan.trust.credentials import Credential
from bartizan_agent import default_passwords
from bartizan_agent.channels import Told
from bartizan_agent.clock import Clock
from bartizan_agent.drivers import DRIVERS, reading
from bartizan_agent.drivers.contract import Act, CameraSession, CameraState, Channel, Driver, Failure, recognised
from bartizan_agent.updates.steps import OpenSession

AGAIN_SECONDS = 86400.0
RETRY_SECONDS = {Act.LATER: 300.0, Act.CREDENTIALS: AGAIN_SECONDS, Act.NEVER: AGAIN_SECONDS}
RETRY_SECONDS_AT_MOST = 3600.0  # for whoever is only away or slow: it doubles each time up to this
AT_ONCE = 4
ONE_SECONDS = 60.0  # for all requests of one look
TOO_SLOW = Failure(Act.LATER, "too-slow", f"it took longer than {ONE_SECONDS:.0f} s to say who it is")
OUR_FAULT = Failure(Act.NEVER, "internal", "the agent failed on what this device says; its log says where")

log = logging.getLogger(__name__)


class Reads:
    """Which devices are asked next, and asking them: several at a time, none waiting for another to be done.

    Args:
        open_session: Opens a session with a camera.
        told: Who is told what devices say.
        clock: What time it is.
        at_once: Devices that are asked at the same time.
    """

    def __init__(self, open_session: OpenSession, told: Told, clock: Clock, at_once: int = AT_ONCE) -> None:
        self._open_session = open_session
        self._told = told
        self._clock = clock
        self._at_once = at_once
        self._readable: dict[DeviceId, tuple[Device, Credential]] = {}
        self._due: dict[DeviceId, float] = {}
        self._failed: dict[DeviceId, int] = {}
        """How often in a row a device gave no answer, or none in time."""
        self._asking: set[DeviceId] = set()
        self._stirred = asyncio.Event()

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Take over who can be asked, and with what. A new device or credential is asked at once."""
        before, self._readable = self._readable, {device.id: (device, credential) for device, credential in readable}
        for name, (_, credential) in self._readable.items():
            if name not in before or before[name][1] != credential:
                self._due[name] = 0.0
        self._due = {name: due for name, due in self._due.items() if name in self._readable}
        self._failed = {name: count for name, count in self._failed.items() if name in self._readable}
        self._stirred.set()

    def soon(self, device: DeviceId) -> None:
        """Ask a device again: it has just changed."""
        if device in self._due:
            self._due[device] = 0.0
            self._stirred.set()

    async def run(self) -> None:
        """Ask whoever is due, for ever."""
        self._asking.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._stirred.clear()
                now = self._clock.monotonic()
                for name in self._next(now):
                    self._asking.add(name)
                    tasks.create_task(self._take_turn(name), name=f"read {name}")
                await self._until(min(self._waiting().values(), default=now + AGAIN_SECONDS) - now)

    def _waiting(self) -> dict[DeviceId, float]:
        """Return when each device is due that a place is free for; none while all places are taken."""
        if len(self._asking) >= self._at_once:
            return {}
        return {name: due for name, due in self._due.items() if name not in self._asking}

    def _next(self, now: float) -> list[DeviceId]:
        """Return whom to ask now. Who answered nothing before comes last: it may take its whole time again."""
        due = [name for name, at in self._waiting().items() if at <= now]
        due.sort(key=lambda name: (self._failed.get(name, 0), self._due[name]))
        return due[: self._at_once - len(self._asking)]

    async def _until(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()

    async def _take_turn(self, name: DeviceId) -> None:
        device, credential = self._readable[name]
        begun = self._due[name] = self._clock.monotonic() + RETRY_SECONDS[Act.LATER]
        try:
            failure, wait = await self._ask(device, credential)
        except Exception:  # supervising: one camera must not stop the others
            log.exception("a read stumbled", extra={"device": name})
            failure, wait = OUR_FAULT, AGAIN_SECONDS
        finally:
            self._asking.discard(name)
            self._stirred.set()
        if self._due.get(name) == begun:  # else it has changed meanwhile and is to be asked again
            self._due[name] = self._clock.monotonic() + wait
        if failure is None:
            self._failed.pop(name, None)
        else:
            log.debug("a camera was not read", extra={"device": name, "code": failure.code})
            self._failed[name] = self._failed.get(name, 0) + 1
        self._told.unread(name, failure)

    async def _ask(self, device: Device, credential: Credential) -> tuple[Failure | None, float]:
        """Ask one device. Return why it could not be read, if so, and when to ask it again, in seconds."""
        driver, said_who = recognised(DRIVERS, device.identity), False
        if driver is None:
            return None, RETRY_SECONDS[Act.LATER]
        try:
            async with (
                asyncio.timeout(ONE_SECONDS),
                self._open_session(device, credential, restarting=False) as session,
            ):
                answer = await driver.identify(session)
                if isinstance(answer, Failure):
                    return answer, self._pause(device.id, answer)
                said_who = True
                self._told.learn(device.id, evidence(answer, driver.source))
                await self._ask_more(device, driver, session)
        except TimeoutError:
            if not said_who:
                return TOO_SLOW, self._pause(device.id, TOO_SLOW)
        # A camera too slow for the rest is asked again tomorrow, and known by this until then.
        return None, AGAIN_SECONDS

    async def _ask_more(self, device: Device, driver: Driver, session: CameraSession) -> None:
        if session.credential == driver.default_login:
            said = default_passwords.evidence(default_passwords.ACCEPTED, driver.source)
            self._told.learn(device.id, (said,))
        channels = await _channels(driver, session, device)
        if channels is not None:
            self._told.tie(device.id, channels)
        self._told.learn(device.id, await driver.settings(session))

    def _pause(self, device: DeviceId, failure: Failure) -> float:
        pause = RETRY_SECONDS[failure.act]
        if failure.act is Act.LATER:
            pause = min(pause * 2.0 ** min(self._failed.get(device, 0), 16), RETRY_SECONDS_AT_MOST)
        return max(failure.wait_seconds, pause)


async def _channels(driver: Driver, session: CameraSession, device: Device) -> tuple[Channel, ...] | None:
    """Return which cameras a recorder records; None for what is no recorder, or does not say."""
    if device.identity.kind is not Kind.RECORDER:
        return None
    channels = await driver.channels(session)
    return None if isinstance(channels, Failure) else channels


def evidence(state: CameraState, source: Source) -> tuple[Evidence, ...]:
    """Return what a camera said of itself as evidence."""
    said = {
        Fact.SERIAL: state.serial,
        Fact.MODEL: state.model,
        Fact.FIRMWARE: state.firmware,
        Fact.BUILD_DATE: state.build_date,
        Fact.HARDWARE: state.hardware,
        Fact.PLATFORM: state.platform,
    }
    return tuple(Evidence(fact, value, source, reading.WEIGHT, "logged in") for fact, value in said.items() if value)
