"""The inventory over HTTP: who sees which part of it, and what is refused rather than ignored."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from bartizan.identity.model import Device
from bartizan.ids import BootId, OrganisationId, SiteId
from bartizan_controller import inventory
from bartizan_controller.access import Role
from bartizan_controller.config import Config
from bartizan_controller.store import reported
from tests.controller.gateway import Gateway, device, report
from tests.controller.running import Running, copy_of, run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """Two organisations with a site each, and a device at each."""
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("api") / "controller"), configured) as one:
        async with one.caller(Role.ADMIN) as admin:
            for organisation, number in (("trust", 1), ("school", 2)):
                await admin.post("organisations", json={"id": organisation})
                await admin.post("sites", json={"id": f"{organisation}-gate", "organisation": organisation})
                take(one, organisation, device(number, firmware="5.5.0"), now=100.0)
                take(one, organisation, device(number, firmware="5.5.89"), now=200.0)
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def trust(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the trust."""
    async with running.caller(Role.ESTATES, organisation="trust") as client:
        yield client


def take(running: Running, organisation: str, found: Device, *, now: float) -> None:
    """Take in a report of the one device at an organisation's gate."""
    site = SiteId(f"{organisation}-gate")
    said = report(Gateway(site, Path(), BootId("b")), (found,))
    seen = inventory.join(said.devices, said.posture)
    running.parts.database.change(lambda c: reported.replace(c, site, OrganisationId(organisation), seen, now=now))


async def test_nobody_sees_devices_of_another_organisation(trust: httpx.AsyncClient) -> None:
    """In lists, totals, differences and history; what they may not see does not exist for them."""
    listed = (await trust.get("devices")).json()
    assert [each["site"] for each in listed["items"]] == ["trust-gate"]
    assert (await trust.get("devices", params={"organisation": "school"})).status_code == 404
    for by, expected in (("site", "trust-gate"), ("organisation", "trust")):
        totals = (await trust.get("totals", params={"by": by})).json()
        assert totals == {"by": by, "devices": 1, "items": [{"value": expected, "devices": 1}]}
    assert (await trust.get("totals", params={"by": "maker", "site": "school-gate"})).status_code == 404
    differences = (await trust.get("differences", params={"since": "1970-01-01T00:02:30Z"})).json()
    assert [each["site"] for each in differences["items"]] == ["trust-gate"]
    assert (await trust.get("sites/trust-gate/devices/serial:0001/history")).status_code == 200
    assert (await trust.get("sites/school-gate/devices/serial:0002/history")).status_code == 404
    assert (await trust.get("sites/trust-gate/devices/serial:0001/attempts")).json()["outcome"] == "not-measured"
    assert (await trust.get("sites/school-gate/devices/serial:0002/attempts")).status_code == 404
    assert (await trust.get("sites/trust-gate/devices/serial:0001/attempts", params={"to": "x"})).status_code == 400


async def test_a_view_is_its_organisations(running: Running, trust: httpx.AsyncClient) -> None:
    """Another organisation neither sees nor deletes it, and may have one of the same name."""
    assert (await trust.put("views/cameras", json={"kind": ["camera"]})).status_code == 200
    async with running.caller(Role.SOC, organisation="school") as school, running.caller(Role.ADMIN) as admin:
        assert (await school.get("views")).json() == []
        assert (await school.get("views/cameras")).status_code == 404
        assert (await school.delete("views/cameras")).status_code == 404
        assert (await school.get("devices", params={"view": "cameras"})).status_code == 404
        assert (await school.put("views/cameras", json={"kind": ["recorder"]})).status_code == 200
        assert (await school.get("devices", params={"view": "cameras"})).json()["items"] == []
        everyones = (await admin.get("views")).json()
        assert [(each["name"], each["organisation"]) for each in everyones] == [
            ("cameras", "school"),
            ("cameras", "trust"),
        ]
    assert [each["site"] for each in (await trust.get("devices", params={"view": "cameras"})).json()["items"]] == [
        "trust-gate"
    ]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("devices?makr=axis", 400, "did you mean 'maker'? (known: where, site, organisation, maker"),
        ("devices?after=x", 400, "begin again without it"),
        ("devices?sort=colour", 400, "sort by one of"),
        ("devices?where=colour:%20red", 422, "there is no fact 'colour'"),
        ("devices?where=%5B", 422, "this is no YAML"),
        ("devices?jurisdiction=china", 422, "two capital letters"),
        ("devices?view=none", 404, "bartizan view list"),
        ("totals?by=colour", 400, "by"),
        ("differences?since=2026-03-02&until=2026-03-01", 400, "must be before"),
        ("differences?since=spring", 400, "write 2024-01-31"),
        ("sites/trust-gate/devices/x/history?on=2026-03-01", 400, "no parameter 'on'"),
    ],
)
async def test_what_is_not_understood_is_refused_not_ignored(
    trust: httpx.AsyncClient, path: str, status: int, told: str
) -> None:
    response = await trust.get(path)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert told in response.json()["detail"]


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        (Role.VIEWER, "PUT", "views/mine", {"lost": True}),
        (Role.APPROVER, "DELETE", "views/cameras", None),
        (Role.ESTATES, "POST", "totals/recount", {"repair": True}),
        (Role.SOC, "POST", "assets/mine?format=csv", None),
        (Role.VIEWER, "DELETE", "assets/mine", None),
    ],
)
async def test_a_role_cannot_do_what_is_another_roles(
    running: Running, role: Role, method: str, path: str, body: object
) -> None:
    async with running.caller(role) as client:
        response = await client.request(method, path, json=body)

    assert response.status_code == 403


LIST = """site,name,serial,address
trust-gate,gate,ds-0001,
trust-gate,lobby,ds-0009,192.0.2.9
"""


async def test_a_list_is_taken_whole_and_compared(running: Running, trust: httpx.AsyncClient) -> None:
    """What was expected and found, missing, and not expected; a faulty list changes nothing."""
    how = {"format": "csv"}
    tried = (await trust.post("assets/register", params={**how, "dry_run": "true"}, content=LIST)).json()
    assert (tried["assets"], tried["added"], tried["dry_run"]) == (2, 2, True)
    assert (await trust.get("assets")).json() == []
    assert (await trust.get("reconciliation")).status_code == 404
    assert (await trust.post("assets/register", params=how, content=LIST)).json()["added"] == 2
    faulty = await trust.post("assets/register", params=how, content=f"{LIST}trust-gate,x,ds-0009,\n")
    assert (
        faulty.status_code,
        "line 4: serial number ds-0009 stands already in line 3" in faulty.json()["detail"],
    ) == (
        400,
        True,
    )
    assert (await trust.get("assets")).json() == [{"name": "register", "assets": 2}]

    compared = (await trust.get("reconciliation")).json()
    assert (compared["expected"], compared["counts"]) == (
        2,
        {"found": 0, "elsewhere": 0, "missing": 2, "ambiguous": 0, "unexpected": 1},
    )
    gate = device(1, firmware="5.5.89")
    identified = msgspec.structs.replace(gate, identity=msgspec.structs.replace(gate.identity, serial="DS-0001"))
    take(running, "trust", identified, now=300.0)
    found = (await trust.get("reconciliation", params={"result": ["found", "unexpected"]})).json()
    assert [(each["result"], each["by"], each["asset"]["name"]) for each in found["items"]] == [
        ("found", "serial", "gate")
    ]


async def test_a_list_of_one_organisation_says_nothing_of_another(running: Running, trust: httpx.AsyncClient) -> None:
    """It names no site of others, sees none of their lists, and replaces none of their entries."""
    await trust.post("assets/shared", params={"format": "csv", "site": "trust-gate"}, content="serial\n1\n")
    async with running.caller(Role.ESTATES, organisation="school") as school:
        assert (await school.get("assets")).json() == []
        how = {"format": "csv", "site": "trust-gate"}
        assert (await school.post("assets/shared", params=how, content="serial\n2\n")).status_code == 404
        named = await school.post("assets/shared", params={"format": "csv"}, content="site,serial\ntrust-gate,2\n")
        assert (named.status_code, "there is no site 'trust-gate'" in named.json()["detail"]) == (400, True)
        how = {"format": "csv", "site": "school-gate"}
        assert (await school.post("assets/shared", params=how, content="serial\n2\n")).status_code == 200
        assert (await school.delete("assets/shared")).status_code == 204
    assert {"name": "shared", "assets": 1} in (await trust.get("assets")).json()
    assert (await trust.delete("assets/shared")).status_code == 204


async def test_devices_are_exported_within_scope_and_filters(trust: httpx.AsyncClient) -> None:
    text = (await trust.get("export", params={"format": "csv"})).text
    assert [line.split(",")[:2] for line in text.splitlines()[1:]] == [["trust-gate", "serial:0001"]]
    everything = (await trust.get("export", params={"format": "json"})).json()
    assert [each["site"] for each in everything["devices"]] == ["trust-gate"]
    assert (await trust.get("export", params={"format": "json", "maker": "axis"})).json() == {"devices": []}
    bill = await trust.get("export", params={"format": "cyclonedx"})
    assert (bill.json()["bomFormat"], len(bill.json()["components"])) == ("CycloneDX", 1)
    assert (await trust.get("export", params={"format": "csv", "makr": "axis"})).status_code == 400


async def test_every_filter_is_described(running: Running) -> None:
    """The API's description names each parameter that the list takes."""
    async with running.client() as nobody:
        schema = (await nobody.get(f"{running.controller.api_url}/schema/openapi.json")).json()

    described = {each["name"] for each in schema["paths"]["/api/1/devices"]["get"]["parameters"]}
    assert {"where", "maker", "jurisdiction", "vulnerable_to", "first_seen_after", "text", "sort", "view"} <= described
