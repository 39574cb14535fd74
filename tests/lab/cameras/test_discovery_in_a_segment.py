"""Cameras on one segment, found by programs on another host of it: multicast and broadcast for real."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bartizan_lab.cameras import Setting, Timings, make
from bartizan_lab.netns import Namespace, until_up, veth
from bartizan_lab.network import HostNetwork

pytestmark = pytest.mark.netns

KINDS = ("hikvision", "hikvision-oem", "dahua", "axis", "onvif", "arecont", "printer")
ADDRESSES = {kind: f"10.77.0.{11 + number}" for number, kind in enumerate(KINDS)}
INQUIRY = b'<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>1</Uuid><Types>inquiry</Types></Probe>'
SEARCH_BODY = b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}'
LENGTH = len(SEARCH_BODY).to_bytes(4, "little") + bytes(4)
SEARCH = b"\x20\0\0\0DHIP" + bytes(8) + LENGTH + LENGTH + SEARCH_BODY

FIND_BY_WSDISCOVERY = """
import json
from wsdiscovery.discovery import ThreadedWSDiscovery
finder = ThreadedWSDiscovery()
finder.start()
found = finder.searchServices(timeout=2)
print(json.dumps(sorted({address for service in found for address in service.getXAddrs()})))
finder.stop()
"""

FIND_BY_ZEROCONF = """
import json, threading
from zeroconf import ServiceBrowser, Zeroconf
seen, enough = {}, threading.Event()
class Listener:
    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name)
        seen[name] = [info.parsed_addresses(), info.port, {k.decode(): v.decode() for k, v in info.properties.items()}]
        if len(seen) == 2:
            enough.set()
    def update_service(self, *_): pass
    def remove_service(self, *_): pass
zeroconf = Zeroconf()
browser = ServiceBrowser(zeroconf, ["_axis-video._tcp.local.", "_arec._tcp.local."], Listener())
enough.wait(8)
print(json.dumps(seen))
zeroconf.close()
"""


@dataclass(frozen=True)
class Segment:
    """Two hosts on one cable: the scanner, and one with all the cameras."""

    scanner: Namespace
    cameras: Namespace

    def network(self, kind: str) -> HostNetwork:
        return HostNetwork(ADDRESSES[kind], "eth0", new_socket=self._new_socket)

    async def output_of(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self.scanner.command(*arguments), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return out.decode()

    @contextlib.contextmanager
    def hearing(self, port: int = 0) -> Iterator[socket.socket]:
        """Yield a socket of the scanner's, as a gateway's agent would make it."""
        with self.scanner.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.1"))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.bind(("", port))
            yield sock

    def _new_socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        with self.cameras.entered():
            return socket.socket(family, kind)


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Namespace("scanner") as scanner, Namespace("cameras") as cameras:
        veth(scanner, "eth0", cameras, "eth0")
        scanner.ip("address add 10.77.0.1/24 dev eth0", "link set eth0 up", "route add 224.0.0.0/4 dev eth0")
        own = [f"address add {address}/24 dev eth0" for address in ADDRESSES.values()]
        cameras.ip(*own, "link set eth0 up", "route add 224.0.0.0/4 dev eth0")
        for host in (scanner, cameras):
            until_up(host, "eth0")
        yield Segment(scanner, cameras)


@contextlib.asynccontextmanager
async def all_up(segment: Segment, **facts: dict[str, Any]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for kind in KINDS:
            camera = make(kind, setting=Setting(Timings(reboot_seconds=0.1)), **facts.get(kind, {}))
            await stack.enter_async_context(camera.serve(segment.network(kind)))
        yield


async def hear(sock: socket.socket, count: int, ask: Callable[[], object] = lambda: None) -> dict[str, bytes]:
    """Return one datagram from each of `count` senders, asking again now and then: datagrams may be lost."""
    loop = asyncio.get_running_loop()
    heard: dict[str, bytes] = {}
    async with asyncio.timeout(8):
        while len(heard) < count:
            ask()
            with contextlib.suppress(TimeoutError):
                octets, sender = await asyncio.wait_for(loop.sock_recvfrom(sock, 65535), 0.3)
                heard[sender[0]] = octets
    return heard


async def test_programs_that_others_wrote_find_them(segment: Segment) -> None:
    """WS-Discovery, UPnP and mDNS by nmap; wsdiscovery; zeroconf."""
    scripts = "broadcast-wsdd-discover,broadcast-upnp-info,broadcast-dns-service-discovery"
    async with all_up(segment):
        nmap, by_wsdiscovery, by_zeroconf = await asyncio.gather(
            segment.output_of("nmap", "-n", "-e", "eth0", "--script", scripts),
            segment.output_of(sys.executable, "-c", FIND_BY_WSDISCOVERY),
            segment.output_of(sys.executable, "-c", FIND_BY_ZEROCONF),
        )

    speak_onvif = sorted(f"http://{ADDRESSES[kind]}/onvif/device_service" for kind in ("dahua", "axis", "onvif"))
    assert json.loads(by_wsdiscovery) == speak_onvif
    assert [address for address in speak_onvif if f"Address: {address}" in nmap] == speak_onvif
    assert json.loads(by_zeroconf) == {
        "AXIS P3265-V - ACCC8E000001._axis-video._tcp.local.": [
            [ADDRESSES["axis"]],
            80,
            {"macaddress": "ACCC8E000001"},
        ],
        "ARECONT AV 2256PM-AV000001._arec._tcp.local.": [
            [ADDRESSES["arecont"]],
            80,
            {"MAC": "001A07000001/2256PM         "},
        ],
    }
    assert ":80/upnpdevicedesc.xml" in nmap
    assert "80/tcp axis-video" in nmap
    assert "80/tcp arec" in nmap
    assert "9100/tcp pdl-datastream" in nmap


async def test_sadp_reaches_the_group_and_each_generation_answers_its_way(segment: Segment) -> None:
    """Old firmware answers to the group, new firmware to the asker: both reach one who listens on 37020."""
    async with all_up(segment, hikvision={"firmware": "V5.5.6"}):
        with segment.hearing(37020) as member, segment.hearing() as other:
            own = socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.1")
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, own)
            to_group = await hear(member, 2, lambda: other.sendto(INQUIRY, ("239.255.255.250", 37020)))

    assert set(to_group) == {ADDRESSES["hikvision"], ADDRESSES["hikvision-oem"]}
    assert b"<SoftwareVersion>V5.5.6build 240826</SoftwareVersion>" in to_group[ADDRESSES["hikvision"]]


async def test_new_firmware_answers_sadp_to_the_asker_also_by_broadcast(segment: Segment) -> None:
    async with all_up(segment):
        with segment.hearing() as asker:
            by_multicast = await hear(asker, 1, lambda: asker.sendto(INQUIRY, ("239.255.255.250", 37020)))
            by_broadcast = await hear(asker, 1, lambda: asker.sendto(INQUIRY, ("10.77.0.255", 37020)))

    assert set(by_multicast) == set(by_broadcast) == {ADDRESSES["hikvision"]}


@pytest.mark.parametrize("to", ["239.255.255.251", "255.255.255.255", "10.77.0.255"])
async def test_dhdiscover_by_multicast_and_broadcast(segment: Segment, to: str) -> None:
    async with all_up(segment):
        with segment.hearing() as asker:
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            heard = await hear(asker, 1, lambda: asker.sendto(SEARCH, (to, 37810)))

    assert b'"SerialNo": "5A04B5FPAG00001"' in heard[ADDRESSES["dahua"]]


async def test_a_camera_says_hello_when_it_comes_up(segment: Segment) -> None:
    with segment.hearing(3702) as member:
        own = socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.1")
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, own)
        async with make("onvif").serve(segment.network("onvif")):
            heard = await hear(member, 1)

    assert b"<d:Hello><a:EndpointReference><a:Address>urn:uuid:" in heard[ADDRESSES["onvif"]]
