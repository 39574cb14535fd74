"""The neighbour table: ageing is no news, answers are; and sightings of one device become one observation."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address, Mac
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.interfaces import named
from bartizan_agent.discovery.neighbours import Neighbours, News, Table
from bartizan_agent.discovery.rtnetlink import DELAY, FAILED, INCOMPLETE, PROBE, REACHABLE, STALE, Neighbour
from bartizan_agent.discovery.sightings import Sighting, merge

CAMERA, OTHER = Address("10.9.0.20"), Address("10.9.0.21")
MAC, OTHER_MAC = Mac("44:47:cc:00:00:01"), Mac("3c:ef:8c:00:00:02")


def entry(state: int, mac: Mac | None = MAC, *, deleted: bool = False) -> Neighbour:
    return Neighbour(2, CAMERA, mac, state, deleted)


@pytest.mark.parametrize(
    ("story", "news"),
    [
        pytest.param([entry(INCOMPLETE, None), entry(REACHABLE)], [None, News.APPEARED], id="it answers our question"),
        pytest.param([entry(STALE)], [News.APPEARED], id="it asks for us"),
        pytest.param([entry(REACHABLE), entry(STALE), entry(DELAY)], [News.APPEARED, None, None], id="it ages"),
        pytest.param(
            [entry(STALE), entry(PROBE), entry(REACHABLE)], [News.APPEARED, None, News.CONFIRMED], id="it answers again"
        ),
        pytest.param([entry(PROBE), entry(FAILED, None)], [News.APPEARED, News.GONE], id="it answers no more"),
        pytest.param([entry(INCOMPLETE, None), entry(FAILED, None)], [None, None], id="it was never there"),
        pytest.param(
            [entry(REACHABLE), entry(REACHABLE, OTHER_MAC)], [News.APPEARED] * 2, id="another took the address"
        ),
        pytest.param(
            [entry(STALE), entry(STALE, deleted=True), entry(INCOMPLETE, None), entry(STALE)],
            [News.APPEARED, None, None, News.CONFIRMED],
            id="the kernel tidies up, and needs it again",
        ),
        pytest.param(
            [entry(STALE), entry(STALE, deleted=True), entry(STALE, OTHER_MAC)],
            [News.APPEARED, None, News.APPEARED],
            id="the kernel tidies up, and another took the address",
        ),
        pytest.param(
            [entry(STALE), entry(STALE, deleted=True), entry(INCOMPLETE, None), entry(FAILED, None), entry(REACHABLE)],
            [News.APPEARED, None, None, News.GONE, News.APPEARED],
            id="the kernel tidies up, and it was away meanwhile",
        ),
        pytest.param(
            [entry(REACHABLE), entry(REACHABLE, deleted=True), entry(REACHABLE)],
            [News.APPEARED, None, News.CONFIRMED],
            id="the kernel tidies up, and it answers again",
        ),
        pytest.param(
            [entry(STALE), entry(INCOMPLETE, None), entry(STALE)],
            [News.APPEARED, None, None],
            id="nobody told that the kernel tidied up before it asked",
        ),
    ],
)
def test_only_answers_are_news(story: list[Neighbour], news: list[News | None]) -> None:
    table = Table()

    assert [table.learn(step) for step in story] == news


def test_who_was_known_before_is_no_news_and_not_taken_for_there() -> None:
    table = Table()
    table.learn(entry(STALE))
    table.begin_again()

    assert (table.entries(), table.mac_of(2, CAMERA)) == ((), None)
    assert table.learn(entry(STALE)) is News.CONFIRMED
    assert table.entries() == (entry(STALE),)


def test_a_failed_entry_gives_no_mac() -> None:
    table = Table()
    table.learn(entry(FAILED))

    assert table.mac_of(2, CAMERA) is None
    assert table.entries() == ()


def test_a_dump_of_a_real_kernel_is_read() -> None:
    # RTM_NEWNEIGH: IPv4 10.9.0.20 on interface 2, reachable, 44:47:cc:00:00:01; then the end of the dump.
    captured = bytes.fromhex(
        "38000000 1c000200 01000000 00000000  02000000 02000000 0200 00 01"
        " 0800 0100 0a090014  0a00 0200 4447cc000001 0000  0800 0400 00000000"
        " 14000000 03000200 01000000 00000000 00000000"
    )

    assert list(rtnetlink.messages(captured)) == [entry(REACHABLE), rtnetlink.Done()]


@pytest.mark.netns
def test_a_device_that_is_plugged_in_is_noticed_without_asking(segment: Any) -> None:
    async def act() -> list[tuple[Address, Mac | None, News]]:
        seen: list[tuple[Address, Mac | None, News]] = []
        told = asyncio.Event()

        def tell(found: Neighbour, news: News) -> None:
            seen.append((found.address, found.mac, news))
            told.set()

        with Neighbours([named("cam0").index], tell):
            network = segment.plug_in("10.9.0.20", MAC)
            with contextlib.closing(network.udp_client()) as sender:
                async with asyncio.timeout(5):
                    while not told.is_set():
                        sender.sendto(b"", ("10.9.0.1", 9))
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(told.wait(), 0.1)
        return seen

    assert segment.run(act)[0] == (CAMERA, MAC, News.APPEARED)


@pytest.mark.netns
def test_who_came_while_nobody_followed_the_table_is_told_as_soon_as_somebody_does(segment: Any) -> None:
    """As between a scan and the listening that follows it."""

    async def act() -> list[Address]:
        appeared: list[Address] = []
        table, index = Table(), named("cam0").index
        segment.gateway.ip(f"neigh replace {CAMERA} lladdr {MAC} nud stale dev cam0")
        with Neighbours([index], lambda found, _: appeared.append(found.address), table=table):
            pass
        segment.gateway.ip(f"neigh replace {OTHER} lladdr {OTHER_MAC} nud stale dev cam0")
        with Neighbours([index], lambda found, news: told(found, news, appeared), table=table, go_on=True):
            pass
        return appeared

    def told(found: Neighbour, news: News, appeared: list[Address]) -> None:
        if news is News.APPEARED:
            appeared.append(found.address)

    assert segment.run(act) == [OTHER]


@pytest.mark.netns
def test_a_sweep_s_dead_addresses_do_not_keep_a_newcomer_waiting(segment: Any) -> None:
    """Whoever asked for two hundred addresses is told of each; the table is read to its end all the same."""
    crowd = [f"neigh replace 10.9.0.{number} lladdr 44:47:cc:00:01:02 nud stale dev cam0" for number in range(30, 230)]

    async def fall_behind_and_catch_up() -> list[Address]:
        appeared: list[Address] = []

        def tell(found: Neighbour, news: News) -> None:
            if news is News.APPEARED:
                appeared.append(found.address)

        with Neighbours([named("cam0").index], tell, pause_seconds=3600.0) as neighbours:
            segment.gateway.ip(*crowd)
            async with asyncio.timeout(10):
                while len(appeared) < len(crowd):
                    await asyncio.sleep(0)
            segment.gateway.ip(f"neigh replace {CAMERA} lladdr {MAC} nud stale dev cam0")
            neighbours.catch_up()
        return appeared

    assert segment.run(fall_behind_and_catch_up)[-1] == CAMERA


@pytest.mark.netns
def test_what_happens_on_other_interfaces_wakes_nobody(segment: Any) -> None:
    """Every message to the controller makes the kernel tell twice of the way there."""
    segment.gateway.ip("link add up0 type veth peer name up1", "address add 10.8.0.1/24 dev up0", "link set up0 up")

    async def act() -> tuple[list[Address], int]:
        appeared: list[Address] = []
        index = named("cam0").index
        many = [index, *range(1000, 1100)]  # as many as need a program of some length
        with Neighbours(many, lambda found, _: appeared.append(found.address)) as neighbours:
            reads = woken_by(neighbours)
            segment.gateway.ip("neigh replace 10.8.0.9 lladdr 44:47:cc:00:01:02 nud stale dev up0")
            await asyncio.sleep(0.2)
            woken = reads()
            segment.gateway.ip(f"neigh replace {CAMERA} lladdr {MAC} nud stale dev cam0")
            async with asyncio.timeout(5):
                while not appeared:
                    await asyncio.sleep(0.01)
        return appeared, woken

    assert segment.run(act) == ([CAMERA], 0)


@pytest.mark.netns
def test_what_changes_now_and_then_is_read_without_a_pause_and_a_storm_with_one(segment: Any) -> None:
    async def act() -> tuple[bool, bool, list[Address]]:
        appeared: list[Address] = []
        with Neighbours(
            [named("cam0").index], lambda found, _: appeared.append(found.address), pause_seconds=0.4
        ) as neighbours:
            segment.gateway.ip(f"neigh replace {CAMERA} lladdr {MAC} nud stale dev cam0")
            await asyncio.sleep(0.1)
            paused_after_one = neighbours.is_pausing
            segment.gateway.ip(f"neigh replace {OTHER} lladdr {OTHER_MAC} nud stale dev cam0")
            await asyncio.sleep(0.1)
            paused_after_two = neighbours.is_pausing
            segment.gateway.ip(f"neigh replace 10.9.0.22 lladdr {OTHER_MAC} nud stale dev cam0")
            await asyncio.sleep(0.1)
            before_the_end = list(appeared)
            async with asyncio.timeout(5):
                while len(appeared) < 3:
                    await asyncio.sleep(0.01)
        return paused_after_one, paused_after_two, before_the_end

    assert segment.run(act) == (False, True, [CAMERA, OTHER])


def woken_by(neighbours: Neighbours) -> Callable[[], int]:
    """Return what counts how often the kernel had something to read."""
    loop, woken = asyncio.get_running_loop(), [0]
    descriptor = neighbours._socket.fileno()

    def read() -> None:
        woken[0] += 1
        neighbours._read()

    loop.add_reader(descriptor, read)
    return lambda: woken[0]


def maker(name: str) -> Evidence:
    return Evidence(Fact.MAKER, name, Source.SADP, 80)


def test_addresses_of_one_mac_are_one_device() -> None:
    seen = [
        Sighting("cam0", CAMERA, (maker("hikvision"),), open_ports=(80,)),
        Sighting("cam0", Address("fe80::1"), open_ports=(554,), problems=("a\x1b[31m",)),
        Sighting("cam0", OTHER, (maker("dahua"),)),
    ]
    macs = {("cam0", CAMERA): MAC, ("cam0", Address("fe80::1")): MAC, ("cam0", OTHER): OTHER_MAC}

    other, camera = merge(seen, macs)

    assert (camera.mac, camera.addresses, camera.open_ports) == (MAC, ("10.9.0.20", "fe80::1"), (80, 554))
    assert camera.problems == ("a [31m",)
    assert camera.evidence == (Evidence(Fact.MAC, MAC, Source.NEIGHBOUR, 100, "neighbour table"), maker("hikvision"))
    assert other.mac == OTHER_MAC


def test_who_is_seen_is_there_with_all_its_ipv6_addresses() -> None:
    """The kernel does not prove an address anew while it is in use: at a scan, few of them are news."""
    macs = {
        ("cam0", CAMERA): MAC,
        ("cam0", Address("fd00::20")): MAC,
        ("cam0", Address("fe80::1")): MAC,
        ("rec0", Address("fd00::21")): MAC,
        ("cam0", Address("10.9.0.99")): MAC,
    }

    (observation,) = merge([Sighting("cam0", CAMERA)], macs)

    assert observation.addresses == (CAMERA, "fd00::20", "fe80::1")


def test_nobody_hides_behind_the_mac_of_a_device_that_is_there() -> None:
    seen = [Sighting("cam0", CAMERA), Sighting("cam0", Address("192.168.1.64"), (maker("axis"),), claimed_mac=MAC)]

    observations = merge(seen, {("cam0", CAMERA): MAC})

    assert [(x.addresses, x.mac) for x in observations] == [(("192.168.1.64",), None), ((CAMERA,), MAC)]


def test_the_word_of_a_device_with_an_odd_address_is_taken_if_nobody_else_has_that_mac() -> None:
    (observation,) = merge([Sighting("cam0", Address("192.168.1.64"), claimed_mac=MAC)], {})

    assert observation.mac == MAC


def test_a_talkative_device_is_cut_short() -> None:
    seen = [Sighting("cam0", CAMERA, (maker(f"m{n}"),), problems=(f"p{n}",)) for n in range(500)]

    (observation,) = merge(seen, {})

    assert (len(observation.evidence), len(observation.problems)) == (64, 8)
