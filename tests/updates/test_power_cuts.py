"""The gateway loses power at every single point of an update, in turn, and starts again.

A point is before every statement to the database and before and after everything that changes the camera. Whatever
the point: the camera is never ruined, no image is written over an uncertain one, the journal ends in a named state that
is true of the camera, and its end is told exactly once.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bartizan.firmware.model import Image
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, ImageId, OrderId, RolloutId
from bartizan.trust.orders import Install
from bartizan_agent.images import ImageCache
from bartizan_agent.updates import journal
from bartizan_agent.updates.engine import Settings, Updater
from bartizan_agent.updates.model import Assignment, Limits
from tests.updates.simulated_camera import (
    NEW,
    OLD,
    OpenSimulated,
    PassingClock,
    PowerCut,
    RollingBackDriver,
    SimulatedCamera,
    SimulatedDriver,
)

CONTENT = b"firmware" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()
IMAGE = Image(ImageId(f"sha256:{SHA}"), "sim.img", len(CONTENT), "simulated", ("SIM-1",), NEW)
DEVICE = Device(
    DeviceId("d1"), Identity(maker="simulated", model="SIM-1", serial="S1"), "lo", addresses=(Address("192.0.2.1"),)
)
ASSIGNMENT = Assignment(Install(OrderId("o1"), RolloutId("r1"), DEVICE.id, IMAGE.id), IMAGE, DEVICE)
AT_ONCE = Limits(
    pause=0.0, poll_seconds=0.0, settle_seconds=60.0, commit_pause=0.0, look_again_seconds=0.0, fault_pause=0.0
)
OUTBOX = "CREATE TABLE IF NOT EXISTS told (kind TEXT, code TEXT);"


@dataclass
class Mains:
    """The power, which fails at the `fails_at`th point."""

    fails_at: int
    points: int = 0

    def point(self) -> None:
        self.points += 1
        if self.points == self.fails_at:
            raise PowerCut


def connect(path: Path, point: Callable[[], None]) -> sqlite3.Connection:
    class CutConnection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            point()
            return super().execute(*arguments)

    connection = sqlite3.connect(path, isolation_level=None, factory=CutConnection)
    connection.executescript("PRAGMA synchronous=OFF;" + journal.SCHEMA + OUTBOX)
    return connection


async def live(folder: Path, camera: SimulatedCamera, mains: Mains) -> None:
    """Run one life of the agent: until the update has ended, or the power fails."""
    connection = connect(folder / "store.db", mains.point)
    over = asyncio.Event()

    def emit(kind: str, device: DeviceId, detail: dict[str, str]) -> None:
        connection.execute("INSERT INTO told VALUES (?, ?)", (kind, detail.get("code", "")))
        if kind != "update.step":
            over.set()

    driver = (RollingBackDriver if camera.commits else SimulatedDriver)(mains.point)
    try:
        updater = Updater(
            connection,
            (driver,),
            OpenSimulated({DEVICE.id: camera}),
            ImageCache(folder / "images", "http://127.0.0.1:9", tls=None, limit=1 << 20),
            clock=camera.clock,
            emit=emit,
            settings=Settings(folder / "backups", limits=AT_ONCE),
        )
        updater.assign((ASSIGNMENT,))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(updater.run())
            if updater.updating:
                await over.wait()
            running.cancel()
    finally:
        connection.close()


def live_through(folder: Path, camera: SimulatedCamera, *cuts: int) -> Mains:
    """Run the agent, cutting its power at each of `cuts` in turn; then let it finish."""
    folder.mkdir()
    (folder / "images").mkdir()
    (folder / "images" / SHA).write_bytes(CONTENT)
    for cut in cuts:
        try:
            asyncio.run(live(folder, camera, Mains(cut)))
        except BaseExceptionGroup as group:
            assert group.subgroup(PowerCut), group  # noqa: PT017 - which of the group it is does matter
        except PowerCut:
            pass
    mains = Mains(fails_at=0)
    asyncio.run(live(folder, camera, mains))
    return mains


def ended(folder: Path) -> tuple[str, str]:
    with sqlite3.connect(folder / "store.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM camera_update WHERE end IS NULL").fetchone() == (0,)
        told = connection.execute("SELECT kind, code FROM told WHERE kind != 'update.step'").fetchall()
        ((end, code),) = connection.execute("SELECT end, code FROM camera_update").fetchall()
    connection.close()
    assert [row[1] for row in told] == [code], "the end is told exactly once"
    return end, code


UPDATED = ("succeeded", "succeeded", NEW)
CAMERAS: dict[str, tuple[dict[str, Any], set[tuple[str, str, str]]]] = {
    "plain": ({}, {UPDATED}),
    "commits": ({"commits": True}, {UPDATED}),
    "loses its answer": ({"loses_answer": True}, {UPDATED}),
    # The power may take the first of the two attempts.
    "breaks off half-way": ({"takes": 100}, {UPDATED, ("failed-rolled-back", "not-delivered", OLD)}),
    "refuses": ({"refuses": True}, {("failed-before-write", "image-refused", OLD)}),
    "is sick, and rolls back": (
        {"commits": True, "sick_with": NEW},
        {("failed-rolled-back", "picture-lost", OLD)},
    ),
    "is sick": ({"sick_with": NEW}, {("failed-needs-visit", "picture-lost", NEW)}),
}


@pytest.mark.parametrize("kind", CAMERAS)
def test_power_may_fail_at_any_point(tmp_path: Path, kind: str) -> None:
    facts, ends = CAMERAS[kind]
    uncut = live_through(tmp_path / "uncut", SimulatedCamera(PassingClock(), **facts))
    assert uncut.points > 20

    for cut in range(1, uncut.points + 1):
        camera = SimulatedCamera(PassingClock(), **facts)
        live_through(tmp_path / str(cut), camera, cut)

        assert not camera.bricked, f"cut at {cut}"
        assert camera.whole_images <= 1, f"cut at {cut}: written twice"
        assert camera.log.count("write") <= 2, f"cut at {cut}"
        assert (*ended(tmp_path / str(cut)), camera.firmware) in ends, f"cut at {cut}"


@pytest.mark.parametrize("second", [3, 17, 29, 41])
def test_power_may_fail_again_after_it_came_back(tmp_path: Path, second: int) -> None:
    for cut in range(30, 70, 3):
        camera = SimulatedCamera(PassingClock(), commits=True)
        live_through(tmp_path / str(cut), camera, cut, second)

        assert not camera.bricked, f"cut at {cut} and {second}"
        assert camera.whole_images <= 1, f"cut at {cut} and {second}: written twice"
        assert ended(tmp_path / str(cut)) == ("succeeded", "succeeded")
