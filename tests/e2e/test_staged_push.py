"""A push in stages over three sites with real kernels: the canary first, a stop that says why, and an end by itself.

One story: a canary that somebody released by hand stops the push; once it is held again a person resumes it, and the
stages follow each other. Then another push is published, and controller and broker die: the site that waits ends its
waiting at the signed time, though its agent was killed meanwhile and nobody is left to say a word.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan.ids import SiteId
from bartizan_lab.cameras.state import Timings
from tests.e2e.deployment import ROOT, Deployment, Json, held, standing
from tests.e2e.estates import camera, listed, site, site_document

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

HALL = site("hall", 1, camera("hall-cam", "hikvision", 0))
EAST = site("east", 2, camera("east-cam", "hikvision", 1))
WEST = site("west", 3, camera("west-cam", "dahua", 2))
SITES = (HALL, EAST, WEST)
STAGES = ("--canary", "hall", "--wave", "site: east", "--soak", "3s")
DEADLINE_SECONDS = 75
TIGHTER = """\
policy: drill
title: Everything that sensitive sites must not have, in quarantine
version: 1
needs-capability: 1
rules:
  - name: quarantine
    when:
      any: [{maker: hikvision}, {maker: dahua}]
    contain: quarantine
    because: a drill
"""


@dataclass
class Story:
    """What was seen on the way."""

    deployment: Deployment
    stopped: Json = field(default_factory=dict)
    held_while_stopped: dict[str, dict[str, int]] = field(default_factory=dict)
    finished: Json = field(default_factory=dict)
    activated_at: dict[str, float] = field(default_factory=dict)
    before_the_end: dict[str, Json] = field(default_factory=dict)
    """Status of each gateway with controller and broker dead, before the signed time."""
    not_after: float = 0.0
    seen_at: float = 0.0
    """When the last gateway was seen to go by the new policy, Unix seconds."""
    after_the_end: dict[str, Json] = field(default_factory=dict)

    async def status(self, place: SiteId) -> Json:
        """Return what a gateway says of itself and of its kernel, whether anybody else is there or not."""
        done = await self.deployment.installation.on_gateway(place, "status", "--json")
        return dict(json.loads(done.out))

    async def is_held(self, level: str, *places: SiteId) -> bool:
        """Whether the kernels of these sites hold their camera at a level."""
        return all([(await self.status(place))["levels"].get(level) for place in places])

    async def publish(self, document: Path, *options: str) -> int:
        """Have two people sign a document and its stages, and publish it; return the version of policy."""
        people, key = self.deployment.people, self.deployment.key
        change = (await people.ask("bartizan", "policy", "sign", str(document), *options, *key(1)))["change"]
        await people.do("bartizan", "policy", "sign", "--change", change, "--yes", *key(2))
        await people.do("bartizan", "policy", "publish", change)
        return int((await self.deployment.ask("catalogue"))["versions"]["policy"])

    async def push(self, policy: int) -> Json:
        """Return how a push is."""
        return dict(await self.deployment.ask(f"pushes/{policy}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder = tmp_path_factory.mktemp("staged")
    async with held(standing(folder, SITES, Timings(phone_home_seconds=1.0))) as deployment:
        story = Story(deployment)
        await begin(story)
        await stop_and_resume(story)
        await end_by_itself(story)
        yield story


async def begin(story: Story) -> None:
    """Three sites whose cameras are known, and only watched."""
    deployment = story.deployment
    for place in SITES:
        await deployment.enrol(place.id)
    sites = deployment.folder / "sites.yaml"
    documents = [site_document(place, "watch") for place in SITES]
    sites.write_text(documents[0] + "".join(each.split("\n", 1)[1] for each in documents[1:]), encoding="utf-8")
    await story.publish(sites)
    cameras = [each for place in SITES for each in listed(place)]
    await deployment.until("the cameras are watched", lambda: deployment.is_enforced(cameras, "watch"), 60)


async def stop_and_resume(story: Story) -> None:
    """The canary is released by hand: the push stops. It is held again, and a person resumes."""
    deployment, hall = story.deployment, HALL.id
    because = ("--by", "the caretaker", "--reason", "a test", "--hours", "1")
    released = await deployment.installation.on_gateway(hall, "release", "--all", *because)
    assert released.code == 0, released.err
    policy = await story.publish(ROOT / "policies" / "uk-hcws386.yaml", *STAGES, "--deadline", "1h")

    async def has_stopped() -> bool:
        story.stopped = await story.push(policy)
        return bool(story.stopped["intent"]["state"] == "paused")

    await deployment.until("the push has stopped", has_stopped, 60)
    story.held_while_stopped = {place.id: (await story.status(place.id))["levels"] for place in SITES}
    contained = await deployment.installation.on_gateway(hall, "contain")
    assert contained.code == 0, contained.err
    await deployment.until("the canary is held", lambda: story.is_held("isolate", hall), 30)
    await deployment.people.do("bartizan", "push", "resume", str(policy))
    await deployment.people.do("bartizan", "push", "watch", str(policy), "--timeout", "90")
    story.finished = await story.push(policy)
    for place in (EAST, WEST):
        [event] = await deployment.events("policy.activated", place.id)
        assert event["detail"] == {"policy": str(policy), "because": "activated"}
        story.activated_at[place.id] = event["at"]


async def end_by_itself(story: Story) -> None:
    """Another push, and everybody but the gateways dies."""
    deployment = story.deployment
    document = deployment.folder / "drill.yaml"
    document.write_text(TIGHTER, encoding="utf-8")
    policy = await story.publish(document, *STAGES[:-2], "--soak", "1m", "--deadline", f"{DEADLINE_SECONDS}s")
    story.not_after = (await story.push(policy))["intent"]["not_after"]

    async def all_know() -> bool:
        return all([(await story.status(place.id))["catalogue"]["policy"] == policy for place in SITES])

    await deployment.until("every gateway keeps the new version", all_know, 30)
    await deployment.until("the canary goes by it", lambda: story.is_held("quarantine", HALL.id), 30)
    broker = await deployment.broker_pid()
    await deployment.controller.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(broker, signal.SIGKILL)
    await deployment.until("the broker is dead, too", lambda: not Path(f"/proc/{broker}").exists(), 20)
    await deployment.agents[WEST.id].kill()
    await deployment.installation.start_agent(WEST.id)
    await deployment.until("the agent is back", lambda: deployment.agents[WEST.id].is_running, 20)
    story.before_the_end = {place.id: await story.status(place.id) for place in SITES}
    assert time.time() < story.not_after, "this machine was too slow for the story: lengthen the deadline"

    async def all_go_by_it() -> bool:
        story.after_the_end = {place.id: await story.status(place.id) for place in SITES}
        return all(each["policy_in_force"] == policy for each in story.after_the_end.values())

    await deployment.until("all go by it", all_go_by_it, DEADLINE_SECONDS + 30, poll=0.5)
    story.seen_at = time.time()


async def test_a_canary_that_differs_stops_the_push_and_says_why(story: Story) -> None:
    assert "lifted" in story.stopped["intent"]["pause_reason"] or "released" in story.stopped["intent"]["pause_reason"]
    assert "canary stopped: 1 of 1 sites differ" in story.stopped["intent"]["pause_reason"]


async def test_nobody_else_goes_by_it_meanwhile(story: Story) -> None:
    """By the kernels of the other sites, not by their word."""
    assert story.held_while_stopped == {HALL.id: {}, EAST.id: {"watch": 1}, WEST.id: {"watch": 1}}


async def test_the_stages_follow_each_other_once_it_is_resumed(story: Story) -> None:
    assert story.finished["intent"]["state"] == "finished"
    assert {place: known["in_force"] for place, known in story.finished["sites"].items()} == {
        HALL.id: True,
        EAST.id: True,
        WEST.id: True,
    }
    assert story.activated_at[WEST.id] >= story.activated_at[EAST.id] + 3


async def test_it_is_in_force_at_the_signed_time_with_nobody_there(story: Story) -> None:
    """The agent of one site was killed while it waited."""
    before = {place: (each["levels"], bool(each["policy_waits_until"])) for place, each in story.before_the_end.items()}
    assert before == {
        HALL.id: ({"quarantine": 1}, False),
        EAST.id: ({"isolate": 1}, True),
        WEST.id: ({"isolate": 1}, True),
    }
    assert [story.after_the_end[place.id]["levels"] for place in SITES] == [{"quarantine": 1}] * 3
    assert story.not_after <= story.seen_at < story.not_after + 20
