"""Why a device is held as it is, over HTTP: what is published, what stands, what was measured, and who signed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from bartizan.containment.level import Level
from bartizan.ids import BootId, OrganisationId, PolicyId, SiteId
from bartizan.policy.model import Condition, Maker, Operator, Policy, Rule, Subject
from bartizan.wire import codec
from bartizan.wire.events import LEVEL_CHANGED
from bartizan_controller import inventory
from bartizan_controller.access import Role
from bartizan_controller.config import Config
from bartizan_controller.store import events, reported
from bartizan_controller.store.events import RecordedEvent
from tests.controller.gateway import Gateway, device, report
from tests.controller.running import Running, copy_of, run
from tests.controller.test_http_api import approver, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATE = SiteId("trust-gate")
CAMERA = device(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A camera that a policy of two signatures isolates, and was watched before."""
    folder = copy_of(template / "controller", tmp_path_factory.mktemp("explanation") / "controller")
    async with run(folder, configured) as one:
        async with one.caller(Role.ADMIN) as admin:
            for organisation in ("trust", "school"):
                await admin.post("organisations", json={"id": organisation})
            await admin.post("sites", json={"id": GATE, "organisation": "trust"})
            await publish(admin, template)
        take(one, Level.WATCH, now=100.0)
        take(one, Level.ISOLATE, now=200.0)
        take(one, Level.ISOLATE, now=300.0, firmware="5.5.89")
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def soc(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of the trust who may give orders."""
    async with running.caller(Role.SOC, organisation="trust") as client:
        yield client


async def publish(admin: httpx.AsyncClient, template: Path) -> None:
    """Publish a policy with the signatures of two approvers."""
    when = Condition(Subject.MAKER, Operator.IS, ("hikvision",))
    policy = Policy(PolicyId("strict"), "Strict", 1, 1, (Rule("all", when, "because", contain=Level.ISOLATE),))
    first, second = approver(template, "approver-1"), approver(template, "approver-2")
    makers = (Maker("hikvision", "Hikvision", "CN", "test"),)
    files = msgspec.to_builtins(
        {"policy/strict.json": codec.encode(policy), "policy/makers.json": codec.encode(makers)}
    )
    body = {"role": "policy", "prepared_by": first.id, "files": files}
    change = (await admin.post("catalogue/changes", json=body)).raise_for_status().json()["id"]
    for key in (first, second):
        await sign(admin, change, key)
    (await admin.post(f"catalogue/changes/{change}/publish", json={})).raise_for_status()


def take(running: Running, level: Level, *, now: float, firmware: str = "5.5.0") -> None:
    """Take in a report that holds the camera at a level."""
    said = report(Gateway(GATE, Path(), BootId("b")), (device(1, firmware=firmware),), level=level)
    seen = inventory.join(said.devices, said.posture)
    running.parts.database.change(lambda c: reported.replace(c, GATE, OrganisationId("trust"), seen, now=now))


def told(running: Running, level: str, *, at: float) -> None:
    """Take in the event of a change of level."""
    event = RecordedEvent(GATE, at, at, LEVEL_CHANGED, {"after": level, "because": "rule r"}, CAMERA.id)
    running.parts.database.change(lambda c: events.add(c, [event]))


async def explained(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (
        (await client.get(f"sites/{GATE}/devices/{CAMERA.id}/explanation")).raise_for_status().json()
    )
    return found


async def test_policy_is_told_with_who_signed_it_and_what_would_release_it(soc: httpx.AsyncClient) -> None:
    found = await explained(soc)

    assert found["explanation"]["verdict"]["level"] == "isolate"
    assert {rule["rule"]: rule["truth"] for rule in found["explanation"]["rules"]}["all"] is True
    assert found["signed"]["approval"]["holders"] == ["approver-1", "approver-2"]
    assert (found["signed"]["version"], found["signed"]["approval"]["complete"]) == (found["catalogue"]["policy"], True)
    assert found["hold"]["needed"] == [
        "two signatures over a waiver from strict, or over a change of that policy (bartizan policy sign)"
    ]
    assert (found["hold"]["then"], found["orders"], found["waivers"]) == ("watch", [], [])


async def test_since_when_is_the_gateways_word_or_what_its_reports_said(
    running: Running, soc: httpx.AsyncClient
) -> None:
    """By reports it is the first that said so; an event of a level that holds no more is passed over."""
    assert (await explained(soc))["since"] == {"at": 200.0, "because": "", "at_least": False}
    told(running, "quarantine", at=150.0)
    assert (await explained(soc))["since"]["at"] == 200.0
    told(running, "isolate", at=190.0)
    assert (await explained(soc))["since"] == {"at": 190.0, "because": "rule r", "at_least": False}


async def test_an_order_is_named_until_it_is_released(soc: httpx.AsyncClient) -> None:
    body = {"device": CAMERA.id, "level": "quarantine", "reason": "calls an unknown host"}
    order = (await soc.post("orders", json=body)).raise_for_status().json()["order"]["id"]
    found = await explained(soc)

    assert [(each["order"]["id"], each["given_by"]) for each in found["orders"]] == [(order, "soc")]
    assert found["hold"]["needed"] == [f"bartizan release {order} --reason …"]
    assert (found["hold"]["level"], found["hold"]["then"]) == ("quarantine", "isolate")
    (await soc.delete(f"orders/{order}", params={"reason": "drill"})).raise_for_status()
    assert (await explained(soc))["orders"] == []


async def test_nobody_is_told_of_a_device_of_another_organisation(running: Running) -> None:
    async with running.caller(Role.AUDITOR, organisation="school") as school:
        response = await school.get(f"sites/{GATE}/devices/{CAMERA.id}/explanation")

    assert response.status_code == 404
