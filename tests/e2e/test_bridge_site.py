"""A site whose gateway is a transparent bridge: what it holds does not cross it, and it does not stay cut off."""

import dataclasses
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan_agent.nftables import restore
from bartizan_lab.cameras.state import Timings
from bartizan_lab.site import plan
from bartizan_lab.site.plan import SitePlan
from tests.e2e.deployment import ROOT, Deployment, held, standing
from tests.e2e.estates import addresses, camera, credential_document, listed, site, site_document

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

LIBRARY = dataclasses.replace(
    site("library", 1, camera("gate", "hikvision", 0), camera("yard", "dahua", 1), camera("lobby", "axis", 2)),
    bridged=True,
)
CHAPEL = dataclasses.replace(site("chapel", 2, camera("door", "hikvision", 0)), bridged=True, managed_from_inside=True)
WATCHED_SECONDS = 5.0
CONFIRM_SECONDS = 4.0


@dataclass
class Story:
    """What happened, in Unix seconds."""

    deployment: Deployment
    silent_from: float = 0.0
    recorded_before: int = 0
    recorded_after: int = 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder = tmp_path_factory.mktemp("bridge")
    async with held(standing(folder, (LIBRARY, CHAPEL), Timings(phone_home_seconds=0.5))) as deployment:
        yield await told(deployment)


async def told(deployment: Deployment) -> Story:
    """Bring up the library's bridge, publish the policy, and watch."""
    story = Story(deployment)
    await deployment.enrol(LIBRARY.id, topology='"bridge"')
    await deployment.set_passwords(LIBRARY.id, credential_document())
    await deployment.until("all cameras are named, at their port", lambda: are_named(deployment), 40)
    await publish(deployment, library="isolate", chapel="watch")
    await deployment.until("the kernel holds them", lambda: deployment.is_enforced(listed(LIBRARY), "isolate"), 20)
    story.silent_from = time.time()
    recorder = deployment.live.sites[LIBRARY.id].recorder
    assert recorder is not None
    await deployment.until("the recorder records", lambda: recorder.is_receiving("gate"), 20)
    story.recorded_before = recorder.recordings["gate"].packets
    await deployment.until("it was watched", lambda: time.time() > story.silent_from + WATCHED_SECONDS, 20)
    story.recorded_after = recorder.recordings["gate"].packets
    return story


async def test_nothing_of_a_held_camera_gets_out_but_what_its_recorder_may_have(story: Story) -> None:
    watched = frozenset(addresses(LIBRARY, *listed(LIBRARY)))
    deployment = story.deployment

    assert deployment.tap("wan").of(watched)  # before: they called out, and the taps work
    assert deployment.tap("wan").of(watched, story.silent_from) == []
    crossed = deployment.tap(f"uplink-{LIBRARY.id}").of(watched, story.silent_from)
    allowed = {LIBRARY.recorder, f"{LIBRARY.prefix6(2)}::10"}
    assert [each for each in crossed if each.destination not in allowed] == []


async def test_the_recorder_goes_on_recording_across_the_bridge(story: Story) -> None:
    assert story.recorded_after > story.recorded_before


async def test_a_camera_that_no_policy_names_goes_on(story: Story) -> None:
    assert story.deployment.leaked(addresses(LIBRARY, LIBRARY.cameras[2]), story.silent_from)


async def test_each_device_is_held_at_its_port_and_counted(story: Story) -> None:
    async def are_counted() -> bool:
        devices = await story.deployment.devices()
        return all(devices[each.mac]["posture"]["dropped_packets"] > 0 for each in listed(LIBRARY))

    await story.deployment.until("drops of every camera are reported", are_counted, 20)
    devices = await story.deployment.devices()
    assert {devices[each.mac]["device"]["interface"] for each in LIBRARY.cameras} == {plan.CAMERA_INTERFACE}


async def test_a_gateway_that_its_own_ruleset_cuts_off_lets_its_way_through_after_a_kill_and_a_reboot_too(
    story: Story,
) -> None:
    """The chapel's gateway is managed from the cameras' side of its own bridge."""
    deployment = story.deployment
    await deployment.enrol_site(CHAPEL.id)
    settings: dict[str, float | str] = {
        "topology": '"bridge"',
        "routers": f'["{CHAPEL.gateway(1)}"]',
        "confirm_seconds": CONFIRM_SECONDS,
    }
    deployment.configure(CHAPEL.id, **settings)
    await deployment.installation.start_agent(CHAPEL.id)
    # An agent without a catalogue isolates strangers, itself among them: that is the first cut.
    await deployment.until("it lets itself through", lambda: deployment.is_connected(CHAPEL.id), 40)
    await deployment.until("the facts are there", lambda: table(deployment, "unknown_sender_watch"), 30)
    await deployment.until("nothing is let through any more", lambda: not way(deployment), 20)

    await publish(deployment, library="isolate", chapel="isolate")
    await deployment.until("strangers are isolated", lambda: table(deployment, "unknown_sender_isolate"), 30)
    assert not way(deployment)
    await deployment.agents[CHAPEL.id].kill()
    reboot(deployment)
    assert table(deployment, "unknown_sender_isolate")
    assert not way(deployment)
    cut_at = time.time()
    await deployment.installation.start_agent(CHAPEL.id)
    await deployment.until("it lets itself through", lambda: way(deployment), 20)
    assert time.time() - cut_at >= CONFIRM_SECONDS
    await deployment.until("it tells why", lambda: is_told(deployment, times=2), 40)

    watched = frozenset(addresses(CHAPEL, *CHAPEL.cameras))
    assert deployment.tap("wan").of(watched, cut_at) == []
    await deployment.agents[CHAPEL.id].kill()
    reboot(deployment)
    assert way(deployment)


async def publish(deployment: Deployment, *, library: str, chapel: str) -> None:
    sites = deployment.folder / "sites.yaml"
    both = [site_document(LIBRARY, library), site_document(CHAPEL, chapel).removeprefix("sites:\n")]
    sites.write_text("".join(both), encoding="utf-8")
    await deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)


async def are_named(deployment: Deployment) -> bool:
    devices = await deployment.devices()
    return all(
        (state := devices.get(each.mac)) is not None and state["device"]["identity"]["maker"]
        for each in LIBRARY.cameras
    )


async def is_told(deployment: Deployment, *, times: int) -> bool:
    told = await deployment.events("containment.amended", CHAPEL.id)
    return len(told) == times and all(
        "strangers on cam0 are held at isolate" in each["detail"]["because"]
        and str(CHAPEL.own) in each["detail"]["path"]
        for each in told
    )


def table(deployment: Deployment, verdict: str) -> bool:
    """Whether strangers on the chapel's port are judged like this."""
    return bool(re.search(rf'"cam0" : goto {verdict}\b', listing(deployment, CHAPEL, "map", "unknown_senders")))


def way(deployment: Deployment) -> bool:
    """Whether the chapel's gateway lets its way to the controller through."""
    return str(CHAPEL.own) in listing(deployment, CHAPEL, "set", "management4")


def listing(deployment: Deployment, place: SitePlan, kind: str, name: str) -> str:
    gateway = deployment.live.sites[place.id].network.gateway
    try:
        return gateway.run("nft", "list", kind, "bridge", "bartizan", name)
    except RuntimeError:
        return ""


def reboot(deployment: Deployment) -> None:
    """Do what a reboot does to the chapel's kernel: nothing is left, then the boot unit runs."""
    gateway = deployment.live.sites[CHAPEL.id].network.gateway
    gateway.run("nft", "flush", "ruleset")
    gateway.run(sys.executable, "-I", "-S", restore.__file__, str(Path(deployment.folder, CHAPEL.id)))
