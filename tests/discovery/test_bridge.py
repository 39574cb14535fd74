"""A gateway that is a bridge finds the devices behind its camera ports, says at which, and leaves the rest alone."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterator

import pytest

from bartizan.identity.model import Observation
from bartizan.ids import Mac
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.ports import Ports
from bartizan_agent.discovery.watch import Watch
from bartizan_agent.settings import SegmentSettings
from bartizan_lab.cameras import make
from bartizan_lab.netns import Namespace, bridge, until_up, veth
from bartizan_lab.network import HostNetwork

pytestmark = pytest.mark.netns
CAMERA, OTHER, OFFICE = "44:19:b6:00:00:11", "44:19:b6:00:00:12", "44:19:b6:00:00:13"
LIMIT_SECONDS = 20.0
ROOM_OCTETS = 64 << 20
_SO_RCVBUFFORCE = 33


class Site:
    """`br0` of the gateway with ports `cam0`, `cam1` and `up0`, a host behind each."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.gateway = stack.enter_context(Namespace("gw"))
        self.hosts = {
            port: self._host(stack, port, number, mac)
            for number, (port, mac) in enumerate((("cam0", CAMERA), ("cam1", OTHER), ("up0", OFFICE)), 11)
        }
        bridge(self.gateway, "br0", *self.hosts)
        self.gateway.ip("address add 10.9.0.1/24 brd + dev br0")
        until_up(self.gateway, *self.hosts, "br0")

    def _host(self, stack: contextlib.ExitStack, port: str, number: int, mac: str) -> HostNetwork:
        host = stack.enter_context(Namespace(f"h{number}"))
        veth(self.gateway, port, host, "eth0")
        host.ip(f"link set eth0 address {mac}", f"address add 10.9.0.{number}/24 brd + dev eth0", "link set eth0 up")
        return HostNetwork(f"10.9.0.{number}", "eth0", Mac(mac), None, functools.partial(_socket, host))


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack)


def watched(site: Site, names: tuple[str, ...]) -> tuple[Observation, ...]:
    """Return what a first scan tells."""

    async def act() -> tuple[Observation, ...]:
        cameras = {
            port: make("hikvision", number=number, mac=network.mac)
            for number, (port, network) in enumerate(site.hosts.items())
        }
        heard: asyncio.Queue[tuple[Observation, ...]] = asyncio.Queue()
        watch = Watch(
            [SegmentSettings(name) for name in names],
            heard.put_nowait,
            interval_seconds=3600,
            limits=Limits(),
            ports=Ports(names),
        )
        async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as tasks:
            living = [tasks.create_task(camera.run(site.hosts[port])) for port, camera in cameras.items()]
            for camera in cameras.values():
                await camera.wait_until_up()
            watching = tasks.create_task(watch.run())
            found = await heard.get()
            for task in (watching, *living):
                task.cancel()
        return found

    with site.gateway.entered():
        return asyncio.run(act())


@contextlib.contextmanager
def tap(site: Site, port: str) -> Iterator[list[bytes]]:
    """Yield what leaves by a port in TCP, filled in at the end of the block."""
    left: list[bytes] = []
    with site.gateway.entered():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    with ear:
        # By default it holds some 200 frames: fewer than are said in UDP before anybody connects.
        ear.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, ROOM_OCTETS)
        ear.bind((port, 3))
        ear.setblocking(False)
        yield left
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, *_) = ear.recvfrom(2048)
                if kind == socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_TCP:
                    left.append(frame)


def test_each_device_is_told_at_its_port_and_nobody_beyond_the_uplink(site: Site) -> None:
    with tap(site, "up0") as uplink, tap(site, "cam0") as camera:
        found = watched(site, ("cam0", "cam1"))

    assert camera
    assert not uplink
    assert {each.mac: each.interface for each in found} == {CAMERA: "cam0", OTHER: "cam1"}
    assert all(each.open_ports for each in found)


def test_a_port_that_is_no_segment_is_left_alone(site: Site) -> None:
    found = watched(site, ("cam0",))

    assert [each.mac for each in found] == [CAMERA]


def _socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)
