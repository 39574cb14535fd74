"""The watch: scans, then hears what comes, without asking and without polling."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bartizan.identity.model import Fact, Observation
from bartizan.ids import Mac, Network
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.watch import Watch
from bartizan_agent.settings import SegmentSettings
from bartizan_lab.cameras import make
from bartizan_lab.netns import Namespace, veth
from tests.discovery.test_dhcp import bootp

pytestmark = [pytest.mark.netns, pytest.mark.alone]

SEGMENT = SegmentSettings("cam0")
LATER = Mac("44:47:cc:00:00:09")
LIMITS = Limits(listen_seconds=0.3, read_seconds=0.2)


class Heard:
    """Collects what a watch tells."""

    def __init__(self) -> None:
        self.rounds: list[tuple[Observation, ...]] = []

    def models(self) -> set[str]:
        """Every model told so far."""
        return self.all(Fact.MODEL)

    def all(self, fact: Fact) -> set[str]:
        """Everything told so far of a fact."""
        return {said.value for told in self.rounds for seen in told for said in seen.evidence if said.fact is fact}

    def macs(self) -> set[str | None]:
        """Every MAC told so far."""
        return {seen.mac for told in self.rounds for seen in told}


async def watching(heard: Heard, act: Callable[[Watch], Any], *segments: SegmentSettings) -> None:
    watch = Watch(segments or (SEGMENT,), heard.rounds.append, interval_seconds=3600, limits=LIMITS)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        await act(watch)
        running.cancel()


def test_a_camera_that_is_plugged_in_is_told_without_a_scan(segment: Any) -> None:
    camera, heard = make("hikvision"), Heard()

    async def plug_in(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        network = segment.plug_in("10.9.0.20", camera.state.mac)
        async with camera.serve(network):
            with network.udp_client() as sender:  # the first thing a camera does is to ask for its gateway
                sender.sendto(b"", ("10.9.0.1", 9))
            await until(lambda: camera.state.mac in heard.macs())

    segment.run(lambda: watching(heard, plug_in))

    assert heard.rounds[0] == ()


def test_an_announcement_is_heard_and_leads_to_a_look(segment: Any) -> None:
    camera, heard = make("axis"), Heard()

    async def announce(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        async with camera.serve(segment.plug_in("10.9.0.20", camera.state.mac)):
            await until(lambda: "P3265-V" in heard.models())

    segment.run(lambda: watching(heard, announce))

    assert camera.state.mac in heard.macs()


def test_whoever_announces_itself_right_after_another_is_known_by_its_mac_without_waiting_for_the_table(
    segment: Any,
) -> None:
    """The neighbour table is read now and then, but never after the looks that need it."""
    first, second, heard = make("onvif"), make("dahua"), Heard()

    async def plug_in_both(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        async with first.serve(segment.plug_in("10.9.0.20", first.state.mac)):
            await until(lambda: first.state.mac in heard.macs())
            async with second.serve(segment.plug_in("10.9.0.21", second.state.mac)):
                await until(lambda: {first.state.mac, second.state.mac} <= heard.macs())

    segment.run(lambda: watching(heard, plug_in_both))


def test_sadp_answers_to_somebody_else_are_overheard(segment: Any) -> None:
    network, heard = segment.plug_in("10.9.0.20", "44:47:cc:00:00:01"), Heard()
    answer = b"<ProbeMatch><DeviceSN>DS-2CD2320D-I20180919AACHC52932642</DeviceSN></ProbeMatch>"

    async def speak(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        with network.udp_client() as sender:
            sender.sendto(answer, ("239.255.255.250", 37020))
            await until(lambda: "DS-2CD2320D-I" in heard.models())

    segment.run(lambda: watching(heard, speak))


def test_a_goodbye_is_heard_and_nobody_is_looked_at_for_it(segment: Any) -> None:
    network, heard = segment.plug_in("10.9.0.20", "44:47:cc:00:00:01"), Heard()
    byes = (
        (b'<e:Envelope xmlns:e="e" xmlns:d="d"><e:Body><d:Bye/></e:Body></e:Envelope>', ("239.255.255.250", 3702)),
        (b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nNT: upnp:rootdevice\r\n\r\n", ("239.255.255.250", 1900)),
    )

    async def leave(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        for count, (data, group) in enumerate(byes, start=1):
            with network.udp_client() as sender:
                sender.sendto(data, group)
                await until(lambda count=count: sum(map(bool, problems(heard))) == count)  # type: ignore[misc]

    segment.run(lambda: watching(heard, leave))

    assert problems(heard) == [("took leave of the network",)] * 2


def problems(heard: Heard) -> list[tuple[str, ...]]:
    return [seen.problems for told in heard.rounds[1:] for seen in told]


@pytest.mark.parametrize(
    ("port", "answer", "model"),
    [
        pytest.param(7711, b"\x0b".ljust(0x6D, b"\x00") + b"SNB-6004".ljust(0x99, b"\x00"), "SNB-6004", id="Hanwha"),
        pytest.param(
            1758,
            b"<d><friendlyName>DINION</friendlyName><serialNumber>044518</serialNumber></d>",
            "DINION",
            id="Bosch",
        ),
        pytest.param(10001, b"\x01\x00\x00\x09\x0c\x00\x06AirCam", "AirCam", id="Ubiquiti"),
    ],
)
def test_broadcast_answers_to_somebody_else_are_overheard(segment: Any, port: int, answer: bytes, model: str) -> None:
    network, heard = segment.plug_in("10.9.0.20", "44:47:cc:00:00:01"), Heard()

    async def speak(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        with network.udp_client() as sender:
            sender.sendto(answer, ("255.255.255.255", port))
            await until(lambda: model in heard.models())

    segment.run(lambda: watching(heard, speak))


def test_a_dhcp_request_is_overheard_and_believed_of_nobody_elses_address(segment: Any) -> None:
    camera, victim = Mac("ac:cc:8e:00:00:01"), Mac("44:47:cc:00:00:02")
    networks = {mac: segment.plug_in(f"10.9.0.2{number}", mac) for number, mac in enumerate((camera, victim))}
    heard = Heard()

    async def request(_: Watch) -> None:
        await until(lambda: {camera, victim} <= heard.macs())
        with networks[camera].udp_client() as sender:
            for address, vendor_class in (("10.9.0.21", b"false"), ("10.9.0.20", b"true")):
                options = ((50, bytes(int(part) for part in address.split("."))), (60, vendor_class))
                sender.sendto(bootp(*options, mac=camera), ("255.255.255.255", 67))
            await until(lambda: "true" in heard.all(Fact.VENDOR_CLASS))

    segment.run(lambda: watching(heard, request))

    assert heard.all(Fact.VENDOR_CLASS) == {"true"}


def test_a_scan_can_be_asked_for(segment: Any) -> None:
    segment.plug_in("10.9.0.20", "44:47:cc:00:00:01")
    heard = Heard()

    async def ask(watch: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        before = len(heard.rounds)
        watch.scan_now()
        watch.scan_now()
        await until(lambda: len(heard.rounds) > before)

    segment.run(lambda: watching(heard, ask))

    assert heard.macs() == {"44:47:cc:00:00:01"}


def test_a_segment_that_cannot_be_scanned_is_only_listened_to_and_said_so_once(
    segment: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    configured = SegmentSettings("cam0", networks=(Network("10.66.0.0/24"),))

    async def scan_twice(watch: Watch) -> None:
        await until(lambda: len(heard.rounds) == 1)
        watch.scan_now()
        await until(lambda: len(heard.rounds) == 2)

    segment.run(lambda: watching(heard, scan_twice, configured, SegmentSettings("missing")))

    troubles = sorted(record.__dict__["trouble"] for record in caplog.records if "trouble" in record.__dict__)
    assert troubles == [
        "only listening: 10.66.0.0/24 is not on the link of cam0, whose networks are: 10.9.0.0/24",
        "there is no interface 'missing': choose one of cam0",
    ]


@pytest.mark.parametrize("when", ["scanned", "listening"])
def test_an_interface_that_comes_later_is_watched_from_then_on(segment: Any, when: str) -> None:
    """Whether it comes while others are scanned, or afterwards."""
    heard = Heard()

    async def bring_it_up(watch: Watch) -> None:
        await until(lambda: bool(watch._scanned if when == "scanned" else heard.rounds))
        with later(segment) as far:
            far.ip("link set eth0 up")
            await until(lambda: LATER in heard.macs())

    segment.run(lambda: watching(heard, bring_it_up, SEGMENT, SegmentSettings("cam1")))


def test_who_is_behind_a_cable_that_is_plugged_in_later_is_asked(segment: Any) -> None:
    """It says nothing by itself, and the scan before asked nobody."""
    heard = Heard()

    async def plug_in(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        far.ip("link set eth0 up")
        await until(lambda: LATER in heard.macs())

    with later(segment) as far:
        segment.run(lambda: watching(heard, plug_in, SEGMENT, SegmentSettings("cam1")))

    assert heard.rounds[0] == ()


@contextlib.contextmanager
def later(segment: Any) -> Iterator[Namespace]:
    """Another interface of the gateway, and the only device on its link, whose own is still down."""
    with Namespace("later") as far:
        veth(segment.gateway, "cam1", far, "eth0")
        far.ip(f"link set eth0 address {LATER}", "address add 10.9.1.9/24 dev eth0")
        segment.gateway.sysctl("net.ipv6.conf.cam1.disable_ipv6", "1")  # an address of it would come with the carrier
        segment.gateway.ip("address add 10.9.1.1/24 dev cam1", "link set cam1 up")
        yield far


def test_an_idle_watch_does_not_wake_up(segment: Any) -> None:
    segment.plug_in("10.9.0.20", "44:47:cc:00:00:01")
    heard = Heard()
    spent: list[float] = []

    async def idle(_: Watch) -> None:
        await until(lambda: bool(heard.rounds))
        began = time.process_time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.Event().wait()
        spent.append(time.process_time() - began)

    segment.run(lambda: watching(heard, idle))

    assert spent[0] < 0.03


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.02)
