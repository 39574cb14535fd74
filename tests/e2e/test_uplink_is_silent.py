"""What containment is for: once gateways say that they hold a camera, not one packet of it passes their uplink.

One story is told once for the module, with taps on the cables; the tests read what the taps saw.
"""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from bartizan_lab.cameras.registry import PASSWORD
from bartizan_lab.cameras.state import Timings
from bartizan_lab.network import HostNetwork
from bartizan_lab.recorder import Recorder, Recording, Stream
from bartizan_lab.site import plan
from bartizan_lab.site.live import CLOUD_PORT
from tests.e2e.deployment import ROOT, Deployment, held, standing
from tests.e2e.estates import addresses, camera, credential_document, listed, site, site_document

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

TOWN_HALL = site(
    "town-hall",
    1,
    camera("gate", "hikvision", 0),
    camera("yard", "hikvision-oem", 1),
    camera("stairs", "dahua", 2),
    camera("foyer", "dahua-oem", 3),
    camera("lobby", "axis", 4),
)
GATE, LOBBY = TOWN_HALL.cameras[0], TOWN_HALL.cameras[-1]
TAPS = ("wan", f"uplink-{TOWN_HALL.id}")
TCP, UDP = 6, 17
WATCHED_SECONDS = 6.0
CHATTER_SECONDS = 0.05
_KINDS = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM}


@dataclass
class Story:
    """What happened, in Unix seconds."""

    deployment: Deployment
    silent_from: float = 0.0
    """From when on every gateway was known to hold its cameras."""
    over_at: float = 0.0
    recordings: dict[str, list[Recording]] = field(default_factory=dict)
    """Of the site's recorder, twice a second while the policy came and was watched."""
    spied: Recording = field(default_factory=Recording)
    """Of somebody in the core who streamed from a camera when the policy came."""
    said: dict[str, list[float]] = field(default_factory=dict)
    """When the camera at the gate said something in a flow that it had opened long before, by flow."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder = tmp_path_factory.mktemp("silent")
    async with held(standing(folder, (TOWN_HALL,), Timings(phone_home_seconds=0.5))) as deployment:
        yield await told(deployment)


async def told(deployment: Deployment) -> Story:
    """Let flows be open, publish the policy, and watch."""
    story = Story(deployment)
    await deployment.enrol(TOWN_HALL.id)
    await deployment.set_passwords(TOWN_HALL.id, credential_document())
    await deployment.until("all cameras are named", lambda: are_named(deployment), 40)
    spy = Recorder(deployment.live.network.server_network(), (stream_of(deployment),))
    async with asyncio.TaskGroup() as meanwhile:
        tasks = [
            *(meanwhile.create_task(each) for each in chatter(deployment, story)),
            meanwhile.create_task(spy.run()),
            meanwhile.create_task(note_recordings(deployment, story)),
        ]
        await deployment.until("the flows are open", lambda: are_open(deployment, spy), 20)
        sites = deployment.folder / "sites.yaml"
        sites.write_text(site_document(TOWN_HALL, "isolate"), encoding="utf-8")
        await deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)
        await deployment.until("the kernel holds them", lambda: are_isolated(deployment), 20)
        story.silent_from = time.time()
        await asyncio.sleep(WATCHED_SECONDS)
        story.over_at = time.time()
        story.spied = spy.recordings[GATE.name]
        for task in tasks:
            task.cancel()
    return story


@pytest.mark.parametrize("tap", TAPS)
async def test_before_the_policy_every_camera_is_seen_on_the_cable(story: Story, tap: str) -> None:
    """By both families and both transports, or the silence afterwards would prove nothing."""
    for each in TOWN_HALL.cameras:
        for address in addresses(TOWN_HALL, each):
            packets = story.deployment.tap(tap).of({address})
            spoken = {packet.protocol for packet in packets if packet.at < story.silent_from}
            assert spoken >= {TCP, UDP}, f"{each.name} at {address}"


async def test_after_the_gateway_says_so_no_packet_passes(story: Story) -> None:
    """IPv4 and IPv6, TCP and UDP, replies and retransmissions: nothing."""
    assert story.over_at - story.silent_from >= WATCHED_SECONDS
    assert story.deployment.leaked(addresses(TOWN_HALL, *listed(TOWN_HALL)), story.silent_from) == []


@pytest.mark.parametrize("flow", ["TCP over IPv4", "TCP over IPv6", "UDP over IPv4", "UDP over IPv6"])
async def test_a_flow_in_progress_is_cut(story: Story, flow: str) -> None:
    """The camera at the gate goes on talking in flows that it opened before the policy; nothing of it gets out."""
    before = [at for at in story.said[flow] if at < story.silent_from]
    after = [at for at in story.said[flow] if at >= story.silent_from]

    assert len(before) >= 10
    if flow.startswith("UDP"):
        assert len(after) >= 0.5 * WATCHED_SECONDS / CHATTER_SECONDS
    address = addresses(TOWN_HALL, GATE)[flow.endswith("IPv6")]
    passed = story.deployment.tap(TAPS[1]).of({address})
    assert max(packet.at for packet in passed) < story.silent_from


async def test_who_streamed_from_outside_gets_no_more(story: Story) -> None:
    """A stream out of the segment, opened from the core before the policy, ends with it."""
    assert story.spied.packets > 0
    assert story.over_at - story.silent_from - (time.monotonic() - story.spied.last_at) < WATCHED_SECONDS
    assert story.spied.problem != ""


async def test_the_recorder_loses_no_packet(story: Story) -> None:
    """Containment that costs a picture would be switched off again: no loss, no new connection, no pause."""
    assert set(story.recordings) == {each.name for each in TOWN_HALL.cameras}
    for name, seen in story.recordings.items():
        assert {(recording.lost, recording.connections) for recording in seen} == {(0, 1)}, name
        received = [recording.packets for recording in seen]
        assert all(later > earlier for earlier, later in itertools.pairwise(received)), name


async def test_a_camera_that_no_policy_names_goes_on(story: Story) -> None:
    """The taps still work, and containment took no more than it was told to."""
    assert story.deployment.leaked(addresses(TOWN_HALL, LOBBY), story.silent_from)


async def test_the_gateway_has_counted_what_it_dropped(story: Story) -> None:
    """Proof of the negative: what each camera tried to reach, and that it failed."""

    async def are_counted() -> bool:
        devices = await story.deployment.devices()
        return all(devices[each.mac]["posture"]["dropped_packets"] > 0 for each in listed(TOWN_HALL))

    await story.deployment.until("drops of every camera are reported", are_counted, 20)


async def test_each_is_told_once_where_it_may_not_be_deployed(story: Story) -> None:
    """Told when the catalogue lists the site as sensitive, and not before."""
    told = await story.deployment.events("deployment.forbidden", TOWN_HALL.id)
    devices = {each["device"]["id"]: mac for mac, each in (await story.deployment.devices()).items()}

    assert sorted(devices[event["device"]] for event in told) == sorted(each.mac for each in listed(TOWN_HALL))
    assert all("prc-national-intelligence-law" in event["detail"]["named_by"] for event in told)


async def are_named(deployment: Deployment) -> bool:
    devices = await deployment.devices()
    return all(
        (state := devices.get(each.mac)) is not None and state["device"]["identity"]["maker"]
        for each in TOWN_HALL.cameras
    )


async def are_open(deployment: Deployment, spy: Recorder) -> bool:
    recorder = deployment.live.sites[TOWN_HALL.id].recorder
    received = deployment.live.cloud.received
    calls = [received.total(address) for each in TOWN_HALL.cameras for address in addresses(TOWN_HALL, each)]
    return (
        recorder is not None
        and all(recorder.is_receiving(each.name) for each in TOWN_HALL.cameras)
        and spy.is_receiving(GATE.name)
        and min(calls) >= 4
    )


async def are_isolated(deployment: Deployment) -> bool:
    return await deployment.is_enforced(listed(TOWN_HALL), "isolate")


def stream_of(deployment: Deployment) -> Stream:
    device = deployment.live.sites[TOWN_HALL.id].cameras[GATE.name]
    assert device.streams is not None
    return Stream(GATE.name, f"rtsp://{TOWN_HALL.camera(GATE.number)}{device.streams.paths[0]}", "admin", PASSWORD)


async def note_recordings(deployment: Deployment, story: Story) -> None:
    recorder = deployment.live.sites[TOWN_HALL.id].recorder
    assert recorder is not None
    await deployment.until("the recorder records", lambda: is_recording(recorder), 20)
    while True:
        for name, recording in recorder.recordings.items():
            story.recordings.setdefault(name, []).append(Recording(**vars(recording)))
        await asyncio.sleep(0.5)


async def is_recording(recorder: Recorder) -> bool:
    return all(recorder.is_receiving(name) for name in recorder.recordings)


def chatter(deployment: Deployment, story: Story) -> list[Coroutine[Any, Any, None]]:
    """Flows of the camera at the gate that were there before the policy."""
    place = deployment.live.network.sites[0].camera_network(GATE)
    families = {"IPv4": (socket.AF_INET, plan.INTERNET), "IPv6": (socket.AF_INET6, plan.INTERNET6)}
    return [
        talk(place, protocol, family, peer, story.said.setdefault(f"{name} over {version}", []))
        for protocol, name in ((TCP, "TCP"), (UDP, "UDP"))
        for version, (family, peer) in families.items()
    ]


async def talk(place: HostNetwork, protocol: int, family: socket.AddressFamily, peer: str, said: list[float]) -> None:
    loop = asyncio.get_running_loop()
    client = place.tcp_client if protocol == TCP else place.udp_client
    with client(family=family) as sock:
        await loop.sock_connect(sock, (peer, CLOUD_PORT))
        while True:
            # A full buffer, or nobody who listens: what was said is on its way all the same.
            with contextlib.suppress(OSError):
                sock.send(b"still here")
                said.append(time.time())
            await asyncio.sleep(CHATTER_SECONDS)
