"""A release by hand is owed a review: by somebody else, once, in the audit chain, and however late."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bartizan.ids import BootId, SiteId
from bartizan.wire.events import CONTAINMENT_APPLIED, CONTAINMENT_RELEASED
from bartizan_controller.access import Role
from bartizan_controller.config import Config
from bartizan_controller.store import events
from bartizan_controller.store.events import RecordedEvent
from tests.controller.running import ORGANISATION, Running, copy_of, run

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = SiteId("school")
NIGHT = 1_000.0


def told(at: float, kind: str, **detail: str) -> RecordedEvent:
    return RecordedEvent(SITE, at, at, kind, detail, boot=BootId("b"), sequence=int(at))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A controller whose gateway told of two releases; the first one is over."""
    async with run(
        copy_of(template / "controller", tmp_path_factory.mktemp("glass") / "controller"), configured
    ) as one:
        async with one.caller(Role.ADMIN) as admin:
            await admin.post("organisations", json={"id": ORGANISATION})
            await admin.post("organisations", json={"id": "other"})
            (await admin.post("sites", json={"id": SITE, "organisation": ORGANISATION})).raise_for_status()
        recorded = [
            told(NIGHT, CONTAINMENT_RELEASED, by="the duty engineer", reason="no pictures", until="4600"),
            told(NIGHT + 60, CONTAINMENT_APPLIED, ruleset="r"),
            told(NIGHT + 90, CONTAINMENT_RELEASED, by="Auditor", reason="again", until="4600"),
        ]
        one.parts.database.change(lambda c: events.add(c, recorded))
        yield one


async def waiting(client: httpx.AsyncClient) -> list[tuple[int, str, float | None]]:
    found = (await client.get("break-glass", params={"reviewed": "false"})).raise_for_status().json()["items"]
    return [(each["number"], each["by"], each["held_again_at"]) for each in found]


async def test_who_broke_the_glass_does_not_review_it_and_nobody_reviews_twice(running: Running) -> None:
    async with running.caller(Role.AUDITOR) as auditor, running.caller(Role.APPROVER) as approver:
        (first, _, held_again), (second, _, still_open) = await waiting(auditor)
        assert (held_again, still_open) == (NIGHT + 60, None)

        assert (await auditor.post(f"break-glass/{first}/review", json={"finding": " "})).status_code == 400
        done = await auditor.post(f"break-glass/{first}/review", json={"finding": "right: the recorder had died"})
        assert (done.raise_for_status().json()["reviewed_by"], await waiting(auditor)) == (
            "auditor",
            [(second, "Auditor", None)],
        )
        again = await approver.post(f"break-glass/{first}/review", json={"finding": "wrong"})
        own = await auditor.post(f"break-glass/{second}/review", json={"finding": "all well"})
        assert (again.status_code, own.status_code) == (409, 403)
        assert "the recorder had died" in again.text
        entries = (await auditor.get("audit")).json()["items"]
    assert [each["detail"]["finding"] for each in entries if each["action"] == "break-glass.reviewed"] == [
        "right: the recorder had died"
    ]


async def test_roles_and_numbers_that_do_not_fit_are_refused(running: Running) -> None:
    async with running.caller(Role.SOC) as soc, running.caller(Role.AUDITOR, organisation="other") as stranger:
        number = (await waiting(soc))[-1][0]
        assert (await soc.post(f"break-glass/{number}/review", json={"finding": "f"})).status_code == 403
        assert await waiting(stranger) == []
        assert (await stranger.post(f"break-glass/{number}/review", json={"finding": "f"})).status_code == 404


async def test_what_waits_for_a_review_is_not_forgotten_and_the_status_counts_it(running: Running) -> None:
    while running.parts.database.change(lambda c: events.forget(c, received_before=NIGHT * 2)):
        pass
    async with running.caller(Role.VIEWER) as viewer:
        assert len(await waiting(viewer)) == 1
        assert (await viewer.get("status")).json()["reviews_waiting"] == 1
        every = (await viewer.get("break-glass")).json()["items"]
    assert [each["by"] for each in every] == ["Auditor"]  # of the other one the audit chain tells
