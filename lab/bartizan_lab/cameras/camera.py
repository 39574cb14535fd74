"""The life of an emulated device: up, down for a reboot, up again; its clock, logins and faults."""

import abc
import asyncio
import contextlib
import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar, Protocol

from bartizan_lab.cameras import tls
from bartizan_lab.cameras.access import Access, Allowed, Attempt, Denied, LockOut
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.flash import Flash, FlashState
from bartizan_lab.cameras.greeting import GreetingService
from bartizan_lab.cameras.http import HttpService
from bartizan_lab.cameras.phone import Calls, PhoneHome
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.web import WebSite
from bartizan_lab.network import Network

TELNET_PORT = 23
START_SECONDS = 10.0
"""How long `Camera.serve` waits for the services to open."""


class Service(Protocol):
    """Something a device offers while it is up."""

    def open(self, network: Network, tasks: asyncio.TaskGroup) -> AbstractAsyncContextManager[None]:
        """Serve while the block lasts, with whatever tasks it needs in `tasks`.

        Raises:
            OSError: A port is taken, or the address is not on this machine.
        """


@dataclass(frozen=True)
class Installed:
    """What an image puts into the device once it has rebooted."""

    firmware: str
    build: date


class _GoDown(Exception):
    """Ends the services of one boot."""


class Camera(abc.ABC):
    """One emulated device. `state` may be read and changed while it runs."""

    kind: ClassVar[str]
    lock_out_limit: ClassVar[int] = 0
    """Bad logins after which a source is locked out; 0 is never."""

    def __init__(self, state: DeviceState, setting: Setting) -> None:
        self.state = state
        self.timings = setting.timings
        self.calls = Calls()
        self.flash: Flash | None = None
        """The write of an image since the last boot."""
        self.flashes = 0
        """Images whose writing was begun, ever."""
        self._staged: Installed | None = None
        self._attached: list[Service] = []
        self._setting = setting
        self._now = setting.now
        self._reboot_ordered = asyncio.Event()
        self._up = asyncio.Event()
        self._access = Access(
            state.users,
            LockOut(self.lock_out_limit, self.timings.lockout_seconds),
            now=setting.now,
            secret=secrets.token_bytes(16),
            basic=self.takes_basic,
        )

    @property
    @abc.abstractmethod
    def streams(self) -> StreamProfile | None:
        """The RTSP streams, for the server that stands in for the device's own; None without video."""

    @property
    def takes_basic(self) -> bool:
        """Return whether it still accepts basic authentication."""
        return False

    @property
    def is_up(self) -> bool:
        """Return whether its services are open."""
        return self._up.is_set()

    @abc.abstractmethod
    def services(self, network: Network) -> Iterable[Service]:
        """Return what it offers, in the order of opening. Called at every boot."""

    def attach(self, service: Service) -> None:
        """Add a service that somebody else provides, such as its RTSP server; it opens with the next boot."""
        self._attached.append(service)

    def web(self, site: WebSite, server: str, organisation: str) -> Iterator[Service]:
        """Return its web server: on port 80, and with a certificate of its own on 443 where that is switched on.

        Args:
            site: What it serves.
            server: The `Server` header; empty for none.
            organisation: In the subject of the certificate.
        """
        faults, slow = self.state.faults, self.timings.slow_seconds
        yield HttpService(site, 80, server, faults, slow, self.now)
        if self._setting.https:
            certificate = tls.self_signed(organisation, self.state.serial, self.now())
            yield HttpService(site, tls.PORT, server, faults, slow, self.now, certificate)

    async def run(self, network: Network) -> None:
        """Live until cancelled, rebooting when told to.

        Raises:
            OSError: A port is taken, or the address is not on this machine.
        """
        while True:
            if not self.state.boots or Fault.NEVER_COMES_BACK not in self.state.faults:
                self.boot()
                await self._stay_up(network)
            await asyncio.sleep(self.timings.reboot_seconds)

    @contextlib.asynccontextmanager
    async def serve(self, network: Network) -> AsyncIterator[None]:
        """Run while the block lasts; the services are open when it begins.

        Raises:
            ExceptionGroup: Of an `OSError`: a port is taken, or the address is not on this machine.
        """
        async with asyncio.TaskGroup() as owner:
            life = owner.create_task(self.run(network))
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._up.wait()
                yield
            finally:
                life.cancel()

    async def wait_until_up(self) -> None:
        """Return when its services are open."""
        await self._up.wait()

    def reboot(self) -> None:
        """Go down after the answers under way, and come back `Timings.reboot_seconds` later."""
        self._reboot_ordered.set()

    def begin_flash(self, image: Installed) -> Flash:
        """Write an image; it runs from the first boot after the write is done."""
        breaks = Fault.UPGRADE_FAILS_MIDWAY in self.state.faults
        self.flash = Flash(self._now(), self.timings.flash_seconds, breaks=breaks)
        self.flashes += 1
        self._staged = image
        return self.flash

    def begin_flash_and_reboot(self, image: Installed) -> Flash:
        """Write an image and reboot into it, as devices do that need no order to reboot."""
        flash = self.begin_flash(image)
        asyncio.get_running_loop().call_later(flash.seconds, self.reboot)
        return flash

    @property
    def flash_state(self) -> FlashState | None:
        """Return how the write since the last boot stands."""
        return self.flash.state(self._now()) if self.flash else None

    @property
    def flash_percent(self) -> int:
        """Return how much of the image is written; 0 if none was begun."""
        return self.flash.percent(self._now()) if self.flash else 0

    @property
    def logins(self) -> int:
        """How often somebody tried to log in since it started."""
        return self._access.logins

    def logins_from(self, source: str) -> int:
        """How often somebody at one address tried to log in since the device booted."""
        return self._access.logins_from(source)

    def authorise(self, attempt: Attempt, realm: str) -> Allowed | Denied:
        """Judge a login over HTTP or RTSP. Failures of both count towards the same lock-out."""
        if Fault.LOCKOUT_NOW in self.state.faults:
            return self._access.shut_out(realm)
        return self._access.judge(attempt, realm)

    def authorise_token(self, user: str, source: str, realm: str, *, right: bool) -> Allowed | Denied:
        """Judge a login whose secret another scheme has checked, such as WS-UsernameToken."""
        if Fault.LOCKOUT_NOW in self.state.faults:
            return self._access.shut_out(realm)
        return self._access.judge_secret(user, source, realm, right=right)

    def record_bad_login(self, source: str) -> None:
        """Count a bad login that another service saw."""
        self._access.record_failure(source)

    def now(self) -> datetime:
        """Return the device's own idea of the time, in UTC."""
        if Fault.WRONG_TIME in self.state.faults:
            return datetime.fromtimestamp(self.uptime_seconds, UTC)
        return datetime.fromtimestamp(self._now() + self.state.clock_error_seconds, UTC)

    @property
    def uptime_seconds(self) -> float:
        """Seconds since it booted."""
        return self._now() - self.state.booted_at

    @property
    def has_settled(self) -> bool:
        """Return whether the video encoder runs."""
        return self.uptime_seconds >= self.timings.settle_seconds

    def factory_reset(self) -> None:
        """Forget the passwords: what a reset leaves is an unactivated device."""
        self.state.users.clear()
        self.state.factory_state = True

    def boot(self) -> None:
        """Begin a new boot: run what was staged, take a new boot id, forget who was locked out."""
        if self.flash_state is FlashState.DONE:
            self._install_staged()
        self.flash = self._staged = None
        if self.state.boots and Fault.COMES_BACK_AS_ANOTHER in self.state.faults:
            self.state.serial = _another(self.state.serial)
        if self.state.boots and Fault.COMES_BACK_FACTORY_RESET in self.state.faults:
            self.factory_reset()
        self.state.boots += 1
        self.state.boot_id = str(uuid.uuid4())
        self.state.booted_at = self._now()
        self._access.forget(secrets.token_bytes(16))
        self._reboot_ordered.clear()

    def _install_staged(self) -> None:
        if self._staged is not None and Fault.UPGRADE_CHANGES_NOTHING not in self.state.faults:
            self.state.firmware, self.state.build = self._staged.firmware, self._staged.build

    async def _stay_up(self, network: Network) -> None:
        phone = PhoneHome(self._setting.cloud, self.timings.phone_home_seconds, self._phone_message(), self.calls)
        try:
            async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as opened:
                for service in (*self.services(network), *self._telnet(), *self._attached, phone):
                    await opened.enter_async_context(service.open(network, tasks))
                self._up.set()
                await self._reboot_ordered.wait()
                await asyncio.sleep(self.timings.shutdown_seconds)
                tasks.create_task(_go_down())
        except* _GoDown:
            self._up.clear()

    def _telnet(self) -> Iterator[Service]:
        if Fault.TELNET in self.state.faults:
            yield GreetingService(TELNET_PORT, b"\xff\xfd\x01\r\nlogin: ", self.state.faults)

    def _phone_message(self) -> bytes:
        return f"{self.state.model} {self.state.serial} {self.state.firmware}\n".encode()


async def _go_down() -> None:
    """End the task group this runs in: it ends early only by an exception."""
    raise _GoDown


def _another(serial: str) -> str:
    """Return a serial number of the same form: its last six characters are of another unit."""
    digest = hashlib.sha256(serial.encode()).digest()
    return serial[:-6] + "".join(str(octet % 10) for octet in digest[:6])
