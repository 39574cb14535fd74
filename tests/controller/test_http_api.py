"""The API over TLS: who may do what, what is refused and how, and that every change is in the audit chain."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from bartizan.firmware.model import Image
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.ids import Mac, SiteId, image_id
from bartizan.trust import keys
from bartizan.trust.approval import signing_payload
from bartizan.trust.keys import SigningKey
from bartizan.trust.review import Review
from bartizan.wire import codec
from bartizan.wire.down import CatalogueBundle, EventsAck
from bartizan_controller import inventory
from bartizan_controller.access import Role
from bartizan_controller.api.status import AuditPage
from bartizan_controller.audit import AuditEntry
from bartizan_controller.config import Config
from bartizan_controller.store import events, reported
from bartizan_controller.store.events import RecordedEvent
from tests.controller.gateway import SEALING_KEY, Gateway, csr, device, report
from tests.controller.running import ORGANISATION, Running, copy_of, run

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = count(1)
IMAGE = b"firmware" * 100_000
SHA256 = hashlib.sha256(IMAGE).hexdigest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    config = msgspec.structs.replace(configured, image_octets=len(IMAGE), body_octets=1_000_000)
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("api") / "controller"), config) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with running.caller(Role.ADMIN) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def site(admin: httpx.AsyncClient) -> SiteId:
    name = SiteId(f"site-{next(NUMBERS)}")
    (await admin.post("sites", json={"id": name, "organisation": ORGANISATION})).raise_for_status()
    return name


async def test_health_needs_no_token_and_everything_else_does(running: Running) -> None:
    async with running.client() as nobody, running.client("bzt_00_forged") as forger:
        assert (await nobody.get("health")).json() == {"ok": True, "reason": ""}
        for client in (nobody, forger):
            response = await client.get("status")
            assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        (Role.VIEWER, "POST", "sites", {"id": "x", "organisation": ORGANISATION}),
        (Role.SOC, "POST", "sites", {"id": "x", "organisation": ORGANISATION}),
        (Role.ESTATES, "POST", "organisations", {"id": "x"}),
        (Role.ESTATES, "POST", "orders", {"estate": True, "level": "isolate", "reason": "r"}),
        (Role.APPROVER, "DELETE", "orders/x?reason=r", None),
        (Role.SOC, "POST", "catalogue/changes", {"role": "policy", "prepared_by": "k"}),
        (Role.AUDITOR, "POST", "tokens", {"name": "me", "roles": ["admin"]}),
        (Role.SOC, "GET", "audit", None),
        (Role.VIEWER, "PUT", f"images/{SHA256}", None),
        (Role.VIEWER, "POST", "sites/x/revoke", None),
    ],
)
async def test_a_role_cannot_do_what_is_another_roles(
    running: Running, role: Role, method: str, path: str, body: object
) -> None:
    async with running.caller(role) as client:
        response = await client.request(method, path, json=body)

    assert response.status_code == 403
    assert response.json()["detail"].startswith("this needs the role ")


async def test_a_token_ends_when_it_is_revoked(running: Running, admin: httpx.AsyncClient) -> None:
    issued = (await admin.post("tokens", json={"name": "soc desk", "roles": ["soc"]})).raise_for_status().json()
    async with running.client(issued["token"]) as client:
        assert (await client.get("status")).status_code == 200
        assert (await admin.delete(f"tokens/{issued['about']['id']}")).status_code == 204
        assert (await client.get("status")).status_code == 401


async def test_a_token_of_one_organisation_sees_nothing_of_another(running: Running, admin: httpx.AsyncClient) -> None:
    """Nor of its parent; what it may not see does not exist for it."""
    for identifier, parent in (("trust", None), ("hospital", "trust"), ("school", None)):
        await admin.post("organisations", json={"id": identifier, "parent": parent})
        await admin.post("sites", json={"id": f"{identifier}-gate", "organisation": identifier})
    async with running.caller(Role.SOC, Role.ESTATES, organisation="trust") as client:
        listed = (await client.get("sites")).json()["items"]
        assert [each["id"] for each in listed] == ["hospital-gate", "trust-gate"]
        assert [each["id"] for each in (await client.get("organisations")).json()] == ["hospital", "trust"]
        assert (await client.get("sites/school-gate")).status_code == 404
        assert (await client.get("sites/school-gate/posture")).status_code == 404
        raised = {"level": "isolate", "reason": "r"}
        assert (await client.post("orders", json=raised | {"site": "school-gate"})).status_code == 404
        assert (await client.post("orders", json=raised | {"organisation": "school"})).status_code == 404
        assert (await client.post("orders", json=raised | {"estate": True})).status_code == 403
        own = await client.post("orders", json=raised | {"organisation": "hospital"})
        assert own.status_code == 201
        selector = own.json()["order"]["selector"]
        assert [part["values"] for part in selector["of"]] == [["hospital"], ["hospital-gate"]]
        assert (await client.delete(f"orders/{own.json()['order']['id']}?reason=done")).status_code == 204
        assert (await client.post("sites", json={"id": "x", "organisation": "school"})).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("sites", {"id": "Not A Slug", "organisation": ORGANISATION}, 400, "use 1 to 64"),
        ("sites", {"id": "bartizan-controller", "organisation": ORGANISATION}, 400, "own name"),
        ("sites", {"id": "lost", "organisation": "nowhere"}, 404, "nowhere"),
        ("sites", {"id": "lost"}, 400, "organisation"),
        ("sites", {"id": "lost", "organisation": ORGANISATION, "level": "none"}, 400, "level"),
        ("organisations", {"id": ORGANISATION}, 409, "exists already"),
        ("orders", {"level": "isolate", "reason": "r"}, 400, "say whom"),
        ("orders", {"level": "isolate", "reason": "r", "estate": True, "organisation": "x"}, 400, "say whom"),
        ("orders", {"level": "isolate", "reason": "r", "estate": True, "site": "x"}, 400, "one site"),
        ("orders", {"level": "isolate", "reason": " ", "estate": True}, 400, "reason"),
        ("orders", {"level": "watch", "reason": "r", "estate": True}, 400, "demands nothing"),
        ("orders", {"level": "open", "reason": "r", "estate": True}, 400, "level"),
        ("orders", {"level": "isolate", "reason": "r", "device": "serial:none"}, 404, "serial:none"),
        ("catalogue/changes", {"role": "snapshot", "prepared_by": "k"}, 400, "snapshot"),
        ("catalogue/changes/policy-9-0000000000000000/signatures", {"key": "k", "signature": "AA=="}, 404, "no change"),
    ],
)
async def test_what_makes_no_sense_is_a_problem_that_says_why(
    admin: httpx.AsyncClient, path: str, body: object, status: int, told: str
) -> None:
    response = await admin.post(path, json=body)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert told in response.json()["detail"]


async def test_a_body_that_is_too_large_is_not_read(admin: httpx.AsyncClient) -> None:
    response = await admin.post("sites", content=b"[" * 2_000_000, headers={"Content-Type": "application/json"})

    assert response.status_code == 413


async def test_an_enrolment_token_opens_once(
    running: Running, admin: httpx.AsyncClient, site: SiteId, tmp_path: Path
) -> None:
    """The certificate is for the token's site whatever the request asks; a second use gets what a wrong token gets."""
    token = (await admin.post(f"sites/{site}/enrolment-token")).json()["token"]
    first, second = Gateway(site, tmp_path / "first"), Gateway(site, tmp_path / "second")
    async with running.client() as nobody:
        answers = [await first.enrol(nobody, token), await second.enrol(nobody, token)]
        expired = (await admin.post(f"sites/{site}/enrolment-token", json={"days": 1e-9})).json()["token"]
        elsewhere = "bz1.nowhere." + token.split(".", 2)[2]
        stranger = Gateway(site, tmp_path / "third")
        for wrong in (token.replace(".", ""), f"{token[:-60]}{'A' * 60}", elsewhere, expired):
            answers += [await stranger.enrol(nobody, wrong)]

    assert [answer.status_code for answer in answers] == [201, 403, 403, 403, 403, 403]
    assert len({answer.content for answer in answers[1:]}) == 1
    assert first.enrolment is not None
    assert first.enrolment.root == running.parts.publication.first_root()
    told = [entry.detail["reason"] for entry in await audited(admin, "enrolment.refused")]
    assert told[-5:][0] == "token used before"
    assert told[-1].startswith("token expired")


async def test_a_damaged_request_does_not_use_the_token_up(
    running: Running, admin: httpx.AsyncClient, site: SiteId, tmp_path: Path
) -> None:
    token = (await admin.post(f"sites/{site}/enrolment-token")).json()["token"]
    gateway = Gateway(site, tmp_path / "gateway")
    async with running.client() as nobody:
        for body in (
            {"token": token, "csr": "-----BEGIN", "sealing_key": SEALING_KEY},
            {"token": token, "csr": csr(gateway.key), "sealing_key": "short"},
        ):
            assert (await nobody.post("enrol", json=body)).status_code == 422
        assert (await gateway.enrol(nobody, token)).status_code == 201


async def test_devices_posture_and_history_as_reported(
    running: Running, admin: httpx.AsyncClient, site: SiteId, tmp_path: Path
) -> None:
    said = report(Gateway(site, tmp_path), (device(1), device(2, maker="dahua")))
    seen = inventory.join(said.devices, said.posture)
    running.parts.database.change(lambda c: reported.replace(c, site, ORGANISATION, seen, now=1.0))  # type: ignore[arg-type]

    page = (await admin.get("devices", params={"site": site, "limit": 1})).json()
    rest = (await admin.get("devices", params={"site": site, "after": page["next"]})).json()
    assert [each["device"]["id"] for each in page["items"] + rest["items"]] == ["serial:0001", "serial:0002"]
    assert rest["next"] is None
    found = (await admin.get("devices", params={"site": site, "maker": "dahua", "kind": "camera"})).json()
    assert [each["device"]["id"] for each in found["items"]] == ["serial:0002"]
    shown = (await admin.get(f"sites/{site}/devices/serial:0001")).json()
    assert shown["state"]["posture"]["explanation"] == ["because"]
    assert {"device": "serial:0001", "at": 1.0, "field": "maker", "before": "", "after": "hikvision"} in shown[
        "history"
    ]
    posture = (await admin.get(f"sites/{site}/posture")).json()
    assert posture["counts"]["agrees"] == {"true": 2}
    assert posture["gateway"] is None
    assert (await admin.get("devices", params={"level": "open"})).status_code == 400


async def test_a_device_is_shown_with_what_is_to_be_mended_and_who_registered_its_mac(
    running: Running, admin: httpx.AsyncClient, site: SiteId, tmp_path: Path
) -> None:
    careless = msgspec.structs.replace(
        device(1),
        macs=(Mac("44:19:b6:00:00:01"), Mac("8c:1f:64:f4:b0:01"), Mac("02:00:00:00:00:01")),
        hardening=Hardening((Shortfall("no-telnet", "telnet is on (TCP 23)"),), ("no-ssh",)),
    )
    said = report(Gateway(site, tmp_path), (careless,))
    seen = inventory.join(said.devices, said.posture)
    running.parts.database.change(lambda c: reported.replace(c, site, ORGANISATION, seen, now=1.0))  # type: ignore[arg-type]

    shown = (await admin.get(f"sites/{site}/devices/serial:0001")).json()

    worst = shown["hardening"][0]
    assert (worst["check"], worst["standing"], worst["severity"]) == ("no-telnet", "failed", "high")
    assert worst["evidence"] == "telnet is on (TCP 23)"
    assert worst["mend"]
    assert {each["standing"] for each in shown["hardening"][1:]} == {"unknown", "met"}
    assert "Hikvision" in shown["registered_to"]["44:19:b6:00:00:01"]
    assert shown["registered_to"]["8c:1f:64:f4:b0:01"] == "a block that the IEEE gives out in parts"
    assert shown["registered_to"]["02:00:00:00:00:01"] == "made up by software"


async def test_events_can_be_waited_for(running: Running, admin: httpx.AsyncClient, site: SiteId) -> None:
    """A long poll answers at the first event, not at the end of its patience."""
    event = RecordedEvent(site, 1.0, 2.0, "containment.drift", {"found": "nothing"})
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(admin.get("events", params={"site": site, "wait_seconds": 15}))
        await running.parts.database.write(lambda c: events.add(c, [event]))
        running.parts.news.ring()

    page = waiting.result().json()
    assert [each["kind"] for each in page["items"]] == ["containment.drift"]
    assert (await admin.get("events", params={"site": site, "after": page["next"]})).json()["items"] == []


async def test_events_can_be_followed(running: Running, admin: httpx.AsyncClient, site: SiteId) -> None:
    """Server-sent events begin where the last one was seen."""
    kinds = ["device.found", "device.changed"]
    for number, kind in enumerate(kinds):
        event = RecordedEvent(site, float(number), 2.0, kind, {})
        await running.parts.database.write(lambda c, event=event: events.add(c, [event]))  # type: ignore[misc]
    heard: list[str] = []
    async with admin.stream("GET", "events/stream", params={"site": site, "after": 0}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                heard.append(line.removeprefix("event:").strip())
            if len(heard) == len(kinds):
                break
    assert heard == kinds


async def test_a_change_of_policy_takes_two_people_and_reaches_gateways_at_once(
    running: Running, admin: httpx.AsyncClient, site: SiteId, template: Path, tmp_path: Path
) -> None:
    """Proposed, read, signed elsewhere by two, published, broadcast."""
    one, two = approver(template, "approver-1"), approver(template, "approver-2")
    maker = [{"id": "acme", "name": "Acme", "jurisdiction": "GB", "source": "test"}]
    files = {"policy/makers.json": base64.b64encode(msgspec.json.encode(maker)).decode()}
    body = {"role": "policy", "prepared_by": one.id, "note": "a new maker", "files": files}
    change = (await admin.post("catalogue/changes", json=body)).raise_for_status().json()["id"]

    assert (await admin.post(f"catalogue/changes/{change}/publish", json={})).status_code == 422
    assert (await sign(admin, change, one))["complete"] is False
    stranger = keys.from_seed(bytes(32))
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        await sign(admin, change, stranger)
    assert (await admin.post(f"catalogue/changes/{change}/publish", json={})).status_code == 422
    assert (await sign(admin, change, two))["complete"] is True

    token = (await admin.post(f"sites/{site}/enrolment-token")).json()["token"]
    gateway = Gateway(site, tmp_path / "gateway")
    async with running.client() as nobody:
        (await gateway.enrol(nobody, token)).raise_for_status()
    async with gateway.connect() as line:
        await line.say(gateway.hello(catalogue=running.parts.publication.versions))
        await line.hear(EventsAck)
        published = (await admin.post(f"catalogue/changes/{change}/publish", json={})).raise_for_status().json()
        bundle = await line.hear(CatalogueBundle)
    assert f"metadata/{published['policy']}.policy.json" in bundle.files
    assert "acme" in (await admin.get("catalogue")).text
    assert [entry.subject for entry in await audited(admin, "catalogue.publish")] == [change]


async def test_an_image_is_uploaded_vetted_and_fetched_in_ranges(
    running: Running, admin: httpx.AsyncClient, site: SiteId, template: Path, tmp_path: Path
) -> None:
    """No description of an image before its bytes; a gateway gets parts of it, and nothing without a certificate."""
    image = Image(
        id=image_id(SHA256),
        file_name="digicap.dav",
        length=len(IMAGE),
        maker="hikvision",
        models=("DS-*",),
        version="V5",
    )
    body = {
        "role": "firmware",
        "prepared_by": approver(template, "approver-1").id,
        "images": [msgspec.to_builtins(image)],
    }
    assert (await admin.post("catalogue/changes", json=body)).status_code == 409
    assert (await admin.put(f"images/{SHA256}", content=IMAGE + b"x")).status_code == 422
    assert (await admin.put(f"images/{'0' * 64}", content=IMAGE)).status_code == 422
    assert (await admin.get(f"images/{SHA256}")).status_code == 404
    assert (await admin.put(f"images/{SHA256}", content=IMAGE)).status_code == 201
    assert (await admin.get(f"images/{SHA256}")).json() == {"sha256": SHA256, "length": len(IMAGE)}
    assert (await admin.post("catalogue/changes", json=body)).status_code == 201

    token = (await admin.post(f"sites/{site}/enrolment-token")).json()["token"]
    gateway = Gateway(site, tmp_path / "gateway")
    async with running.client() as nobody:
        (await gateway.enrol(nobody, token)).raise_for_status()
    assert gateway.enrolment
    url = gateway.enrolment.gateway_url
    async with httpx.AsyncClient(base_url=url, verify=gateway.tls(), trust_env=False) as client:
        whole = await client.get(f"/images/{SHA256}")
        assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, IMAGE, "bytes")
        part = await client.get(f"/images/{SHA256}", headers={"Range": "bytes=799990-"})
        assert (part.status_code, part.content) == (206, IMAGE[799990:])
        assert part.headers["content-range"] == "bytes 799990-799999/800000"
        beyond = await client.get(f"/images/{SHA256}", headers={"Range": "bytes=800000-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */800000")
        assert (await client.get("/catalogue/metadata/1.root.json")).content == running.parts.publication.first_root()
        for hidden in (
            "/catalogue/changes",
            "/catalogue/metadata/../../keys/ca-key.pem",
            "/catalogue/%2e%2e/admin.token",
        ):
            assert (await client.get(hidden)).status_code == 404
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(base_url=url, verify=running.ca, trust_env=False) as stranger:
            await stranger.get("/catalogue/metadata/1.root.json")


async def test_every_change_is_in_the_audit_chain_with_who_made_it(running: Running, admin: httpx.AsyncClient) -> None:
    async with running.caller(Role.ESTATES) as client:
        await client.post("sites", json={"id": "told", "organisation": ORGANISATION})
    async with running.caller(Role.SOC) as client:
        given = (await client.post("orders", json={"site": "told", "level": "isolate", "reason": "r"})).json()
        await client.post("scans", json={"site": "told"})
        await client.delete(f"orders/{given['order']['id']}", params={"reason": "over"})

    told = [(entry.who, entry.action, entry.subject) for entry in await audited(admin) if entry.subject == "told"]
    assert told == [
        ("estates", "site.add", "told"),
        ("soc", "orders.change", "told"),
        ("soc", "orders.change", "told"),
        ("soc", "orders.change", "told"),
    ]


async def test_the_description_of_the_api_is_open_and_of_version_3_1(running: Running) -> None:
    async with running.client() as nobody:
        schema = (await nobody.get(f"{running.controller.api_url}/schema/openapi.json")).json()

    assert schema["openapi"].startswith("3.1")
    assert schema["paths"]["/api/1/enrol"]["post"]["security"] == [{}]
    assert schema["security"] == [{"token": []}]


async def audited(admin: httpx.AsyncClient, action: str = "") -> list[AuditEntry]:
    """Return the entries of the audit chain, of one action or all."""
    page = (await admin.get("audit", params={"limit": 1000})).raise_for_status()
    return [entry for entry in codec.decode(page.content, AuditPage).items if not action or entry.action == action]


def approver(template: Path, name: str) -> SigningKey:
    """Return the key of somebody who approves."""
    return keys.from_pem((template / "offline" / f"{name}.pem").read_bytes(), holder=name)


async def sign(admin: httpx.AsyncClient, change: str, key: SigningKey) -> dict[str, object]:
    """Sign a change as an approver's own machine does: from the bytes that the controller shows."""
    shown = (await admin.get(f"catalogue/changes/{change}")).raise_for_status().json()
    review = msgspec.convert(shown["review"], Review, strict=False, builtin_types=())
    signature = key.sign(signing_payload(review.role, review.proposed))
    body = {"key": key.id, "signature": base64.b64encode(signature).decode()}
    response = await admin.post(f"catalogue/changes/{change}/signatures", json=body)
    approval: dict[str, object] = response.raise_for_status().json()
    return approval
