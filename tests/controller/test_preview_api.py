"""A preview over HTTP, on what gateways reported: who sees which part of it, and that asking changes nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from bartizan.containment.level import Level
from bartizan.ids import BootId, DeviceId, OrganisationId, PolicyId, SiteId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import unlisted_site
from bartizan.policy.hindrance import Hindrance
from bartizan.policy.model import Condition, Maker, Operator, Policy, Rule, Subject
from bartizan.policy.preview import Preview, UnknownRecording
from bartizan.wire import codec
from bartizan_controller import inventory
from bartizan_controller.access import Role
from bartizan_controller.config import Config
from bartizan_controller.store import events, gateways, reported
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway as StoredGateway
from tests.controller.gateway import Gateway, device, report
from tests.controller.running import Running, copy_of, run
from tests.controller.test_http_api import approver, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_000.0
RECORDER = device(9, maker="axis")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """Two organisations with a site each; the one has a gateway, devices and a recorder, the other nothing yet."""
    base = tmp_path_factory.mktemp("preview")
    async with run(copy_of(template / "controller", base / "controller"), configured) as one:
        async with one.caller(Role.ADMIN) as admin:
            for organisation in ("trust", "school"):
                await admin.post("organisations", json={"id": organisation})
                await admin.post("sites", json={"id": f"{organisation}-gate", "organisation": organisation})
        site = SiteId("trust-gate")
        said = report(Gateway(site, Path(), BootId("b")), (device(1), device(2), RECORDER))
        seen = inventory.join(said.devices, said.posture)
        one.parts.database.change(lambda c: reported.replace(c, site, OrganisationId("trust"), seen, now=NOW))
        old = StoredGateway(site, "00", "key", NOW, connected=True, capability=0)
        one.parts.database.change(lambda c: gateways.enrol(c, old))
        for cameras in ("serial:0002", "serial:0001 serial:7777"):
            event = RecordedEvent(site, NOW, NOW, "recorder.channels", {"cameras": cameras}, RECORDER.id)
            one.parts.database.change(lambda c, event=event: events.add(c, [event]))  # type: ignore[misc]
        yield one


def documents(level: Level = Level.QUARANTINE) -> dict[str, bytes]:
    """Return makers, and a policy that holds Hikvision at a level."""
    when = Condition(Subject.MAKER, Operator.IS, ("hikvision",))
    policy = Policy(PolicyId("strict"), "Strict", 1, 1, (Rule("all", when, "because", contain=level),))
    makers = (Maker("hikvision", "Hikvision", "CN", "test"), Maker("axis", "Axis", "SE", "test"))
    return {"policy/strict.json": codec.encode(policy), "policy/makers.json": codec.encode(makers)}


async def asked(client: httpx.AsyncClient, files: dict[str, bytes], **parameters: int) -> httpx.Response:
    return await client.post("catalogue/preview", content=codec.encode({"files": files}), params=parameters)


def read(response: httpx.Response) -> Preview:
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=Preview)


async def test_documents_are_judged_as_gateways_would(running: Running) -> None:
    """Levels, streams of the recorder's latest word, and sites that cannot; nothing is left waiting."""
    async with running.caller(Role.APPROVER) as approver:
        found = read(await asked(approver, documents()))
        assert (await approver.get("catalogue/changes")).json() == []
    outlook = await running.parts.publication.outlook_with(documents())
    expected = Evaluator(outlook.catalogue, unlisted_site(SiteId("trust-gate"))).verdict(device(1), NOW)

    assert found.moves == {"isolate -> quarantine": 2, "isolate -> watch": 1}
    assert {each.device: each.because for each in found.devices}[DeviceId("serial:0001")] == expected.explanation
    assert [each.enforced for each in found.devices] == [Level.WATCH] * 3
    assert [(each.site, each.why) for each in found.hindered] == [
        ("school-gate", Hindrance.NO_GATEWAY),
        ("trust-gate", Hindrance.TOO_OLD),
    ]
    assert found.lost_streams == ()  # strangers were isolated before


async def test_people_of_one_organisation_see_its_part(running: Running) -> None:
    async with running.caller(Role.APPROVER, organisation="school") as school:
        found = read(await asked(school, documents()))

    assert (found.total.devices, found.sites, found.devices) == (0, {}, ())
    assert [each.site for each in found.hindered] == ["school-gate"]


async def test_every_device_counts_and_as_many_are_listed_as_were_asked_for(running: Running) -> None:
    async with running.caller(Role.APPROVER) as approver:
        found = read(await asked(approver, documents(), limit=1))

    assert (len(found.devices), found.devices_left_out, found.total.changing) == (1, 2, 3)


async def test_what_is_no_document_is_refused_and_so_is_who_may_not_propose(running: Running) -> None:
    async with running.caller(Role.APPROVER) as approver, running.caller(Role.SOC) as soc:
        assert (await asked(approver, {"policy/strict.json": b"{}"})).status_code == 422
        assert (await asked(approver, {"firmware/x": b"{}"})).status_code == 422
        assert (await asked(soc, documents())).status_code == 403
        assert (await soc.get("catalogue/changes/policy-9-0123456789abcdef/preview")).status_code == 404


async def test_a_change_that_waits_is_previewed_until_another_version_is_published(
    running: Running, template: Path
) -> None:
    """A later change of the same version is stale then; what was published is what the next preview begins from."""
    keys = approver(template, "approver-1"), approver(template, "approver-2")
    async with running.caller(Role.APPROVER) as approving, running.caller(Role.VIEWER) as viewer:

        async def propose(level: Level) -> str:
            files = msgspec.to_builtins(documents(level))
            body = {"role": "policy", "prepared_by": keys[0].id, "files": files}
            answer = (await approving.post("catalogue/changes", json=body)).raise_for_status()
            return str(answer.json()["id"])

        first, second = await propose(Level.BLOCK_EGRESS), await propose(Level.ISOLATE)
        found = read(await viewer.get(f"catalogue/changes/{first}/preview"))
        assert found == read(await asked(approving, documents(Level.BLOCK_EGRESS)))
        assert found.moves == {"isolate -> block-egress": 2, "isolate -> watch": 1}
        for key in keys:
            await sign(approving, first, key)
        (await approving.post(f"catalogue/changes/{first}/publish", json={})).raise_for_status()

        assert (await viewer.get(f"catalogue/changes/{second}/preview")).status_code == 409
        assert read(await asked(approving, documents(Level.BLOCK_EGRESS))).total.changing == 0
        isolated = read(await asked(approving, documents(Level.ISOLATE)))
    assert isolated.moves == {"block-egress -> isolate": 2}
    # By what the recorder said last; of the other camera nobody knows.
    assert [(each.recorder, each.camera) for each in isolated.lost_streams] == [(RECORDER.id, "serial:0001")]
    assert isolated.unknown_recordings == (UnknownRecording(SiteId("trust-gate"), 1),)
