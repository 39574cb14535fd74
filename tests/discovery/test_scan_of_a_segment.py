"""A scan of a real segment, in namespaces: what is there is found, what is not asked for is left alone."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from bartizan.identity.model import Fact, Kind, Observation
from bartizan.identity.score import identify
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interfaces import interfaces, named
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import Target, target
from bartizan_agent.knowledge import packaged
from bartizan_lab.cameras import Camera, Fault, Setting, Timings, make
from bartizan_lab.netns import Namespace, until_up, veth
from bartizan_lab.network import HostNetwork

T = TypeVar("T")

pytestmark = [pytest.mark.netns, pytest.mark.alone]


class Segment(Protocol):
    """As in conftest.py."""

    gateway: Namespace

    def plug_in(self, address: str, mac: str, *, also: str = "") -> HostNetwork: ...

    def run(self, act: Callable[[], Awaitable[T]]) -> T: ...


FAST = Limits(listen_seconds=0.3)
"""For tests whose devices answer at once."""
IMPATIENT = Limits(listen_seconds=0.3, read_seconds=0.1)
"""For tests whose devices never answer."""
PORTS = (80, 443, 554, 8000, 8080, 37777)

KINDS = {
    # kind: (maker said, model, firmware said without a login)
    "hikvision": ("hikvision", "DS-2CD2143G2-I", "V5.7.18 build 240826"),
    "hikvision-oem": ("hikvision", "I51DL", "V5.5.800 build 210628"),
    "hikvision-nvr": ("hikvision", "DS-7616NI-K2/16P", "V4.62.210 build 231012"),
    "dahua": ("dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R"),
    "dahua-oem": ("dahua", "VIP-3230-D", "2.800.00IB004.0.R"),
    "axis": ("axis", "P3265-V", "11.11.160"),
    "hanwha": ("hanwha", "QNV-8080R", ""),
    "uniview": ("uniview", "IPC3614SB-ADF28KM", ""),
    "bosch": ("bosch", "NBE-3503-AL", ""),
    "lineage-xiongmai": ("", "NBD8016", ""),
    "onvif": ("", "NC-200", ""),
    "vivotek": ("vivotek", "IB9387-H", ""),
    "foscam": ("foscam", "", "11.37.2.49"),
    "sony": ("sony", "SNC-VB770", "2.7.0"),
    "panasonic": ("panasonic", "WV-S2136L", "3.00"),
    "ubiquiti": ("ubiquiti", "UVC", "3.10.13"),
    "vision360": ("360vision", "IPDOME", ""),
    "vstarcam": ("vstarcam", "", "66.81.204.19"),
    "nicevision": ("nice", "NVE1008", ""),
    "eden": ("eden", "Optima box", ""),
    "arecont": ("arecont", "AV2256PM", ""),
    "printer": ("", "Example LaserJob 400", ""),
}


def test_every_kind_of_device_is_found_and_known(segment: Segment) -> None:
    devices = plug_in_all(segment, [make(kind, number=number) for number, kind in enumerate(KINDS, 1)])

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([target(named("cam0"), None, Limits())])

    observations = segment.run(act)

    found = {best(x, Fact.MODEL): (best(x, Fact.MAKER), best(x, Fact.FIRMWARE)) for x in observations}
    assert found == {model: (maker, firmware) for maker, model, firmware in KINDS.values()}
    assert {x.mac for x in observations} == {camera.state.mac for camera, _ in devices}
    assert [camera.state.meddling for camera, _ in devices] == [[]] * len(devices)


def test_a_scan_of_what_has_not_changed_connects_to_nobody(segment: Segment) -> None:
    devices = plug_in_all(segment, [make(kind, number=number) for number, kind in enumerate(KINDS, 1)])
    looked = Looked()
    sent: list[int] = []
    found: list[tuple[Observation, ...]] = []

    async def act() -> None:
        async with serving(devices):
            for _ in range(2):
                before = packets_sent(segment)
                wanted = target(named("cam0"), [IPv4Network("10.9.0.16/28"), IPv4Network("10.9.0.32/28")], FAST)
                found.append(await scan([wanted], FAST, looked=looked))
                sent.append(packets_sent(segment) - before)

    segment.run(act)

    macs = {camera.state.mac for camera, _ in devices}
    assert [{observation.mac for observation in observations} for observations in found] == [macs, macs]
    assert all(observation.open_ports for observation in found[0])
    assert not any(observation.open_ports for observation in found[1])
    assert sent[1] < sent[0] / 3  # most of what is left is one question a protocol, and one nudge an address


def test_who_says_something_new_is_looked_at_again(segment: Segment) -> None:
    camera = make("hikvision")
    devices = plug_in_all(segment, [camera])
    looked = Looked()
    ports: list[tuple[int, ...]] = []

    async def act() -> None:
        async with serving(devices):
            for firmware in ("V5.7.18", "V5.7.18", "V5.8.1"):
                camera.state.firmware = firmware
                (observation,) = await scan([target(named("cam0"), None, FAST)], FAST, looked=looked)
                ports.append(observation.open_ports)

    segment.run(act)

    assert ports[0] == ports[2] != ()
    assert ports[1] == ()


def test_a_camera_that_hears_no_group_is_asked_alone(segment: Segment) -> None:
    network = segment.plug_in("10.9.0.20", "44:47:cc:00:00:01")
    answer = b"<ProbeMatch><DeviceSN>DS-2CD2320D-I20180919AACHC52932642</DeviceSN></ProbeMatch>"

    async def act() -> tuple[Observation, ...]:
        loop = asyncio.get_running_loop()
        with network.udp_socket(37020) as sock:  # bound to its own address: no group reaches it

            async def respond() -> None:
                _, asker = await loop.sock_recvfrom(sock, 65535)
                await loop.sock_sendto(sock, answer, asker)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(respond())
                return await scan([target(named("cam0"), None, FAST)], FAST)

    (observation,) = segment.run(act)

    assert best(observation, Fact.MODEL) == "DS-2CD2320D-I"


def test_hostile_devices_do_not_stop_the_others(segment: Segment) -> None:
    faults = (
        Fault.SILENT,
        Fault.SLOW,
        Fault.RUBBISH,
        Fault.XML_BOMB,
        Fault.ENDLESS_BODY,
        Fault.WRONG_CONTENT_LENGTH,
        Fault.REDIRECT,
        Fault.HALF_CLOSE,
        Fault.DUPLICATE_ANSWERS,
        Fault.ABSURD_CONTENT_LENGTH,
    )
    setting = Setting(timings=Timings(slow_seconds=3.0))
    hostile = [
        make("hikvision", number=number, faults={fault}, setting=setting) for number, fault in enumerate(faults, 1)
    ]
    devices = plug_in_all(segment, [*hostile, make("axis")])

    async def act() -> tuple[float, tuple[Observation, ...]]:
        async with serving(devices):
            began = time.monotonic()
            observations = await scan([target(named("cam0"), None, Limits())])
            return time.monotonic() - began, observations

    seconds, observations = segment.run(act)

    assert {x.mac for x in observations} == {camera.state.mac for camera, _ in devices}
    assert best(by_mac(observations, devices[-1][0]), Fact.FIRMWARE) == "11.11.160"
    assert by_mac(observations, hostile[2]).problems
    assert seconds < 6.0


def test_a_scan_ends_in_time_and_keeps_what_it_has(segment: Segment) -> None:
    devices = plug_in_all(segment, [make("hikvision", faults={Fault.SILENT}), make("dahua")])
    words: list[str] = []

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            wanted = target(named("cam0"), None, Limits())
            return await scan([wanted], Limits(total_seconds=1.3, read_seconds=5.0, device_seconds=20.0), words.append)

    observations = segment.run(act)

    assert best(by_mac(observations, devices[1][0]), Fact.MAKER) == "dahua"
    assert by_mac(observations, devices[0][0]).addresses == ("10.9.0.20",)
    assert any("stopped after 1.3 s" in word for word in words)


def test_cancelling_a_scan_leaves_nothing_open(segment: Segment) -> None:
    devices = plug_in_all(segment, [make("hikvision", faults={Fault.SILENT})])

    async def act() -> tuple[int, int]:
        async with serving(devices):
            wanted = [target(named("cam0"), None, Limits())]
            before = open_sockets()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.6):
                    await scan(wanted)
            return before, open_sockets()

    before, after = segment.run(act)

    # The camera still holds the one connection that was opened to it; of ours none is left.
    assert after <= before + 1


def test_one_connection_at_a_time_goes_to_a_device_of_two_addresses(segment: Segment) -> None:
    network = segment.plug_in("10.9.0.20", "44:47:cc:00:00:01", also="10.9.0.21")
    connections: list[socket.socket] = []
    open_at_once: list[int] = []

    async def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            connections.append(connection)
            open_at_once.append(sum(not is_closed_by_peer(other) for other in connections))

    async def act() -> tuple[Observation, ...]:
        with contextlib.ExitStack() as opened:
            async with asyncio.TaskGroup() as servers:
                listeners = [opened.enter_context(listener_on_both(network, port)) for port in PORTS]
                accepting = [servers.create_task(accept(listener)) for listener in listeners]
                observations = await scan([target(named("cam0"), None, FAST)], IMPATIENT)
                for task in accepting:
                    task.cancel()
            for connection in connections:
                connection.close()
            return observations

    (observation,) = segment.run(act)

    assert observation.addresses == ("10.9.0.20", "10.9.0.21")
    assert observation.open_ports == PORTS
    assert len(connections) >= 2 * len(PORTS)
    assert max(open_at_once) == 1  # none, where it was closed before it was accepted


def test_a_camera_with_an_address_of_another_network_is_heard_but_not_connected_to(segment: Segment) -> None:
    devices = [(make("hikvision"), segment.plug_in("192.168.1.64", "44:47:cc:00:00:01"))]

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([target(named("cam0"), None, FAST)], FAST)

    (observation,) = segment.run(act)

    assert observation.addresses == ("192.168.1.64",)
    assert observation.mac == "44:47:cc:00:00:01"
    assert best(observation, Fact.MODEL) == "DS-2CD2143G2-I"
    assert observation.open_ports == ()


def test_without_a_sweep_nothing_is_connected_to(segment: Segment) -> None:
    devices = plug_in_all(segment, [make("hikvision"), make("dahua")])

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([Target(named("cam0"))], FAST)

    observations = segment.run(act)

    assert {best(x, Fact.MAKER) for x in observations} == {"hikvision", "dahua"}
    assert all(x.open_ports == () for x in observations)


def test_only_addresses_of_the_given_networks_are_tried(segment: Segment) -> None:
    devices = plug_in_all(segment, [make("hikvision"), make("dahua")])  # .20 and .21

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([target(named("cam0"), [IPv4Network("10.9.0.21/32")], FAST)], FAST)

    observations = segment.run(act)

    assert [x.addresses[0] for x in observations if x.open_ports] == ["10.9.0.21"]


def test_doors_for_engineers_and_onvif_without_a_login_are_seen(segment: Segment) -> None:
    faults = {Fault.TELNET, Fault.ONVIF_OPEN}
    devices = plug_in_all(segment, [make("onvif", faults=faults), make("dahua", setting=Setting(https=True))])

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([target(named("cam0"), None, Limits())])

    observations = segment.run(act)
    careless, careful = (by_mac(observations, camera) for camera, _ in devices)

    assert 23 in careless.open_ports
    switches = (Fact.TELNET, Fact.SSH, Fact.ONVIF_WITHOUT_LOGIN, Fact.PLAIN_HTTP)
    assert [best(careless, fact) for fact in switches] == ["on", "off", "on", "on"]
    assert [best(careful, fact) for fact in switches] == ["off", "off", "off", "on"]
    assert best(careless, Fact.SERIAL) == devices[0][0].state.serial
    assert [camera.state.meddling for camera, _ in devices] == [[], []]


def test_what_a_hikvision_asks_a_login_for_tells_what_it_is_where_its_badge_hides_it(segment: Segment) -> None:
    """A camera asks as `IP Camera(…)`. A recorder asks by its model, which is none of Hikvision's under a badge."""
    recorder: dict[str, Any] = {
        "model": "N46PCK",
        "device_type": "NVR",
        "oem_code": 26,
        "brand": "Annke",
        "server": "webserver",
    }
    devices = plug_in_all(segment, [make("hikvision-oem"), make("hikvision-oem", number=2, **recorder)])

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            return await scan([target(named("cam0"), None, Limits())])

    observations = segment.run(act)
    by = packaged()
    kinds = [identify(by_mac(observations, camera), by.directory).kind for camera, _ in devices]

    assert kinds == [Kind.CAMERA, Kind.UNKNOWN]
    assert [camera.state.meddling for camera, _ in devices] == [[], []]


def test_a_silent_device_is_found_by_the_link_alone(segment: Segment) -> None:
    segment.plug_in("10.9.0.77", "00:11:22:33:44:55")

    async def act() -> tuple[Observation, ...]:
        return await scan([target(named("cam0"), None, FAST)], FAST)

    (observation,) = segment.run(act)

    assert (observation.mac, observation.addresses) == ("00:11:22:33:44:55", ("10.9.0.77",))


def test_a_device_with_ipv6_only_is_found_and_looked_at(segment: Segment) -> None:
    network = segment.plug_in("169.254.1.1", "b8:a4:4f:00:00:01")
    segment.gateway.sysctl("net.ipv6.conf.cam0.disable_ipv6", "0")

    async def act() -> tuple[Observation, ...]:
        await until(lambda: named("cam0").has_ipv6)
        listener = network.new_socket(socket.AF_INET6, socket.SOCK_STREAM)
        listener.bind(("::", 80))

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nServer: App-webs/\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, sock=listener):
            return await scan([target(named("cam0"), None, FAST)], FAST)

    (observation,) = segment.run(act)

    assert observation.addresses == ("fe80::baa4:4fff:fe00:1",)
    assert best(observation, Fact.SERVER) == "App-webs/"


def test_several_segments_with_the_same_addresses_are_kept_apart(segment: Segment) -> None:
    """The second is called as a VLAN's sub-interface is, which is an interface like any other."""
    with Namespace("far") as far:
        veth(segment.gateway, "cam0.20", far, "eth0")
        segment.gateway.ip("address add 10.9.0.1/24 dev cam0.20", "link set cam0.20 up")
        far.ip("link set eth0 address 3c:ef:8c:00:00:09", "address add 10.9.0.20/24 dev eth0", "link set eth0 up")
        until_up(far, "eth0")
        segment.plug_in("10.9.0.20", "44:47:cc:00:00:01")

        async def act() -> tuple[Observation, ...]:
            return await scan([target(named(name), None, FAST) for name in ("cam0", "cam0.20")], FAST)

        observations = segment.run(act)

    assert {(x.interface, x.addresses, x.mac) for x in observations} == {
        ("cam0", ("10.9.0.20",), "44:47:cc:00:00:01"),
        ("cam0.20", ("10.9.0.20",), "3c:ef:8c:00:00:09"),
    }


def test_a_flood_of_answers_does_not_hide_the_others(segment: Segment) -> None:
    flooder = segment.plug_in("10.9.0.66", "02:00:00:00:00:66")
    devices = plug_in_all(segment, [make("hikvision")])

    async def act() -> tuple[Observation, ...]:
        async with serving(devices):
            async with asyncio.TaskGroup() as tasks:
                flooding = tasks.create_task(flood(flooder, b"<ProbeMatch><DeviceSN>x</DeviceSN></ProbeMatch>"))
                observations = await scan([target(named("cam0"), None, FAST)], FAST)
                flooding.cancel()
            return observations

    observations = segment.run(act)

    assert best(by_mac(observations, devices[0][0]), Fact.MODEL) == "DS-2CD2143G2-I"


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (["10.0.0.0/8"], "10.0.0.0/8 is not on the link of cam0"),
        (["10.8.0.0/24"], "10.8.0.0/24 is not on the link of cam0, whose networks are: 10.9.0.0/16"),
        (None, "65536 addresses; at most 4096 are tried at a time"),
        (["10.9.0.0/20", "10.9.32.0/24"], "4352 addresses; at most 4096"),
    ],
)
def test_a_network_named_by_mistake_is_refused(segment: Segment, networks: list[str] | None, words: str) -> None:
    segment.gateway.ip("address delete 10.9.0.1/24 dev cam0", "address add 10.9.0.1/16 dev cam0")
    wanted = [IPv4Network(text) for text in networks] if networks else None

    async def act() -> Target:
        return target(named("cam0"), wanted, Limits())

    with pytest.raises(CannotScan, match=re.escape(words)):
        segment.run(act)


def test_interfaces_that_are_missing_or_down_are_refused(segment: Segment) -> None:
    segment.gateway.ip("link add spare type bridge")

    async def act() -> None:
        with pytest.raises(CannotScan, match="there is no interface 'cam9': choose one of cam0"):
            named("cam9")
        with pytest.raises(CannotScan, match="interface 'spare' is down"):
            named("spare")
        assert [x.name for x in interfaces()] == ["lo", "cam0", "spare"]

    segment.run(act)


def plug_in_all(segment: Segment, cameras: list[Camera]) -> list[tuple[Camera, HostNetwork]]:
    return [(camera, segment.plug_in(f"10.9.0.{20 + n}", camera.state.mac)) for n, camera in enumerate(cameras)]


async def flood(device: HostNetwork, data: bytes) -> None:
    with device.udp_client() as sender:
        while True:
            for _ in range(50):
                with contextlib.suppress(BlockingIOError):
                    sender.sendto(data, ("239.255.255.250", 37020))
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(devices: list[tuple[Camera, HostNetwork]]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for camera, network in devices:
            await stack.enter_async_context(camera.serve(network))
        yield


def listener_on_both(network: HostNetwork, port: int) -> socket.socket:
    listener = network.new_socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(("", port))
    listener.listen()
    return listener


def is_closed_by_peer(connection: socket.socket) -> bool:
    """Whether the other side has closed it, seen without taking anything out of it."""
    connection.setblocking(False)
    try:
        data = connection.recv(65536)
        while data:
            data = connection.recv(65536)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


def best(observation: Observation, fact: Fact) -> str:
    said = [item for item in observation.evidence if item.fact is fact]
    return max(said, key=lambda item: item.weight).value if said else ""


def by_mac(observations: tuple[Observation, ...], camera: Camera) -> Observation:
    return next(x for x in observations if x.mac == camera.state.mac)


def packets_sent(segment: Segment) -> int:
    shown = segment.gateway.run("ip", "-s", "-j", "link", "show", "cam0")
    return int(json.loads(shown)[0]["stats64"]["tx"]["packets"])


def open_sockets() -> int:
    return sum(
        str(entry.readlink()).startswith("socket:") for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.02)
