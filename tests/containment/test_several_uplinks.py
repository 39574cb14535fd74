"""A camera leaves by none of a gateway's uplinks what its level does not let it, whichever they are and become.

No uplink is named to Bartizan, so none can be forgotten: a camera's packets are judged by where they come from and
where they go to. What leaves the gateway is heard on all its interfaces at once, those included that come later.
"""

import contextlib
import fcntl
import itertools
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace, route_between, veth
from tests.containment.reference_model import Packet, passes
from tests.containment.wire import ipv4, ipv6

pytestmark = pytest.mark.netns

CAMERA, CAMERA6, MAC = Address("10.9.0.11"), Address("fd00:9::11"), Mac("02:00:00:00:00:11")
STRANGER, STRANGER6, STRANGER_MAC = "10.9.0.66", "fd00:9::66", "02:00:00:00:00:66"
RECORDER, RECORDER6 = Address("10.1.0.5"), Address("fd00:1::5")
PEERS = (RECORDER, "10.1.0.6", "198.51.100.7", RECORDER6, "fd00:1::6", "2001:db8::7")
PORTS = (53, 443, 554)
GATEWAY_MAC, ROUTER_MAC = "02:00:00:00:ff:01", "02:00:00:00:ee:01"
FREE = Packet("free0", "free0", "02:00:00:00:00:99", "192.0.2.1", "192.0.2.2")
"""Of no segment, so it always passes."""
WAIT_SECONDS = 20.0
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_EVERYTHING = 3  # ETH_P_ALL


class Gateway:
    """A router with a camera segment `cam0`. Uplinks are laid by `uplink` and `tunnel`, and chosen by `lead`."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._numbers = itertools.count(0xB417_0000_0000_0000)
        self._via: dict[str, str] = {}
        self.host = stack.enter_context(Namespace("gateway"))
        self._far = stack.enter_context(Namespace("far"))
        route_between(self.host)
        for key in ("all", "default"):
            self.host.sysctl(f"net.ipv4.conf.{key}.rp_filter", "0")
        self.segment()
        self._lay("free0")
        self.host.ip("route add 192.0.2.2 dev free0", _neighbour("192.0.2.2", "free0"))
        with self.host.entered():
            ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERYTHING))
        self._ear = stack.enter_context(ear)
        self._ear.setblocking(False)
        # What leaves after the packet sent last was let out after it only if one processor does all the work.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        stack.callback(os.sched_setaffinity, 0, before)

    def segment(self) -> None:
        """Make the camera segment's interface, with two neighbours on it."""
        self._lay("cam0")
        self.host.ip(
            "address add 10.9.0.1/24 dev cam0",
            "address add fd00:9::1/64 dev cam0",
            *(_neighbour(one, "cam0") for one in (CAMERA, CAMERA6, STRANGER, STRANGER6)),
        )

    def uplink(self, name: str) -> None:
        """Lay a cable to a router behind which every peer is."""
        self._lay(name)
        self._via[name] = f"172.31.{len(self._via)}.2"
        self.host.ip(f"address add 172.31.{len(self._via) - 1}.1/24 dev {name}")
        self.host.ip(_neighbour(self._via[name], name), _neighbour("fe80::2", name))

    def tunnel(self, name: str) -> None:
        """Make an uplink as a VPN makes it: without a link layer, and with a program at its other end."""
        with self.host.entered():
            program = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(program, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        self._stack.callback(os.close, program)
        self.host.ip(f"link set {name} up")

    def lead(self, name: str, *, table: str = "main") -> None:
        """Make an uplink the way to everywhere."""
        via4, via6 = (f"via {self._via[name]}", "via fe80::2") if name in self._via else ("", "")
        self.host.ip(f"route replace 0.0.0.0/0 {via4} dev {name} table {table}")
        self.host.ip(f"route replace ::/0 {via6} dev {name} table {table}")

    def rename(self, name: str, new: str) -> None:
        """Rename an uplink; what the kernel forgets meanwhile is told to it again."""
        self.host.ip(f"link set {name} down", f"link set {name} name {new}", f"link set {new} up")
        self._via[new] = self._via.pop(name)
        self.host.ip(_neighbour(self._via[new], new), _neighbour("fe80::2", new))

    def ways(self, packets: list[Packet]) -> list[str]:
        """Send packets; return for each the interface by which it left, or nothing where it did not."""
        numbers = [next(self._numbers) for _ in (*packets, FREE)]
        with self._far.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cables:
            for packet, number in zip((*packets, FREE), numbers, strict=True):
                cables.sendto(_frame(packet, number), (packet.from_interface, 0))
        heard: dict[int, str] = {}
        ends_at = time.monotonic() + WAIT_SECONDS
        while numbers[-1] not in heard:
            ready, _, _ = select.select([self._ear], (), (), max(0.0, ends_at - time.monotonic()))
            assert ready, "the gateway does not forward"
            heard |= dict(self._left())
        return [heard.get(number, "") for number in numbers[:-1]]

    def _left(self) -> Iterator[tuple[int, str]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (interface, _, kind, *_) = self._ear.recvfrom(2048)
                if kind == socket.PACKET_OUTGOING:
                    yield int.from_bytes(packet[-8:], "big"), interface

    def _lay(self, name: str) -> None:
        veth(self.host, name, self._far, name)
        self._far.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1")
        self._far.ip(f"link set {name} up")
        self.host.ip(f"link set {name} address {GATEWAY_MAC}", f"link set {name} up")
        ends_at = time.monotonic() + WAIT_SECONDS
        # A queue takes nothing until the kernel has got round to noticing the carrier.
        while not all(" UP " in end.run("ip", "-brief", "link", "show", name) for end in (self.host, self._far)):
            assert time.monotonic() < ends_at, f"{name} does not come up"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with contextlib.ExitStack() as stack:
        made = Gateway(stack)
        made.uplink("up0")
        made.uplink("up1")
        made.lead("up0")
        yield made


@pytest.fixture(params=Level, ids=lambda level: level.value)
def ruleset(request: pytest.FixtureRequest, gateway: Gateway, tmp_path: Path) -> Iterator[Ruleset]:
    """Enforce this level on a camera and on strangers beside it, before anything happens to the gateway."""
    level: Level = request.param
    camera = ContainedDevice(DeviceId("camera"), "cam0", level, (MAC,), (CAMERA, CAMERA6), (RECORDER, RECORDER6))
    wanted = Ruleset((Segment("cam0", level),), (Network("10.0.0.0/8"), Network("fd00::/8")), (camera,))
    with gateway.host.entered():
        firewall = Nftables(tmp_path)
    with contextlib.closing(firewall):
        firewall.apply(wanted)
        yield wanted


OUTWARD = [
    Packet("cam0", "", mac, source, peer, "udp", 40000, port)
    for mac, sources in ((MAC, (CAMERA, CAMERA6)), (STRANGER_MAC, (STRANGER, STRANGER6)))
    for source, peer, port in itertools.product(sources, PEERS, PORTS)
    if (":" in source) == (":" in peer)
]


def inward(uplink: str) -> list[Packet]:
    """Return what the peers send back, by this uplink."""
    return [
        Packet(uplink, "cam0", ROUTER_MAC, each.destination, each.source, "udp", each.to_port, each.from_port)
        for each in OUTWARD
    ]


def judged(ruleset: Ruleset, packets: list[Packet], way: str) -> list[str]:
    """Return what `Gateway.ways` must."""
    return [way if passes(ruleset, each) else "" for each in packets]


def test_whichever_uplink_leads_and_by_whichever_they_answer(gateway: Gateway, ruleset: Ruleset) -> None:
    for leads, answers in itertools.product(("up0", "up1"), repeat=2):
        gateway.lead(leads)

        assert gateway.ways(OUTWARD) == judged(ruleset, OUTWARD, leads)
        assert gateway.ways(inward(answers)) == judged(ruleset, inward(answers), "cam0")


def test_an_uplink_that_comes_later_or_under_another_name(gateway: Gateway, ruleset: Ruleset) -> None:
    gateway.uplink("wwan0")
    gateway.lead("wwan0")
    assert gateway.ways(OUTWARD) == judged(ruleset, OUTWARD, "wwan0")
    assert gateway.ways(inward("wwan0")) == judged(ruleset, inward("wwan0"), "cam0")

    gateway.rename("up1", "fibre")
    gateway.lead("fibre")
    assert gateway.ways(OUTWARD) == judged(ruleset, OUTWARD, "fibre")


def test_a_tunnel_chosen_by_policy_routing(gateway: Gateway, ruleset: Ruleset) -> None:
    gateway.tunnel("wg0")
    gateway.lead("wg0", table="77")
    gateway.host.run("ip", "rule", "add", "from", "10.9.0.0/24", "table", "77")
    gateway.host.run("ip", "-6", "rule", "add", "from", "fd00:9::/64", "table", "77")

    assert gateway.ways(OUTWARD) == judged(ruleset, OUTWARD, "wg0")
    assert gateway.ways(inward("up1")) == judged(ruleset, inward("up1"), "cam0")


def test_a_camera_interface_that_is_made_anew(gateway: Gateway, ruleset: Ruleset) -> None:
    gateway.host.ip("link delete cam0")
    gateway.segment()

    assert gateway.ways(OUTWARD) == judged(ruleset, OUTWARD, "up0")
    assert gateway.ways(inward("up1")) == judged(ruleset, inward("up1"), "cam0")


def _neighbour(address: str, interface: str) -> str:
    return f"neigh replace {address} lladdr {ROUTER_MAC} dev {interface} nud permanent"


def _frame(packet: Packet, number: int) -> bytes:
    ends = bytes.fromhex((GATEWAY_MAC + packet.from_mac).replace(":", ""))
    if ip_address(packet.source).version == 4:
        return ends + b"\x08\x00" + ipv4(packet, number)
    return ends + b"\x86\xdd" + ipv6(packet, number)
