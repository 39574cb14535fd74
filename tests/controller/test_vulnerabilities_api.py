"""What devices are vulnerable to, asked of a controller whose catalogue holds the advisories that are shipped."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from bartizan.firmware.match import exposure, findings
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.access import Role
from bartizan_controller.directory import Folder
from bartizan_controller.initialise import Plan, initialise
from bartizan_controller.store import reported
from bartizan_lab import generate
from tests.controller.gateway import Gateway, report
from tests.controller.running import LOOPBACK, ORGANISATION, Running, run

pytestmark = pytest.mark.asyncio(loop_scope="module")
POLICIES = Path(__file__).parents[2] / "policies"
COUNCIL, NORTH, SOUTH = OrganisationId(ORGANISATION), SiteId("north"), SiteId("south")
PANORAMA = Identity(maker="hikvision", kind=Kind.CAMERA, model="DS-2CD2042F-I", firmware="V5.4.0 build 160401")
FIXED = Identity(maker="hikvision", kind=Kind.CAMERA, model="DS-2CD2143G2-I", firmware="V5.7.18 build 240826")
REBADGED = Identity(
    maker="dahua",
    brand="Amcrest",
    lineage="badge Amcrest; Dahua by firmware infix AC",
    kind=Kind.CAMERA,
    model="IP8M-2496EW",
    firmware="2.622.00AC000.0.R",
    build_date="2019-11-04",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(new_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    base = tmp_path_factory.mktemp("vulnerable")
    folder = Folder(base / "controller")
    config = msgspec.structs.replace(LOOPBACK, database=new_database)
    initialise(Plan(folder, base / "offline", config, ORGANISATION, data=POLICIES), now=time.time())
    async with run(folder, config) as one:
        async with one.caller(Role.ADMIN) as admin:
            await admin.post("organisations", json={"id": "school"})
            for name, owner in ((NORTH, ORGANISATION), (SOUTH, "school")):
                (await admin.post("sites", json={"id": name, "organisation": owner})).raise_for_status()
        take(one, NORTH, {"serial:1": PANORAMA, "serial:2": FIXED, "serial:3": REBADGED})
        take(one, SOUTH, {"serial:4": PANORAMA})
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with running.caller(Role.VIEWER) as client:
        yield client


def take(running: Running, site: SiteId, found: dict[str, Identity]) -> None:
    """Take in what a gateway reports: each device judged, as gateways do it, by the same catalogue."""
    said = report(Gateway(site, Path()), tuple(judged(running, name, each) for name, each in found.items()))
    seen = inventory.join(said.devices, said.posture)
    running.parts.database.change(lambda c: reported.replace(c, site, COUNCIL, seen, now=1.0))


def judged(running: Running, name: str, identity: Identity) -> Device:
    open_to = exposure(findings(identity, running.parts.publication.catalogue.advisories))
    return Device(
        id=DeviceId(name),
        identity=identity,
        interface="cam0",
        vulnerabilities=open_to.vulnerabilities,
        undecided=open_to.undecided,
    )


async def found_of(client: httpx.AsyncClient, device: str) -> dict[str, dict[str, Any]]:
    answer = (await client.get(f"sites/north/devices/{device}/findings")).raise_for_status().json()
    return {each["advisory"]: each for each in answer["findings"]}


async def test_every_verdict_comes_with_rule_reason_grade_and_dates(viewer: httpx.AsyncClient) -> None:
    found = await found_of(viewer, "serial:1")
    panorama = found["CVE-2017-7921"]

    assert list(found)[:2] == ["CVE-2021-36260", "CVE-2017-7921"]
    assert (panorama["standing"], panorama["grade"], panorama["cvss"]) == ("vulnerable", "V", 10.0)
    assert (panorama["known_exploited_since"], panorama["due"]) == ("2026-03-05", "2026-03-26")
    assert panorama["rule"].startswith("DS-2CD2xx2F-I from V5.2.0 build 140721 up to V5.4.0 build 160530")
    assert "not newer than V5.4.0 build 160530" in panorama["because"]
    assert panorama["source"].startswith("CISA ICSA-17-124-01")
    assert found["CVE-2024-29947"]["standing"] == "not-affected"


async def test_a_fixed_device_and_one_under_another_badge(viewer: httpx.AsyncClient) -> None:
    assert (await found_of(viewer, "serial:2"))["CVE-2021-36260"]["standing"] == "fixed"
    rebadged = (await found_of(viewer, "serial:3"))["CVE-2021-33044"]
    assert (rebadged["standing"], rebadged["inferred"]) == ("unknown", True)


async def test_it_says_by_which_catalogue(running: Running, viewer: httpx.AsyncClient) -> None:
    answer = (await viewer.get("sites/north/devices/serial:1/findings")).json()

    assert answer["catalogue"] == running.parts.publication.versions


async def test_a_device_that_is_not_there_has_no_findings(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("sites/north/devices/serial:9/findings")).status_code == 404


async def test_devices_are_counted_by_advisory_and_the_due_ones_can_be_asked_for(viewer: httpx.AsyncClient) -> None:
    open_to = (await viewer.get("advisories", params={"open_to": True})).json()
    due = (await viewer.get("advisories", params={"open_to": True, "due_before": "2022-02-01"})).json()

    assert [(each["advisory"], each["devices"]) for each in open_to] == [
        ("CVE-2017-7921", 2),
        ("CVE-2021-36260", 2),
        ("CVE-2017-7923", 2),
    ]
    assert [(each["advisory"], each["due"]) for each in due] == [("CVE-2021-36260", "2022-01-24")]
    assert len((await viewer.get("advisories")).json()) == len(generate.advisories())
    assert {each["known_exploited_since"] for each in (await viewer.get("advisories?exploited=false")).json()} == {""}
    assert (await viewer.get("advisories?due_before=soon")).status_code == 400


async def test_devices_of_other_organisations_are_not_counted(running: Running) -> None:
    async with running.caller(Role.VIEWER, organisation="school") as client:
        counted = {each["advisory"]: each["devices"] for each in (await client.get("advisories")).json()}
        assert (await client.get("sites/north/devices/serial:1/findings")).status_code == 404

    assert counted["CVE-2017-7921"] == 1
