# ruff: noqa: ARG002 - a driver's methods have the arguments of the contract, whether they need them or not
"""A camera in memory, with flash memory that can be ruined, and a driver that speaks to it.

Nothing here sleeps: time passes by being asked for.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from bartizan.identity.model import Device
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers.contract import (
    Act,
    Activity,
    CameraSession,
    CameraState,
    Driver,
    Failure,
    ImageFile,
    Picture,
    Progress,
    Request,
    Stream,
    T,
)
from bartizan_agent.drivers.family import Family, Upload

OLD, NEW = "1.0.0", "2.0.0"
FLASH_SECONDS = 20.0
RESTART_SECONDS = 30.0


class PowerCut(BaseException):
    """The gateway loses power. Nothing may catch it."""


class PassingClock:
    """A clock that moves on whenever it is looked at."""

    def __init__(self, step_seconds: float = 5.0) -> None:
        self.seconds = 1_800_000_000.0
        self._step_seconds = step_seconds

    def now(self) -> float:
        self.seconds += self._step_seconds
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class SimulatedCamera:
    """What is screwed to the wall."""

    clock: PassingClock
    commits: bool = False
    """It keeps a new image only when told to, and has the old one still."""
    refuses: bool = False
    sick_with: str = ""
    """The version with which its picture is lost."""
    loses_answer: bool = False
    """The connection breaks off once it has the whole image."""
    takes: int = 1 << 30
    """Octets after which the connection breaks off, once."""
    firmware: str = OLD
    committed: bool = True
    boot: int = 1
    flashing: str = ""
    ready_at: float = 0.0
    up_at: float = 0.0
    whole_images: int = 0
    bricked: bool = False
    log: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Let happen what the time has come for."""
        if self.flashing and self.clock.seconds >= self.ready_at:
            self.firmware, self.flashing = self.flashing, ""
            self.committed = not self.commits
            self.restart()

    def restart(self) -> None:
        self.boot += 1
        self.up_at = self.clock.seconds + RESTART_SECONDS

    def is_up(self) -> bool:
        self.settle()
        return not self.bricked and self.clock.seconds >= self.up_at

    def receive(self, octets: int) -> Failure | None:
        self.settle()
        self.log.append("write")
        if self.flashing:
            self.bricked = True  # two writers on one flash memory
        if self.refuses:
            return Failure(Act.NEVER, "image-refused", "not for me", octets_sent=octets)
        if octets > self.takes:
            partial, self.takes = self.takes, 1 << 30
            return Failure(Act.LATER, "broken-off", "broken off", octets_sent=partial)
        self.whole_images += 1
        self.flashing, self.ready_at = NEW, self.clock.seconds + FLASH_SECONDS
        if self.loses_answer:
            return Failure(Act.LATER, "broken-off", "broken off", octets_sent=octets)
        return None

    def commit(self) -> None:
        self.log.append("commit")
        self.committed = True

    def roll_back(self) -> None:
        self.log.append("roll-back")
        self.firmware, self.committed = OLD, True
        self.restart()

    def state(self) -> CameraState:
        sick = self.firmware == self.sick_with
        return CameraState(
            serial="S1",
            model="SIM-1",
            firmware=self.firmware,
            boot=str(self.boot),
            stream=Stream("H264"),
            picture=None if sick else Picture(1920, 1080),
            uncommitted=not self.committed,
        )


class SimulatedSession:
    """A session that leads to one camera. The driver below looks through it."""

    host = "192.0.2.1"
    credential: Credential | None = None

    def __init__(self, camera: SimulatedCamera) -> None:
        self.camera = camera

    async def send(self, request: Request[T]) -> T | Failure:
        raise NotImplementedError(request.path)

    async def describe_stream(self, path: str) -> Stream | Failure:
        raise NotImplementedError(path)

    def now(self) -> float:
        return self.camera.clock.now()

    def nonce(self) -> bytes:
        return bytes(16)


class SimulatedDriver(Driver):
    """Speaks to whichever `SimulatedCamera` the session leads to.

    `cut` is called before and after everything that changes a camera.
    """

    name = "simulated"
    makers = ("simulated",)
    families = (
        Family("fixed", ("SIM-1",), Upload.POST_RAW, worst_case_seconds=120.0, upload_seconds=60.0, source="simulated"),
    )

    def __init__(self, cut: Callable[[], None] = lambda: None) -> None:
        self._cut = cut

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        return await self.read_state(session)

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        camera = _camera(session)
        return camera.state() if camera.is_up() else _AWAY

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        return b"configuration"

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        return self._change(session, lambda camera: camera.receive(image.length))

    async def progress(self, session: CameraSession) -> Progress | Failure:
        camera = _camera(session)
        if not camera.is_up():
            return _AWAY
        return Progress(Activity.WORKING if camera.flashing else Activity.IDLE)

    async def commit(self, session: CameraSession) -> Failure | None:
        return self._change(session, SimulatedCamera.commit)

    async def roll_back(self, session: CameraSession) -> Failure | None:
        return self._change(session, SimulatedCamera.roll_back)

    def _change(self, session: CameraSession, change: Callable[[SimulatedCamera], Failure | None]) -> Failure | None:
        camera = _camera(session)
        if not camera.is_up():
            return _AWAY
        self._cut()
        failure = change(camera)
        self._cut()
        return failure


class RollingBackDriver(SimulatedDriver):
    """For cameras with two slots."""

    families = (
        Family(
            "two slots",
            ("SIM-1",),
            Upload.POST_RAW,
            worst_case_seconds=120.0,
            upload_seconds=60.0,
            source="simulated",
            rolls_back=True,
            rolls_back_by_itself_seconds=300.0,
        ),
    )


class OpenSimulated:
    """Opens sessions with the cameras of a site, by device."""

    def __init__(self, cameras: Mapping[str, SimulatedCamera]) -> None:
        self._cameras = cameras

    @contextlib.asynccontextmanager
    async def __call__(
        self, device: Device, credential: Credential | None, *, restarting: bool
    ) -> AsyncIterator[CameraSession]:
        yield SimulatedSession(self._cameras[device.id])


def _camera(session: CameraSession) -> SimulatedCamera:
    assert isinstance(session, SimulatedSession)
    return session.camera


_AWAY = Failure(Act.LATER, "no-answer", "no connection")
