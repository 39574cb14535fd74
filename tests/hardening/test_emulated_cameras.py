"""What emulated cameras of each maker tell of their settings, logged in; and the one check for a default password."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bartizan.hardening.rules import assess
from bartizan.identity.model import Device, Evidence, Fact, Identity, Kind
from bartizan.ids import Address, DeviceId
from bartizan.trust.credentials import Credential
from bartizan_agent import camera_http, default_passwords, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.default_passwords import DefaultPasswords
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import CameraState, recognised
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.store import open_store
from bartizan_lab.cameras import Camera, Fault, make
from bartizan_lab.network import HostNetwork
from tests.updates.site import MAKERS, WallClock

SCHEMAS = (login_budget.SCHEMA, camera_http.SCHEMA, default_passwords.SCHEMA)
SECONDS = 30.0


@pytest.fixture
def store(tmp_path: Path) -> sqlite3.Connection:
    return open_store(tmp_path / "store.db", SCHEMAS)


@contextlib.asynccontextmanager
async def living(camera: Camera, number: int) -> AsyncIterator[Device]:
    """A camera at an address of its own, as the inventory knows it."""
    network = HostNetwork(f"127.78.{number}.2")
    identity = Identity(maker=MAKERS[camera.kind], model=camera.state.model, kind=Kind.CAMERA)
    async with camera.serve(network):
        yield Device(DeviceId("camera"), identity, "lo", addresses=(Address(network.address),))


async def settings_of(camera: Camera, number: int, store: sqlite3.Connection) -> tuple[Evidence, ...]:
    """What its driver reads in one session, after one login."""
    async with living(camera, number) as device:
        driver = recognised(DRIVERS, device.identity)
        assert driver is not None
        http = CameraHttp(LoginBudget(store, WallClock().now), store)
        async with http.open(device, Credential(*next(iter(camera.state.users.items())))) as session:
            assert isinstance(await driver.identify(session), CameraState)
            return await driver.settings(session)


@pytest.mark.parametrize(
    ("kind", "failed", "analytics"),
    [
        ("hikvision", {"no-vendor-cloud", "no-upnp", "time-source"}, ("face detection",)),
        ("dahua", {"no-vendor-cloud", "time-source"}, ()),
        ("axis", {"no-upnp"}, ("classes and attributes of people",)),
        ("onvif", {"resolution-1080p"}, ()),
    ],
)
async def test_a_camera_tells_what_is_to_be_mended(
    kind: str, failed: set[str], analytics: tuple[str, ...], store: sqlite3.Connection
) -> None:
    camera = make(kind)
    hardening = assess(await settings_of(camera, 1, store), (), Kind.CAMERA)

    assert set(hardening.failed) == failed
    assert hardening.analytics == analytics
    assert "resolution-1080p" in {*hardening.met, *hardening.failed}
    assert camera.state.meddling == []


@pytest.mark.parametrize("kind", ["hikvision", "dahua"])
async def test_telnet_that_was_switched_on_is_told(kind: str, store: sqlite3.Connection) -> None:
    said = await settings_of(make(kind, faults={Fault.TELNET, Fault.BOOLEANS_ODD}), 2, store)

    assert "no-telnet" in assess(said, (), Kind.CAMERA).failed


@pytest.mark.parametrize("fault", [Fault.XML_BOMB, Fault.RUBBISH, Fault.REDIRECT])
async def test_a_hostile_camera_tells_nothing(fault: Fault, store: sqlite3.Connection) -> None:
    camera = make("hikvision")
    async with living(camera, 3) as device:
        driver = recognised(DRIVERS, device.identity)
        assert driver is not None
        http = CameraHttp(LoginBudget(store, WallClock().now), store)
        camera.state.faults.add(fault)
        async with http.open(device, Credential("admin", "wrong"), restarting=True) as session:
            assert await driver.settings(session) == ()


class Checked:
    """The check of one site, running, and what came of it."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self.learned: list[Evidence] = []
        self.told: list[str] = []
        clock = WallClock()
        http = CameraHttp(LoginBudget(store, clock.now), store)
        self.passwords = DefaultPasswords(
            store, http.open, lambda _, said: self.learned.extend(said), lambda _, it: self.told.append(it), clock
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.passwords.run())
            while not condition():
                await asyncio.sleep(0.01)  # a real camera on the other side gives no signal
            running.cancel()


def logins(store: sqlite3.Connection) -> int:
    return int(store.execute("SELECT count(*) FROM default_password_check").fetchone()[0])


@pytest.mark.parametrize(("password", "outcome"), [("12345", "accepted"), ("its-own-Secret1", "refused")])
async def test_a_default_password_is_tried_once_in_a_device_s_life(
    password: str, outcome: str, store: sqlite3.Connection
) -> None:
    camera = make("hikvision")
    camera.state.users["admin"] = password
    async with living(camera, 4) as device:
        site = Checked(store)
        site.passwords.consider([device], permitted=True)
        await site.until(lambda: site.told)

        again = Checked(store)
        again.passwords.consider([device], permitted=True)

    assert site.told == [outcome]
    assert [(said.fact, said.value) for said in site.learned] == [(Fact.DEFAULT_PASSWORD, outcome)]
    assert logins(store) == 1
    assert not again.passwords._waiting


async def test_without_the_site_s_permission_nothing_is_tried(store: sqlite3.Connection) -> None:
    async with living(make("hikvision"), 5) as device:
        site = Checked(store)
        site.passwords.consider([device], permitted=False)

        assert not site.passwords._waiting


async def test_a_device_that_does_not_answer_keeps_its_attempt(store: sqlite3.Connection) -> None:
    async with living(make("hikvision"), 6) as device:
        pass
    site = Checked(store)
    site.passwords.consider([device], permitted=True)
    await site.until(lambda: not site.passwords._waiting and site.passwords.trying is None and not logins(store))

    assert site.told == []
    assert logins(store) == 0


async def test_a_device_in_factory_state_says_so_and_costs_no_login(store: sqlite3.Connection) -> None:
    camera = make("axis", factory_state=True)
    async with living(camera, 7) as device:
        site = Checked(store)
        site.passwords.consider([device], permitted=True)
        await site.until(lambda: site.learned)

    assert [(said.fact, said.value) for said in site.learned] == [(Fact.FACTORY_STATE, "true")]


async def test_what_cannot_be_written_down_is_not_tried(store: sqlite3.Connection) -> None:
    async with living(make("hikvision"), 8) as device:
        site = Checked(store)
        site.passwords.consider([device], permitted=True)
        store.execute("PRAGMA query_only = ON")
        await site.until(lambda: not site.passwords._waiting)

    assert site.told == []
