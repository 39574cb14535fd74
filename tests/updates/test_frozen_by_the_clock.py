"""Nothing is flashed while the gateway's clock is behind, or far ahead: nobody could tell whether a window is open."""

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.identity.model import Device
from bartizan.ids import DeviceId, SiteId
from bartizan.trust.credentials import Credential
from bartizan_agent import app
from bartizan_agent.assignments import Assigned
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.clock import GatewayClock
from bartizan_agent.gateway import Gateway
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Settings
from bartizan_agent.store import open_volatile
from bartizan_agent.updates.engine import Updater
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import NOW, Estate, policy, write_unsynced
from tests.updates.test_updater import SimulatedSite, running, until

YEAR = 365 * 86400.0
BEHIND = "the gateway's clock is behind, so that nobody can tell whether a window is open"
SETTINGS = Settings(SiteId("school"), ControllerSettings("broker.example", "https://controller.example"), ())


class Work:
    """`CameraWork` whose cameras are simulated, and frozen and thawed as the gateway says."""

    def __init__(self, updater: Updater) -> None:
        self.updater = updater

    async def run(self) -> None:
        """The test does that."""

    def assign(self, assigned: Assigned, *, frozen_because: str) -> None:
        """As `Cameras` does, but for the assignments: the test makes them."""
        assert not assigned.assignments
        if frozen_because:
            self.updater.freeze(frozen_because)
        else:
            self.updater.thaw()

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Nothing is read."""

    def check_default_passwords(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """None is tried."""

    def seen_alive(self, device: DeviceId) -> None:
        """Nobody is lost."""


class Machine:
    """A gateway with a clock that a test sets."""

    def __init__(self, folder: Path, wall: float = NOW) -> None:
        self.wall = wall
        self.monotonic = 1000.0
        self._places = Places(folder / "gateway")
        self._folder = folder
        (folder / "site").mkdir()
        self.site = SimulatedSite(folder / "site")
        self.updater = self.site.updater()

    def start(self) -> Iterator[Gateway]:
        """Start a gateway that has a catalogue and has just looked at its clock."""
        estate = Estate.found(self._folder / "estate")
        estate.publish_policy(policy())
        keep_first_root(self._places.catalogue, estate.repository.first_root(), write_unsynced)
        clock = GatewayClock(self._places.clock, lambda: self.wall, lambda: self.monotonic)
        work = Work(self.updater)
        with closing(open_volatile(app.SCHEMAS)) as connection, closing(self.site.connection):
            parts = app.build(SETTINGS, self._places, app.Opened(connection), MemoryFirewall())
            parts = dataclasses.replace(parts, clock=clock, cameras=lambda _: work, updates_unfinished=True)
            assert parts.last_good.accept_catalogue(estate.all_files(), NOW)
            gateway = Gateway(parts)
            gateway.reconcile()
            gateway.count()
            yield gateway


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def gateway(machine: Machine) -> Iterator[Gateway]:
    yield from machine.start()


@pytest.mark.parametrize(
    ("off", "why"),
    [
        pytest.param(-2 * 60.0, BEHIND, id="minutes behind"),
        pytest.param(-10 * YEAR, BEHIND, id="years behind"),
        pytest.param(10 * YEAR, "the catalogue has expired", id="years ahead"),
    ],
)
async def test_nothing_is_flashed_until_the_clock_is_right(
    machine: Machine, gateway: Gateway, off: float, why: str
) -> None:
    """The update waits and says why, and goes on by itself; a clock once wrong leaves nothing behind."""
    site = machine.site
    machine.wall = NOW + off
    looked_again(gateway)
    async with running(machine.updater):
        machine.updater.assign((site.assignment("a"),))
        await until(lambda: why in site.notes("a"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert site.cameras["a"].log == []
        machine.wall = NOW
        looked_again(gateway)
        await until(lambda: not machine.updater.updating)

    assert site.codes() == {"a": "succeeded"}


def looked_again(gateway: Gateway) -> None:
    """Look at the clock, as the gateway does with every reading of the counters, and do what follows."""
    gateway.count()
    gateway.reconcile()
