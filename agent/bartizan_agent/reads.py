"""Asking cameras who they are, logged in: what they announce to strangers is often less, or less true.

A device is asked when it is found, when its credential changes, after an update, and once a day. What a camera does
wrong costs it its turn, nothing else; how often it may be logged in to at all is the login budget's to say.
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
AT_ONCE = 4
ONE_SECONDS = 60.0  # for all requests of one look

log = logging.getLogger(__name__)


class Reads:
    """Which devices are asked next, and asking them.

    Args:
        open_session: Opens a session with a camera.
        told: Who is told what devices say.
        clock: What time it is.
    """

    def __init__(self, open_session: OpenSession, told: Told, clock: Clock) -> None:
        self._open_session = open_session
        self._told = told
        self._clock = clock
        self._readable: dict[DeviceId, tuple[Device, Credential]] = {}
        self._due: dict[DeviceId, float] = {}
        self._stirred = asyncio.Event()

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Take over who can be asked, and with what. A new device or credential is asked at once."""
        before, self._readable = self._readable, {device.id: (device, credential) for device, credential in readable}
        for name, (_, credential) in self._readable.items():
            if name not in before or before[name][1] != credential:
                self._due[name] = 0.0
        self._due = {name: due for name, due in self._due.items() if name in self._readable}
        self._stirred.set()

    def soon(self, device: DeviceId) -> None:
        """Ask a device again: it has just changed."""
        if device in self._due:
            self._due[device] = 0.0
            self._stirred.set()

    async def run(self) -> None:
        """Ask whoever is due, for ever."""
        while True:
            self._stirred.clear()
            now = self._clock.monotonic()
            due = sorted((name for name, at in self._due.items() if at <= now), key=self._due.__getitem__)
            if due:
                async with asyncio.TaskGroup() as tasks:
                    for name in due[:AT_ONCE]:
                        tasks.create_task(self._ask(*self._readable[name]), name=f"read {name}")
            else:
                await self._until(min(self._due.values(), default=now + AGAIN_SECONDS) - now)

    async def _until(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()

    async def _ask(self, device: Device, credential: Credential) -> None:
        self._due[device.id] = self._clock.monotonic() + RETRY_SECONDS[Act.LATER]
        driver = recognised(DRIVERS, device.identity)
        if driver is None:
            return
        try:
            async with (
                asyncio.timeout(ONE_SECONDS),
                self._open_session(device, credential, restarting=False) as session,
            ):
                answer = await driver.identify(session)
                if isinstance(answer, Failure):
                    log.debug("a camera was not read", extra={"device": device.id, "code": answer.code})
                    self._later(device.id, max(answer.wait_seconds, RETRY_SECONDS[answer.act]))
                    return
                # A camera too slow for the rest is asked again tomorrow, and known by this until then.
                self._later(device.id, AGAIN_SECONDS)
                self._told.learn(device.id, evidence(answer, driver.source))
                if credential == driver.default_login:
                    said = default_passwords.evidence(default_passwords.ACCEPTED, driver.source)
                    self._told.learn(device.id, (said,))
                channels = await _channels(driver, session, device)
                if channels is not None:
                    self._told.tie(device.id, channels)
                self._told.learn(device.id, await driver.settings(session))
        except TimeoutError:
            return

    def _later(self, device: DeviceId, seconds: float) -> None:
        self._due[device] = self._clock.monotonic() + seconds


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
