"""Reading cameras: one that is silent, slow or hostile costs the others nothing, and is told of with the reason."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.errors import Malformed
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, SiteId
from bartizan.trust.credentials import Credential
from bartizan.wire import codec, events
from bartizan_agent import app, reads
from bartizan_agent.channels import Told
from bartizan_agent.drivers.contract import Act, Failure, Request, Stream, T
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.reads import Reads
from bartizan_agent.settings import ControllerSettings, Settings
from bartizan_agent.store import open_volatile
from tests.agent.estate import until
from tests.agent.moving_clock import MovingClock
from tests.fakes.memory_firewall import MemoryFirewall

CREDENTIAL = Credential("admin", "secret")
AWAY = Failure(Act.LATER, "timed-out", "no answer in time")
RUBBISH = Failure(Act.NEVER, "rubbish", "not XML")
GOOD = (
    b"<DeviceInfo><model>DS-2CD2143G2-I</model><serialNumber>S1</serialNumber>"
    b"<firmwareVersion>V5.7.18</firmwareVersion></DeviceInfo>"
)


class Segment:
    """Cameras that answer, that do not, and that never finish; and who was asked when."""

    def __init__(self, answers: dict[str, Failure | bytes | None]) -> None:
        self.answers = answers
        """By device; None: it takes the connection and never says a word."""
        self.asked: list[str] = []
        self.open: Counter[str] = Counter()
        self.most_open = 0
        self.most_open_to_one = 0
        self.over = asyncio.Event()
        """Ends the silence of those that never say a word."""

    @contextlib.asynccontextmanager
    async def session(
        self, device: Device, credential: Credential | None, *, restarting: bool
    ) -> AsyncIterator["Session"]:
        assert not restarting
        self.asked.append(device.id)
        self.open[device.id] += 1
        self.most_open = max(self.most_open, self.open.total())
        self.most_open_to_one = max(self.most_open_to_one, self.open[device.id])
        try:
            yield Session(self.answers[device.id], credential, self.over)
        finally:
            self.open[device.id] -= 1


class Session:
    """A `CameraSession` with one answer to everything."""

    host = "192.0.2.1"

    def __init__(self, answer: Failure | bytes | None, credential: Credential | None, over: asyncio.Event) -> None:
        self.answer = answer
        self.credential = credential
        self.over = over

    async def send(self, request: Request[T]) -> T | Failure:
        if self.answer is None:
            await self.over.wait()
        if not isinstance(self.answer, bytes):
            return self.answer or AWAY
        try:
            return request.decode(self.answer)
        except Malformed as error:
            return Failure(Act.NEVER, "rubbish", str(error))

    async def describe_stream(self, path: str) -> Stream | Failure:
        raise NotImplementedError(path)

    def now(self) -> float:
        return 0.0

    def nonce(self) -> bytes:
        return bytes(16)


class Desk:
    """Who is told."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.unread: list[tuple[str, str]] = []

    @property
    def told(self) -> Told:
        return Told(lambda device, _: self._learned(device), lambda _recorder, _channels: None, self._unread)

    def _learned(self, device: DeviceId) -> None:
        if device not in self.read:
            self.read.append(device)

    def _unread(self, device: DeviceId, failure: Failure | None) -> None:
        self.unread.append((device, failure.code if failure else ""))


def device(name: str) -> Device:
    identity = Identity(maker="hikvision", kind=Kind.CAMERA)
    return Device(DeviceId(name), identity, "cam0", addresses=(Address("10.9.0.11"),))


def readable(names: Sequence[str]) -> list[tuple[Device, Credential]]:
    return [(device(name), CREDENTIAL) for name in names]


@contextlib.asynccontextmanager
async def running(reading: Reads) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reading.run())
        yield
        task.cancel()


async def test_silent_cameras_occupy_a_place_each_and_the_others_go_on() -> None:
    """However many wait: three that never say a word leave the fourth place to all others."""
    good = [f"good-{number}" for number in range(20)]
    segment, desk = Segment(dict.fromkeys(["s1", "s2", "s3"]) | dict.fromkeys(good, GOOD)), Desk()
    reading = Reads(segment.session, desk.told, MovingClock(), at_once=4)
    reading.consider(readable(["s1", "s2", "s3", *good]))
    async with running(reading):
        await until(lambda: desk.read == good)

    assert (segment.most_open, segment.most_open_to_one) == (4, 1)


async def test_who_gave_no_answer_comes_last_and_ever_later() -> None:
    """The gateway has one place, and a camera that hangs was the first to be due again."""
    clock, desk = MovingClock(), Desk()
    segment = Segment({"hangs": AWAY, "good": GOOD})
    reading = Reads(segment.session, desk.told, clock, at_once=1)
    reading.consider(readable(["hangs"]))
    async with running(reading):
        await until(lambda: segment.asked == ["hangs"])
        await until(lambda: desk.unread == [("hangs", "timed-out")])
        clock.move(300.0)
        reading.consider(readable(["hangs", "good"]))
        await until(lambda: segment.asked == ["hangs", "good", "hangs"])
        await until(lambda: desk.unread[-1] == ("hangs", "timed-out"))
        clock.move(599.0)
        reading.consider(readable(["hangs", "good"]))
        reading.soon(DeviceId("good"))
        await until(lambda: len(segment.asked) == 4)
        assert segment.asked[-1] == "good"
        clock.move(1.0)
        reading.consider(readable(["hangs", "good"]))
        await until(lambda: segment.asked[-1] == "hangs")


async def test_a_camera_that_takes_too_long_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "ONE_SECONDS", 0.05)
    segment, desk = Segment({"hangs": None}), Desk()
    reading = Reads(segment.session, desk.told, MovingClock())
    reading.consider(readable(["hangs"]))
    async with running(reading):
        await until(lambda: desk.unread == [("hangs", "too-slow")])


async def test_a_fault_of_ours_costs_one_camera_its_turn() -> None:
    class Faulty(Segment):
        def session(  # type: ignore[override]
            self, device: Device, credential: Credential | None, *, restarting: bool
        ) -> contextlib.AbstractAsyncContextManager[Session]:
            if device.id == "odd":
                raise ZeroDivisionError
            return super().session(device, credential, restarting=restarting)

    segment, desk = Faulty({"odd": GOOD, "good": GOOD}), Desk()
    reading = Reads(segment.session, desk.told, MovingClock(), at_once=1)
    reading.consider(readable(["odd", "good"]))
    async with running(reading):
        await until(lambda: desk.unread == [("odd", "internal"), ("good", "")])


async def test_what_changes_while_a_camera_is_asked_is_asked_again() -> None:
    segment, desk = Segment({"a": None}), Desk()
    reading = Reads(segment.session, desk.told, MovingClock())
    reading.consider(readable(["a"]))
    async with running(reading):
        await until(lambda: segment.asked == ["a"])
        reading.soon(DeviceId("a"))
        reading.consider([(device("a"), Credential("admin", "another"))])
        segment.over.set()
        await until(lambda: segment.asked == ["a", "a"])
    assert segment.most_open_to_one == 1


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        pytest.param((AWAY, AWAY, RUBBISH, None, AWAY), ["timed-out", "rubbish", "timed-out"], id="each cause once"),
        pytest.param((None, None), [], id="never any trouble"),
        pytest.param((Failure(Act.CREDENTIALS, "login-refused", "no"),), [], id="told by an event of its own"),
    ],
)
def test_the_operator_is_told_why_a_camera_cannot_be_read(
    tmp_path: Path, failures: tuple[Failure | None, ...], told: list[str]
) -> None:
    settings = Settings(SiteId("school"), ControllerSettings("broker.example", "https://controller.example"), ())
    with closing(open_volatile(app.SCHEMAS)) as connection:
        connection.execute("INSERT INTO roster VALUES (?, ?)", ("a", codec.encode(Known(device("a")))))
        parts = app.build(settings, Places(tmp_path), app.Opened(connection), MemoryFirewall())
        gateway = Gateway(parts)
        for failure in failures:
            gateway.cameras.unread(DeviceId("a"), failure)
            gateway.cameras.unread(DeviceId("nobody knows it"), failure)
        head = parts.outbox.head()

    said = head.events if head else ()
    assert [(event.kind, event.device, event.detail["code"]) for event in said] == [
        (events.CAMERA_NOT_READ, "a", code) for code in told
    ]
    assert all(event.detail["reason"] for event in said)
