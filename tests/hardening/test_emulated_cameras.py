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
from bartizan_agent import camera_certificates, default_passwords, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.default_passwords import DefaultPasswords
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import CameraState, recognised
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.store import open_store
from bartizan_lab.cameras import Camera, Fault, make
from bartizan_lab.network import HostNetwork
from tests.updates.site import MAKERS, WallClock

SCHEMAS = (login_budget.SCHEMA, camera_certificates.SCHEMA, default_passwords.SCHEMA)
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


async def settings_of(
    camera: Camera, number: int, store: sqlite3.Connection, *, reads_identity: bool = True
) -> tuple[Evidence, ...]:
    """What its driver reads in one session, after one login."""
    async with living(camera, number) as device:
        driver = recognised(DRIVERS, device.identity)
        assert driver is not None
        http = CameraHttp(LoginBudget(store, WallClock().now), store)
        async with http.open(device, Credential(*next(iter(camera.state.users.items())))) as session:
            assert not reads_identity or isinstance(await driver.identify(session), CameraState)
            return await driver.settings(session)


@pytest.mark.parametrize(
    ("kind", "failed", "analytics"),
    [
        ("hikvision", {"no-vendor-cloud", "no-upnp", "time-source"}, ("face detection",)),
        ("dahua", {"no-vendor-cloud", "time-source"}, ()),
        ("axis", {"no-upnp"}, ("classes and attributes of people",)),
        ("hanwha", {"time-source"}, ("face detection",)),
        ("uniview", {"no-vendor-cloud"}, ("face detection",)),
        ("lineage-tvt", {"no-vendor-cloud"}, ("face recognition",)),
        ("lineage-xiongmai", set(), ()),
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


@pytest.mark.parametrize("prefers_json", [False, True], ids=["lines", "JSON"])
async def test_a_hanwha_tells_of_its_name_service_and_of_upnp_in_either_form(
    prefers_json: bool,  # noqa: FBT001 - a parameter of the test
    store: sqlite3.Connection,
) -> None:
    camera = make(
        "hanwha",
        prefers_json=prefers_json,
        upnp=True,
        name_service="SamsungDDNS",
        time_servers=(),
        analytics=("FaceRecognition",),
    )
    hardening = assess(await settings_of(camera, 9, store), (), Kind.CAMERA)

    assert set(hardening.failed) == {"no-vendor-cloud", "no-upnp", "time-source"}
    assert hardening.failed["time-source"] == "its clock is set by hand (SUNAPI date)"
    assert hardening.analytics == ("face recognition",)
    assert "resolution-1080p" in hardening.met


@pytest.mark.parametrize(("cloud", "firmware"), [(True, "uniview"), (False, "uniview"), (True, "uniview-old")])
async def test_a_uniview_tells_of_its_cloud_its_clock_and_its_port_mapping(
    cloud: bool,  # noqa: FBT001 - a parameter of the test
    firmware: str,
    store: sqlite3.Connection,
) -> None:
    camera = make(firmware, cloud=cloud, port_mapping=True, time_server="")
    hardening = assess(await settings_of(camera, 10, store), (), Kind.CAMERA)

    assert set(hardening.failed) == {"no-upnp", "time-source"} | ({"no-vendor-cloud"} if cloud else set())
    assert camera.state.meddling == []


async def test_a_tvt_recorder_tells_of_its_cloud_its_clock_and_its_maker_s_firmware(store: sqlite3.Connection) -> None:
    camera = make("lineage-tvt", upnp=True, time_server="", upgrade_type="auto", cloud=False, onvif=False)
    hardening = assess(await settings_of(camera, 11, store, reads_identity=False), (), Kind.RECORDER)

    assert set(hardening.failed) == {"no-upnp", "time-source", "no-vendor-updates"}
    assert "no-vendor-cloud" in hardening.met


async def test_a_password_is_not_handed_to_a_tvt_recorder_that_wants_it_in_clear(store: sqlite3.Connection) -> None:
    camera = make("lineage-tvt", numbered_login=False, onvif=False)

    assert await settings_of(camera, 12, store, reads_identity=False) == ()
    assert camera.state.meddling == []


@pytest.mark.parametrize(
    ("kind", "check"),
    [("hikvision", "no-telnet"), ("dahua", "no-telnet"), ("uniview-old", "no-telnet"), ("uniview", "no-ssh")],
)
async def test_telnet_that_was_switched_on_is_told(kind: str, check: str, store: sqlite3.Connection) -> None:
    """Of newer Univiews, SSH: it took telnet's place in the same switch."""
    said = await settings_of(make(kind, faults={Fault.TELNET, Fault.BOOLEANS_ODD}), 2, store)

    assert check in assess(said, (), Kind.CAMERA).failed


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
