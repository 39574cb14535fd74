"""Two gateways of one site, by a real controller and broker: both hold what was ordered, and a lame one is seen."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.identity.model import Observation
from bartizan.ids import Address, DeviceId, Mac, OrderId, OrganisationId, SiteId
from bartizan.policy.model import SegmentFacts, SiteFacts
from bartizan.trust.orders import Raise
from bartizan.wire import codec, events
from bartizan_agent.gateway import Gateway
from bartizan_controller import housekeeping, orders
from bartizan_controller.access import Role
from bartizan_controller.orders import Change
from bartizan_controller.pushes import watch
from bartizan_controller.standby import Watch
from bartizan_controller.store import books, standbys
from tests.controller.running import ORGANISATION, Running, copy_of, run, until
from tests.controller.test_http_api import approver, sign
from tests.fakes.memory_firewall import MemoryFirewall
from tests.link.machine import Machine, heard, linked, new_site

SEEN = Observation("cam0", (Address("10.9.0.11"),), Mac("44:19:b6:00:00:11"))
DEVICE = DeviceId("mac:4419b6000011")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("standby") / "controller")) as one:
        yield one


async def enrolled(running: Running, folder: Path) -> tuple[SiteId, Machine]:
    site, token = await new_site(running)
    machine = Machine(folder)
    await machine.enrol(running.controller.api_url, token)
    return site, machine


async def declare(
    running: Running, template: Path, site: SiteId, standby: SiteId, default: Level = Level.BLOCK_EGRESS
) -> None:
    """Publish, with two signatures, that one gateway stands by for the site of the other."""
    organisation = OrganisationId(ORGANISATION)
    segments = (SegmentFacts("cam0", default_level=default),)
    sites = (SiteFacts(site, organisation, segments=segments), SiteFacts(standby, organisation, standby_for=site))
    keys = [approver(template, "approver-1"), approver(template, "approver-2")]
    files = msgspec.to_builtins({f"policy/sites-{organisation}.json": codec.encode(sites)})
    async with running.caller(Role.ADMIN) as admin:
        body = {"role": "policy", "prepared_by": keys[0].id, "files": files}
        change = (await admin.post("catalogue/changes", json=body)).raise_for_status().json()["id"]
        for key in keys:
            await sign(admin, change, key)
        (await admin.post(f"catalogue/changes/{change}/publish", json={})).raise_for_status()


def knows(running: Running, gateway: Gateway) -> bool:
    return gateway.hello().catalogue == running.parts.publication.versions


async def lacks(client: httpx.AsyncClient, site: SiteId, wanted: list[str]) -> bool:
    """Return whether the controller says that the only standby of a site lacks exactly this."""
    (standby,) = (await client.get(f"sites/{site}/posture")).raise_for_status().json()["standbys"]
    return bool(standby["lacks"] == wanted)


def strangers(firewall: MemoryFirewall) -> Level | None:
    return firewall.enforced.segments[0].default_level if firewall.enforced else None


def cameras(firewall: MemoryFirewall) -> dict[DeviceId, Level]:
    return {each.id: each.level for each in firewall.enforced.devices} if firewall.enforced else {}


async def counted(client: httpx.AsyncClient, site: SiteId, wanted: int) -> bool:
    """Return whether the controller lists so many devices at a site."""
    found = (await client.get("devices", params={"site": site})).raise_for_status().json()
    return len(found["items"]) == wanted


async def given(running: Running, change: Change) -> None:
    """Keep orders as if the broker had taken them, and lost them."""

    def apply(connection: Connection) -> None:
        book = orders.apply(connection, running.parts.sign, change, by="soc", now=time.time())
        books.note_published(connection, [book])

    await running.parts.database.write(apply)


async def test_both_gateways_enforce_the_same_and_the_controller_sees_it(
    running: Running, template: Path, tmp_path: Path
) -> None:
    firewalls = MemoryFirewall(), MemoryFirewall()
    site, first = await enrolled(running, tmp_path / "first")
    standby, second = await enrolled(running, tmp_path / "second")
    await declare(running, template, site, standby)
    looks = Watch()
    async with running.caller(Role.SOC, Role.ADMIN) as soc, linked(first, firewalls[0]) as main:
        async with linked(second, firewalls[1]) as other:
            await until(lambda: knows(running, main) and knows(running, other), seconds=30)
            for gateway in (main, other):
                gateway.observe((SEEN,))
                gateway.reconcile()
            assert [strangers(each) for each in firewalls] == [Level.BLOCK_EGRESS] * 2
            await until(lambda: counted(soc, site, 1), seconds=30)
            order = {"level": "quarantine", "device": DEVICE, "reason": "an intruder"}
            (await soc.post("orders", json=order)).raise_for_status()
            await until(lambda: [cameras(each) for each in firewalls] == [{DEVICE: Level.QUARANTINE}] * 2, seconds=30)
            assert other.hello().site_orders == main.hello().site_orders > 0
            assert (await soc.post("orders", json=order | {"site": standby})).status_code == 409
            assert await counted(soc, standby, 0)
            other.reconcile()  # as the agent's own loop does
            await until(lambda: lacks(soc, site, []), seconds=30)
        await until(lambda: lacks(soc, site, ["it is away"]), seconds=30)
        for _ in range(3):
            await housekeeping.look_at_standbys(running.parts, looks)
        raised = Raise(OrderId("by-name"), Level.ISOLATE, "given earlier", "soc")
        await given(running, Change(standby, (raised,)))
        async with linked(second, firewalls[1]) as other:
            await until(lambda: lacks(soc, site, []), seconds=30)
            await until(lambda: other._parts.last_good.generation(standby) > 0, seconds=30)
            await housekeeping.look_at_standbys(running.parts, looks)

    assert [each.detail for each in heard(running, site, events.STANDBY_BEHIND)] == [
        {"gateway": standby, "reasons": "it is away"}
    ]
    assert [each.detail for each in heard(running, site, events.STANDBY_READY)] == [{"gateway": standby}]


async def named(client: httpx.AsyncClient, running: Running, gateway: SiteId, wanted: list[str]) -> bool:
    """Return whether the controller names exactly this of what a gateway holds otherwise, all reports judged."""
    catalogue, now = running.parts.publication.catalogue, time.time() + 60
    made = await running.parts.database.read(lambda c: watch.judge(c, catalogue, now=now))
    await running.parts.database.write(lambda c: watch.keep(c, made, now=now))
    found = (await client.get("posture/differences")).raise_for_status().json()
    return [each["differences"] for each in found if each["site"] == gateway] == ([wanted] if wanted else [])


async def test_what_a_standby_would_hold_otherwise_is_an_alarm_and_its_devices_are_listed_once(
    running: Running, template: Path, tmp_path: Path
) -> None:
    """It has not heard of a camera that the other gateway quarantines: strangers get more there."""
    site, first = await enrolled(running, tmp_path / "first")
    standby, second = await enrolled(running, tmp_path / "second")
    await declare(running, template, site, standby)
    alarm = [f"{DEVICE}: the site's gateway holds quarantine; unknown to it, it gets block-egress there"]
    async with (
        running.caller(Role.SOC, Role.ADMIN) as soc,
        linked(first, MemoryFirewall()) as main,
        linked(second, MemoryFirewall()) as other,
    ):
        await until(lambda: knows(running, main) and knows(running, other), seconds=30)
        main.observe((SEEN,))
        main.reconcile()
        await until(lambda: counted(soc, site, 1), seconds=30)
        order = {"level": "quarantine", "device": DEVICE, "site": site, "reason": "an intruder"}
        (await soc.post("orders", json=order)).raise_for_status()
        await until(lambda: other.hello().site_orders == main.hello().site_orders > 0, seconds=30)
        for gateway in (main, other):
            gateway.reconcile()
        await until(lambda: named(soc, running, standby, alarm), seconds=30)
        (shown,) = (await soc.get(f"sites/{site}/posture")).raise_for_status().json()["standbys"]
        assert shown["differences"] == alarm

        other.observe((SEEN,))
        other.reconcile()
        await until(lambda: named(soc, running, standby, []), seconds=30)
        assert await counted(soc, standby, 0)
        assert await counted(soc, site, 1)

    assert heard(running, standby, events.POSTURE_DIFFERS)[0].detail == {"differences": alarm[0]}
    assert len(heard(running, standby, events.POSTURE_AGREES)) == 1


async def test_a_gateway_that_becomes_a_standby_leaves_no_devices_behind(
    running: Running, template: Path, tmp_path: Path
) -> None:
    """And what it tells of them as it did before is kept to judge it by."""
    site, _ = await enrolled(running, tmp_path / "first")
    standby, second = await enrolled(running, tmp_path / "second")
    async with running.caller(Role.SOC, Role.ADMIN) as soc, linked(second, MemoryFirewall()) as other:
        other.observe((SEEN,))
        other.reconcile()
        await until(lambda: counted(soc, standby, 1), seconds=30)
        await declare(running, template, site, standby, Level.ISOLATE)  # as strangers were held before
        await until(lambda: knows(running, other), seconds=30)
        other.reconcile()
        await until(lambda: counted(soc, standby, 0), seconds=30)

    held = await running.parts.database.read(lambda c: standbys.load(c, standby))
    assert [each.device.id for each in held or ()] == [DEVICE]
