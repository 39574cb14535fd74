"""The updater over a simulated site: which camera may go down when, and what is never begun."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bartizan.firmware.model import Image
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, ImageId, OrderId, RolloutId
from bartizan.trust.orders import Install
from bartizan_agent.images import ImageCache
from bartizan_agent.store import open_store
from bartizan_agent.updates import journal
from bartizan_agent.updates.engine import Settings, Updater
from bartizan_agent.updates.model import Assignment, Limits
from tests.updates.simulated_camera import (
    NEW,
    OpenSimulated,
    PassingClock,
    SimulatedCamera,
    SimulatedDriver,
)

CONTENT = b"firmware" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()
IMAGE = Image(ImageId(f"sha256:{SHA}"), "sim.img", len(CONTENT), "simulated", ("SIM-1",), NEW)
HURRIED = Limits(
    pause=0.0, poll_seconds=0.0, settle_seconds=60.0, commit_pause=0.0, look_again_seconds=0.0, fault_pause=0.0
)


@dataclass
class SimulatedSite:
    """Cameras by name on one site, in memory, and what was told of them."""

    folder: Path
    clock: PassingClock = field(default_factory=lambda: PassingClock(0.2))
    cameras: dict[str, SimulatedCamera] = field(default_factory=dict)
    told: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    down_together: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        (self.folder / "images").mkdir()
        (self.folder / "images" / SHA).write_bytes(CONTENT)
        self.connection = open_store(self.folder / "store.db", [journal.SCHEMA])

    def updater(self, *, at_once: int = 8, hold: Callable[[], str] = lambda: "") -> Updater:
        """Return a new life of the agent."""
        return Updater(
            self.connection,
            (SimulatedDriver(self.look),),
            OpenSimulated(self.cameras),
            ImageCache(self.folder / "images", "http://127.0.0.1:9", tls=None, limit=1 << 20),
            clock=self.clock,
            emit=lambda kind, device, detail: self.told.append((kind, device, detail)),
            settings=Settings(self.folder / "backups", at_once=at_once, limits=HURRIED),
            hold=hold,
        )

    def assignment(
        self, name: str, *, image: Image = IMAGE, attempt: int = 1, tags: tuple[str, ...] = (), **window: float
    ) -> Assignment:
        self.cameras.setdefault(name, SimulatedCamera(self.clock))
        identity = Identity(maker="simulated", model="SIM-1", serial="S1")
        device = Device(DeviceId(name), identity, "lo", addresses=(Address("192.0.2.1"),))
        install = Install(OrderId("order"), RolloutId("r1"), device.id, image.id, attempt=attempt)
        return Assignment(msgspec.structs.replace(install, **window), image, device, tags=tags)

    def look(self) -> None:
        """Note which cameras are down together."""
        self.down_together.add(
            frozenset(name for name, camera in self.cameras.items() if camera.flashing or not camera.is_up())
        )

    def codes(self) -> dict[str, str]:
        return {device: detail["code"] for kind, device, detail in self.told if kind != "update.step"}

    def notes(self, name: str) -> list[str]:
        return [detail["note"] for kind, device, detail in self.told if device == name and kind == "update.step"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimulatedSite]:
    site = SimulatedSite(tmp_path)
    yield site
    site.connection.close()


@contextlib.asynccontextmanager
async def running(updater: Updater) -> AsyncIterator[None]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(updater.run())
        yield
        task.cancel()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def carry_out(updater: Updater, *assignments: Assignment) -> None:
    """Run until nothing is left to do."""
    async with running(updater):
        updater.assign(assignments)
        await until(lambda: not updater.updating)


async def test_no_more_cameras_are_down_than_allowed(site: SimulatedSite) -> None:
    names = [f"camera-{number}" for number in range(9)]
    await carry_out(site.updater(at_once=3), *map(site.assignment, names))

    assert site.codes() == dict.fromkeys(names, "succeeded")
    assert max(map(len, site.down_together)) == 3


async def test_two_cameras_of_one_view_are_never_down_together(site: SimulatedSite) -> None:
    await carry_out(
        site.updater(),
        site.assignment("left", tags=("covers:gate", "floor:0")),
        site.assignment("right", tags=("covers:gate", "covers:yard")),
        site.assignment("yard", tags=("covers:yard", "floor:0")),
        site.assignment("roof", tags=("floor:0",)),
    )

    assert set(site.codes().values()) == {"succeeded"}
    for together in site.down_together:
        assert not {"left", "right"} <= together
        assert not {"right", "yard"} <= together
    assert "left covers gate as well, and is down" in site.notes("right")


async def test_a_view_whose_camera_was_lost_loses_no_second_one(site: SimulatedSite) -> None:
    lost = site.assignment("left", tags=("covers:gate",))
    other = site.assignment("right", tags=("covers:gate",))
    site.cameras["left"].sick_with = NEW
    await carry_out(site.updater(), lost)
    assert site.codes() == {"left": "picture-lost"}

    updater = site.updater()
    async with running(updater):
        updater.assign((lost, other))
        await until(lambda: "left covers gate as well, and is down" in site.notes("right"))
        updater.seen_alive(DeviceId("left"))
        await until(lambda: not updater.updating)
    assert site.codes()["right"] == "succeeded"


async def test_a_frozen_catalogue_begins_nothing_and_finishes_what_is_begun(site: SimulatedSite) -> None:
    updater = site.updater(at_once=1)
    async with running(updater):
        updater.assign((site.assignment("a"), site.assignment("b")))
        await until(lambda: any(camera.log for camera in site.cameras.values()))
        updater.freeze("the catalogue has expired")
        await until(lambda: len(site.codes()) == 1)
        (done,) = site.codes()
        (left,) = {"a", "b"} - {done}
        await until(lambda: "the catalogue has expired" in site.notes(left))
        assert site.cameras[left].log == []
        updater.thaw()
        await until(lambda: not updater.updating)
    assert site.codes() == {"a": "succeeded", "b": "succeeded"}


async def test_what_nobody_has_noticed_yet_holds_at_the_last_moment(site: SimulatedSite) -> None:
    """Such as a clock that was set back since the gateway looked at it."""
    reasons = ["the clock is behind"]
    updater = site.updater(hold=lambda: "".join(reasons))
    async with running(updater):
        updater.assign((site.assignment("a"),))
        await until(lambda: "the clock is behind" in site.notes("a"))
        assert site.cameras["a"].log == []
        reasons.clear()
        await until(lambda: not updater.updating)
    assert site.codes() == {"a": "succeeded"}


async def test_assigning_the_same_again_changes_nothing(site: SimulatedSite) -> None:
    assignment = site.assignment("a")
    updater = site.updater()
    await carry_out(updater, assignment)
    await carry_out(updater, assignment)
    await carry_out(site.updater(), assignment)

    assert site.cameras["a"].log == ["write"]
    assert len([kind for kind, _, _ in site.told if kind == "update.succeeded"]) == 1


async def test_what_is_taken_back_before_writing_is_not_written(site: SimulatedSite) -> None:
    updater = site.updater()
    async with running(updater):
        updater.assign((site.assignment("a", not_before=site.clock.seconds + 1e6),))
        await until(lambda: "its window has not begun" in site.notes("a"))
        updater.assign(())
        await until(lambda: not updater.updating)
    assert site.codes() == {"a": "withdrawn"}
    assert site.cameras["a"].log == []


async def test_what_is_taken_back_after_writing_is_carried_to_its_end(site: SimulatedSite) -> None:
    updater = site.updater()
    async with running(updater):
        updater.assign((site.assignment("a"),))
        await until(lambda: site.cameras["a"].log)
        updater.assign(())
        await until(lambda: not updater.updating)
    assert site.codes() == {"a": "succeeded"}


async def test_an_image_recalled_while_it_waits_is_not_written(site: SimulatedSite) -> None:
    updater = site.updater()
    async with running(updater):
        updater.assign((site.assignment("a", not_before=site.clock.seconds + 1e6),))
        await until(lambda: "its window has not begun" in site.notes("a"))
        updater.assign((site.assignment("a", image=msgspec.structs.replace(IMAGE, recalled=True)),))
        await until(lambda: not updater.updating)
    assert site.codes() == {"a": "recalled"}


async def test_a_window_that_cannot_hold_the_worst_case_is_not_used(site: SimulatedSite) -> None:
    await carry_out(site.updater(), site.assignment("a", not_after=site.clock.seconds + 119.0))

    assert site.codes() == {"a": "window-over"}
    assert site.cameras["a"].log == []


async def test_an_image_that_failed_on_a_camera_is_not_tried_there_again(site: SimulatedSite) -> None:
    updater = site.updater()
    site.assignment("a")
    site.cameras["a"].refuses = True
    await carry_out(updater, site.assignment("a"))
    await carry_out(updater, site.assignment("a", attempt=2))

    assert site.codes() == {"a": "known-failure"}
    assert site.cameras["a"].log == ["write"]


async def test_a_failure_that_may_pass_is_tried_again_in_the_next_attempt(site: SimulatedSite) -> None:
    updater = site.updater()
    await carry_out(updater, site.assignment("a", not_after=site.clock.seconds + 1.0))
    await carry_out(updater, site.assignment("a", attempt=2))

    assert site.codes() == {"a": "succeeded"}


async def test_a_clock_that_is_set_back_by_years_does_not_leave_an_update_waiting_as_long(site: SimulatedSite) -> None:
    image = site.folder / "images" / SHA
    image.rename(site.folder / "away")
    right = site.clock.seconds
    site.clock.seconds += 5 * 365 * 86400.0
    async with running(updater := site.updater()):
        updater.assign((site.assignment("a"),))
        await until(lambda: site.notes("a"))
    (site.folder / "away").rename(image)
    site.clock.seconds = right
    await carry_out(site.updater(), site.assignment("a"))

    assert site.codes() == {"a": "succeeded"}


async def test_a_model_that_nobody_knows_is_refused_at_once(site: SimulatedSite) -> None:
    known = site.assignment("a")
    identity = msgspec.structs.replace(known.device.identity, model="SIM-9")
    unknown = msgspec.structs.replace(known, device=msgspec.structs.replace(known.device, identity=identity))
    await carry_out(site.updater(), unknown)

    assert site.codes() == {"a": "no-driver"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"models": ("SIM-2", "SIM-3")}, "the image is not for SIM-1, but for SIM-2, SIM-3"),
        ({"maker": "another"}, "the image is for another, the device was made by simulated"),
        ({"platforms": ("G9",)}, "the device's platform is unknown, and the image is for G9"),
    ],
)
async def test_an_image_for_other_cameras_is_not_even_offered(
    site: SimulatedSite, change: dict[str, Any], reason: str
) -> None:
    """Whoever ordered it: the gateway looks for itself, and the operator is told what is wrong."""
    wrong = msgspec.structs.replace(IMAGE, **change)
    await carry_out(site.updater(), site.assignment("a", image=wrong), site.assignment("b"))

    assert site.codes() == {"a": "not-suitable", "b": "succeeded"}
    assert [reason in detail["reason"] for _, device, detail in site.told if "reason" in detail and device == "a"] == [
        True
    ]
    assert site.cameras["a"].log == []


async def test_an_image_for_another_model_is_not_taken_for_installed(site: SimulatedSite) -> None:
    """Models have versions of the same name: nobody may count this one as patched."""
    wrong = site.assignment("a", image=msgspec.structs.replace(IMAGE, models=("SIM-2",)))
    site.cameras["a"].firmware = NEW
    await carry_out(site.updater(), wrong)

    assert site.codes() == {"a": "not-suitable"}


async def test_a_camera_that_is_not_the_one_ordered_is_refused(site: SimulatedSite) -> None:
    ordered = site.assignment("a")
    identity = msgspec.structs.replace(ordered.device.identity, serial="S7")
    other = msgspec.structs.replace(ordered, device=msgspec.structs.replace(ordered.device, identity=identity))
    await carry_out(site.updater(), other)

    assert site.codes() == {"a": "not-suitable"}
    assert site.cameras["a"].log == []


async def test_a_fault_in_one_update_does_not_stop_the_others(site: SimulatedSite) -> None:
    faulty, sound = site.assignment("faulty"), site.assignment("sound")
    del site.cameras["faulty"]
    updater = site.updater()
    async with running(updater):
        updater.assign((faulty, sound))
        await until(lambda: len(site.codes()) == 2)
    assert site.codes() == {"faulty": "interrupted", "sound": "succeeded"}
