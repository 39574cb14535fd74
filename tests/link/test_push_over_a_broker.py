"""A push in stages between a real controller and real agents: what is enforced where, in which order, by whose word."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import pytest_asyncio

from bartizan.containment.level import Level
from bartizan.ids import OrganisationId, SiteId
from bartizan.policy.model import SegmentFacts, SiteFacts
from bartizan.trust.push import Push
from bartizan.trust.reading import PUSH_PATH
from bartizan.wire import codec, events
from bartizan_agent.gateway import Gateway
from bartizan_controller.access import Role
from bartizan_controller.pushes.model import PushState
from bartizan_controller.store import pushes
from tests.controller.running import ORGANISATION, Running, copy_of, run, until
from tests.controller.test_http_api import approver, sign
from tests.fakes.memory_firewall import MemoryFirewall
from tests.link.machine import Machine, heard, linked, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE_SECONDS = 30.0


class Place(NamedTuple):
    """A site whose agent runs."""

    site: SiteId
    gateway: Gateway
    firewall: MemoryFirewall

    @property
    def strangers(self) -> Level | None:
        """How its kernel holds devices that nobody knows. Looking at it is what the agent's own loop does."""
        self.gateway.reconcile()
        return self.firewall.enforced.segments[0].default_level if self.firewall.enforced else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("push") / "controller")) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def places(running: Running, tmp_path: Path) -> AsyncIterator[tuple[Place, Place]]:
    """Two sites with running agents."""
    async with AsyncExitStack() as stack:
        made = []
        for name in ("hall", "school"):
            site, token = await new_site(running)
            machine, firewall = Machine(tmp_path / name), MemoryFirewall()
            (tmp_path / name).mkdir()
            await machine.enrol(running.controller.api_url, token)
            made.append(Place(site, await stack.enter_async_context(linked(machine, firewall)), firewall))
        yield made[0], made[1]


async def publish(running: Running, template: Path, places: tuple[Place, ...], level: Level, push: bool) -> int:  # noqa: FBT001
    """Publish at which level strangers are held at these sites, at the first of them first or everywhere at once."""
    organisation = OrganisationId(ORGANISATION)
    segments = (SegmentFacts("cam0", default_level=level),)
    sites = tuple(SiteFacts(place.site, organisation, segments=segments) for place in places)
    version = running.parts.publication.versions["policy"] + 1
    files = {f"policy/sites-{organisation}.json": codec.encode(sites)}
    if push:
        staged = Push(version, version - 1, (places[0].site,), not_after=time.time() + 3600)
        files[PUSH_PATH] = codec.encode(staged)
    keys = [approver(template, "approver-1"), approver(template, "approver-2")]
    async with running.caller(Role.ADMIN) as admin:
        body = {"role": "policy", "prepared_by": keys[0].id, "files": msgspec.to_builtins(files)}
        change = (await admin.post("catalogue/changes", json=body)).raise_for_status().json()["id"]
        for key in keys:
            await sign(admin, change, key)
        (await admin.post(f"catalogue/changes/{change}/publish", json={})).raise_for_status()
    return version


async def test_the_canary_first_and_the_other_once_the_canary_read_back_what_is_expected(
    running: Running, template: Path, places: tuple[Place, Place]
) -> None:
    hall, school = places
    await publish(running, template, places, Level.WATCH, push=False)
    await until(lambda: (hall.strangers, school.strangers) == (Level.WATCH, Level.WATCH), seconds=PATIENCE_SECONDS)
    order: list[tuple[Level | None, Level | None]] = []

    def seen() -> bool:
        now = (hall.strangers, school.strangers)
        if not order or order[-1] != now:
            order.append(now)
        return now == (Level.ISOLATE, Level.ISOLATE)

    version = await publish(running, template, places, Level.ISOLATE, push=True)
    await until(seen, seconds=PATIENCE_SECONDS)
    await until(lambda: bool(heard(running, school.site, events.POLICY_ACTIVATED)), seconds=PATIENCE_SECONDS)

    assert (Level.WATCH, Level.ISOLATE) not in order
    [told] = heard(running, school.site, events.POLICY_ACTIVATED)
    assert told.detail == {"policy": str(version), "because": "activated"}
    [waited] = heard(running, school.site, events.POLICY_WAITS)
    assert waited.detail["in_force"] == str(version - 1)
    assert heard(running, hall.site, events.POLICY_WAITS) == ()
    await until(
        lambda: running.parts.database.query(lambda c: pushes.find(c, version)).state is PushState.FINISHED,
        seconds=PATIENCE_SECONDS,
    )


async def test_while_it_is_paused_the_other_waits_and_keeps_what_it_had(
    running: Running, template: Path, places: tuple[Place, Place]
) -> None:
    hall, school = places
    await publish(running, template, places, Level.BLOCK_EGRESS, push=False)
    await until(lambda: school.strangers is Level.BLOCK_EGRESS, seconds=PATIENCE_SECONDS)

    version = await publish(running, template, places, Level.ISOLATE, push=True)
    async with running.caller(Role.SOC) as soc:
        (await soc.post(f"pushes/{version}/pause", json={"reason": "look first"})).raise_for_status()
        await until(lambda: hall.strangers is Level.ISOLATE, seconds=PATIENCE_SECONDS)
        held_while_paused = school.strangers
        (await soc.post(f"pushes/{version}/resume")).raise_for_status()
        await until(lambda: school.strangers is Level.ISOLATE, seconds=PATIENCE_SECONDS)
    assert held_while_paused is Level.BLOCK_EGRESS
