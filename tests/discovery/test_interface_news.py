"""That an interface was renamed is known at once: nobody holds its segment until then."""

import asyncio
from collections.abc import Iterator

import pytest

from bartizan.ids import Address
from bartizan_agent.discovery.exchange import Caller, Peer, Question, Reached
from bartizan_agent.discovery.interfaces import named
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.watch import Watch
from bartizan_agent.settings import SegmentSettings
from bartizan_lab.netns import Namespace, veth

pytestmark = pytest.mark.netns

SECONDS = 8.0
"""Shorter than the ten for which the neighbour table is left unread after each reading."""


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with Namespace("gateway") as gateway, Namespace("far") as far:
        veth(gateway, "cam0", far, "cam0")
        gateway.ip("address add 10.9.0.1/24 dev cam0", "link set cam0 up")
        yield gateway


def test_a_renamed_interface_is_told_right_after_other_news(gateway: Namespace) -> None:
    async def rename() -> None:
        scanned, changed = asyncio.Event(), asyncio.Event()
        watch = Watch(
            (SegmentSettings("cam0"),),
            lambda _: scanned.set(),
            interval_seconds=3600,
            interfaces_changed=changed.set,
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(watch.run())
            await scanned.wait()
            gateway.ip("neighbour replace 10.9.0.20 lladdr 02:00:00:00:00:20 nud reachable dev cam0")
            await asyncio.sleep(0.5)
            changed.clear()
            gateway.ip("link set cam0 down", "link set cam0 name enp3s0")
            async with asyncio.timeout(SECONDS):
                await changed.wait()
            running.cancel()

    with gateway.entered():
        asyncio.run(rename())


def test_who_is_behind_an_interface_that_went_away_is_gone(gateway: Namespace) -> None:
    with gateway.entered():
        peer = Peer(named("cam0"), Address("10.9.0.20"))
        gateway.ip("link set cam0 down", "link set cam0 name enp3s0")
        reply = asyncio.run(Caller(Limits()).ask(peer, Question(80, b"", bool)))

    assert reply.reached is Reached.GONE
