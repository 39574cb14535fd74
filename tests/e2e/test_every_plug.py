"""Every plug is pulled in turn, behind a router and behind a bridge, and nothing leaves that policy does not let out.

Tests share both sites. In each a held camera talks to the Internet all the time, two hundred times a second in each
family. Where a plug opens a site, for as long as the gateway takes to notice, what left is counted and printed.

A change that cuts a gateway off from its controller is in tests/e2e/test_bridge_site.py: it takes a third site, whose
gateway is managed from inside its own bridge. A reboot is in tests/lab/test_reboot.py, and power cuts in the middle of
updates are in test_kill_in_every_phase.py.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan.wire import events
from bartizan_agent import __version__
from bartizan_lab.site import plan
from bartizan_lab.site.plan import SitePlan
from tests.e2e.deployment import held
from tests.e2e.estates import camera
from tests.e2e.plugs import HARBOUR, MARINA, PLACES, REPAIR_SECONDS, Pause, Plugs, plugged_in

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

behind_both = pytest.mark.parametrize("place", [pytest.param(HARBOUR, id="router"), pytest.param(MARINA, id="bridge")])
DHCP_SERVER, DHCP_CLIENT = 67, 68
OUTSIDE_SERVER = "203.0.113.126"
FLUSHES = {
    "the table is flushed": "flush table {family} bartizan",
    "a chain is flushed": "flush chain {family} bartizan judge",
    "the table is deleted": "delete table {family} bartizan",
    "everything is flushed": "flush ruleset",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plugs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plugs]:
    async with held(plugged_in(tmp_path_factory.mktemp("plugs"))) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _shut(plugs: Plugs) -> AsyncIterator[None]:
    """What must be so during and after every test."""
    began = time.time()
    yield
    await plugs.deployment.until("all is as it was", plugs.is_well, 60)
    for place in PLACES:
        await plugs.is_talked(place, 10)
    assert plugs.unexcused(began) == []


@behind_both
async def test_without_policy_the_same_sniffer_sees_the_same_camera(plugs: Plugs, place: SitePlan) -> None:
    """Or its silence would prove nothing. Only the tricks that the kernel's own routing refuses are missing."""
    assert plugs.got_out_before[place.id] == {each.name for each in plugs.tricks(place)}
    talked = [packet for packet in plugs.leaks(place, 0.0) if packet.destination in (plan.INTERNET, plan.INTERNET6)]
    assert len({packet.destination for packet in talked}) == 2


@behind_both
async def test_no_trick_of_a_camera_gets_it_out(plugs: Plugs, place: SitePlan) -> None:
    assert await plugs.try_everything(place) == set()


@behind_both
async def test_a_device_that_changes_its_address_and_its_mac(plugs: Plugs, place: SitePlan) -> None:
    """With a new address it is known again; with a new MAC as well it is a stranger, and strangers are isolated."""
    mover, address = camera("mover", "dahua", 70 + place.number), place.camera(90)
    network = plugs.network(place)
    async with plugs.says(events.DEVICE_FOUND, place):
        network.plug_in(mover)
        await plugs.pings(place, mover)
        await plugs.look_again(place)
    host, way = network.camera_host(mover), f"route replace default via {place.gateway(1)}"
    async with plugs.says(events.DEVICE_CHANGED, place, field="addresses", after=address):
        host.ip(f"address delete {place.camera(mover.number)}/24 dev eth0", f"address add {address}/24 dev eth0", way)
        await plugs.pings(place, mover)
        await plugs.look_again(place)
    async with plugs.says(events.DEVICE_FOUND, place):
        host.ip("link set eth0 down", f"link set eth0 address 06:00:00:00:77:{mover.number:02x}", "link set eth0 up")
        host.ip(f"address delete {address}/24 dev eth0", f"address add {place.camera(91)}/24 dev eth0", way)
        await plugs.pings(place, mover)
        await plugs.look_again(place)


@behind_both
async def test_a_device_that_is_plugged_in(plugs: Plugs, place: SitePlan) -> None:
    """Nobody has told anybody of it; not its first packet gets out."""
    newcomer = camera("newcomer", "dahua", 60 + place.number)
    async with plugs.says(events.DEVICE_FOUND, place, maker="dahua"):
        plugs.newcomers.append((place, newcomer))
        await plugs.deployment.live.plug_in(place.id, newcomer)
        await plugs.is_talked(place)
        await plugs.look_again(place)


@behind_both
async def test_the_agent_is_killed(plugs: Plugs, place: SitePlan) -> None:
    before = plugs.table(place)
    async with plugs.says(events.AGENT_STARTED, place):
        await plugs.deployment.agents[place.id].kill()
        assert "not running" in await plugs.status(place)
        await plugs.is_talked(place)
        assert plugs.table(place) == before
        await plugs.restart(place)


@behind_both
@pytest.mark.parametrize("flush", FLUSHES.values(), ids=FLUSHES)
async def test_somebody_flushes(plugs: Plugs, place: SitePlan, flush: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is put back, and said. What leaves until then is what the kernel has nothing to hold by."""
    before = plugs.table(place)
    async with plugs.says(events.CONTAINMENT_DRIFT, place, repaired="yes"):
        began = time.time()
        plugs.gateway(place).run("nft", flush.format(family="bridge" if place.bridged else "inet"))
        await plugs.deployment.until("it is put back", lambda: plugs.table(place) == before, REPAIR_SECONDS, poll=0.02)
        plugs.pauses.append(Pause(place.id, began, time.time()))
    await plugs.is_talked(place)
    out = plugs.leaks(place, began)
    milliseconds = 1000 * (out[-1].at - out[0].at) if out else 0.0
    with capsys.disabled():
        print(f"\n{place.id}, {flush}: {len(out)} packets in {milliseconds:.0f} ms until it was put back")


@behind_both
async def test_another_tool_accepts_everything_first(plugs: Plugs, place: SitePlan) -> None:
    """Who accepts first does not accept for those that come after."""
    gateway, before = plugs.gateway(place), plugs.table(place)
    family = "bridge" if place.bridged else "inet"
    hook = "{ type filter hook forward priority -400; policy accept; accept; }"
    gateway.run("nft", f"table {family} other {{ chain first {hook}; }}")
    try:
        await plugs.is_talked(place, 200)
        assert plugs.table(place) == before
        assert "healthy" in await plugs.status(place)
    finally:
        gateway.run("nft", f"delete table {family} other")


@behind_both
async def test_the_kernel_refuses_a_transaction(plugs: Plugs, place: SitePlan) -> None:
    """What was in force stays so, the refusal is said, and it is tried again until it is taken."""
    before = plugs.table(place)
    await plugs.deployment.agents[place.id].kill()
    plugs.crowd(place)
    try:
        async with plugs.says(events.CONTAINMENT_FAILED, place):
            await plugs.restart(place)
        await plugs.is_talked(place)
        assert plugs.table(place) == before
    finally:
        plugs.gateway(place).run("nft", f"delete table {'bridge' if place.bridged else 'inet'} crowd")


async def test_an_upgrade(plugs: Plugs) -> None:
    """Stopped, replaced, started: the table stands all the while."""
    deployment, environments = plugs.deployment, plugs.deployment.installation.environments
    before, folder = plugs.table(HARBOUR), plugs.upgraded("99.0.1")
    async with plugs.says(events.AGENT_STARTED, HARBOUR, version="99.0.1"):
        await deployment.agents[HARBOUR.id].stop()
        await plugs.is_talked(HARBOUR)
        assert plugs.table(HARBOUR) == before
        environments[HARBOUR.id]["PYTHONPATH"] = str(folder)
        await plugs.restart(HARBOUR)
    del environments[HARBOUR.id]["PYTHONPATH"]
    async with plugs.says(events.AGENT_STARTED, HARBOUR, version=__version__):
        await deployment.agents[HARBOUR.id].stop()
        await plugs.restart(HARBOUR)


async def test_a_full_disk(plugs: Plugs) -> None:
    """Nothing can be written: the table stands, and is put back all the same where somebody flushes it."""
    before = plugs.table(HARBOUR)
    plugs.disk.fill()
    try:
        assert "is full" in await plugs.status(HARBOUR)
        await plugs.deployment.until("the controller knows", plugs.is_full, 20)
        began = time.time()
        plugs.gateway(HARBOUR).run("nft", "delete table inet bartizan")
        await plugs.deployment.until("it is put back", lambda: plugs.table(HARBOUR) == before, REPAIR_SECONDS)
        plugs.pauses.append(Pause(HARBOUR.id, began, time.time()))
        await plugs.deployment.agents[HARBOUR.id].kill()
        await plugs.is_talked(HARBOUR)
        assert plugs.table(HARBOUR) == before
        await plugs.restart(HARBOUR)
    finally:
        plugs.disk.make_room()
    await plugs.deployment.until("the controller knows that there is room", plugs.has_room_again, 60)


@pytest.mark.parametrize(
    ("years", "told", "word"),
    [
        pytest.param(5, events.CATALOGUE_EXPIRED, "the catalogue has expired", id="ahead, past the catalogue's expiry"),
        pytest.param(-5, events.AGENT_CLOCK, "behind a time already seen", id="behind"),
    ],
)
async def test_a_clock_that_is_years_off(plugs: Plugs, years: int, told: str, word: str) -> None:
    before = plugs.table(HARBOUR)
    async with plugs.says(events.AGENT_CLOCK, HARBOUR, offset_seconds="-"):
        async with plugs.says(told, HARBOUR):
            plugs.clock.set_years_off(years)
        assert word in await plugs.status(HARBOUR)
        await plugs.is_talked(HARBOUR)
        assert plugs.table(HARBOUR) == before
        plugs.clock.set_right()


async def test_the_broker_and_the_controller_are_killed(plugs: Plugs) -> None:
    """Without them gateways hold what they held, repair what is flushed, and say that they are alone."""
    deployment, before = plugs.deployment, [plugs.table(place) for place in PLACES]
    await deployment.kill_broker()
    await deployment.until("all is as it was", plugs.is_well, 60)
    await deployment.controller.kill()
    try:
        for place in PLACES:
            assert "the controller cannot be reached" in await plugs.status(place)
            await plugs.is_talked(place)
        assert [plugs.table(place) for place in PLACES] == before
    finally:
        await deployment.controller.start()


@behind_both
async def test_a_dhcp_renewal(plugs: Plugs, place: SitePlan) -> None:
    """It reaches the router of the link, which answers; a server outside never hears of it."""
    request, loop = bytes([1, 1, 6, 0]) + bytes(232) + b"\x63\x82\x53\x63\x35\x01\x03\xff", asyncio.get_running_loop()
    gate = plugs.network(place).camera_network(place.cameras[0])
    with plugs.network(place).router.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, gate.udp_socket(DHCP_CLIENT) as client:
        server.setblocking(False)
        server.bind((str(place.gateway(1)), DHCP_SERVER))
        client.sendto(request, (OUTSIDE_SERVER, DHCP_SERVER))
        client.sendto(request, (str(place.gateway(1)), DHCP_SERVER))
        async with asyncio.timeout(5):
            heard, sender = await loop.sock_recvfrom(server, 2048)
            server.sendto(b"\x02" + heard[1:], sender)
            answer, _ = await loop.sock_recvfrom(client, 2048)
    assert (heard, answer[1:]) == (request, request[1:])


async def test_a_waiver_ends_by_itself(plugs: Plugs, tmp_path: Path) -> None:
    """Two people open for one camera; when their time is over it is shut, to the second, by nobody."""
    file, began = tmp_path / "waivers.yaml", time.time()
    expires = began + 12
    text = datetime.fromtimestamp(expires, UTC).isoformat(timespec="milliseconds")
    file.write_text(
        "waivers:\n"
        "  - waiver: gate-for-a-moment\n"
        "    owner: Head of estates\n"
        "    reason: A drill\n"
        "    compensating-control: Somebody looks on\n"
        "    starts: 2026-01-01\n"
        f"    expires: {text}\n"
        "    policies: [uk-hcws386]\n"
        "    level: watch\n"
        f"    when: {{all: [{{site: {HARBOUR.id}}}, {{maker: hikvision}}]}}\n",
        encoding="utf-8",
    )
    async with (
        plugs.says(events.LEVEL_CHANGED, HARBOUR, before="watch", after="isolate"),
        plugs.says(events.LEVEL_CHANGED, HARBOUR, before="isolate", after="watch"),
    ):
        await plugs.deployment.publish(file)
    plugs.pauses.append(Pause(HARBOUR.id, began, expires + 1))
    out = plugs.leaks(HARBOUR, began)
    assert len(out) > 100
    assert expires - 1 < out[-1].at < expires + 1


@behind_both
async def test_the_gateway_tries_to_get_out_itself(plugs: Plugs, place: SitePlan) -> None:
    """When somebody asks for it; and nothing of that is seen outside either."""
    if plugs.deployment.installation.environments.pop(place.id, {}):  # what fakes a clock refuses to sleep, too
        await plugs.deployment.agents[place.id].stop()
        await plugs.restart(place)
    proven = {f"cam0 at isolate: {family}" for family in ("IPv4", "IPv6")}
    async with plugs.says(events.CONTAINMENT_TESTED, place, why="order", ipv4="blocked", ipv6="blocked"):
        found = await plugs.deployment.people.ask("bartizan", "site", "self-test", place.id)
    assert (found["outcome"], set(found["proven"]), found["failed"]) == ("blocked", proven, [])
    posture = (await plugs.deployment.ask(f"sites/{place.id}/posture"))["posture"]
    assert found["ruleset"] == posture["ruleset_digest"]
    assert "self-test   blocked" in await plugs.status(place)


@behind_both
async def test_the_glass_is_broken_and_mended(plugs: Plugs, place: SitePlan) -> None:
    """By hand, loudly, and only until somebody ends it."""
    agent, began = plugs.deployment.installation, time.time()
    async with plugs.says(events.CONTAINMENT_RELEASED, place, by="duty officer"):
        done = await agent.on_gateway(place.id, "release", "--all", "--reason", "drill", "--by", "duty officer")
        assert done.code == 0, done.err
        await plugs.is_talked(place)
        assert "lifted by duty officer" in await plugs.status(place)
    done = await agent.on_gateway(place.id, "contain")
    assert done.code == 0, done.err
    await plugs.deployment.until("it is put back", lambda: bool(plugs.table(place)), 10, poll=0.02)
    ended = time.time()
    plugs.pauses.append(Pause(place.id, began, ended))
    assert plugs.leaks(place, began, ended)
