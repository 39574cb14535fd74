"""On a bridge, too, what the kernel lets through is what the reference model says, frame by frame."""

import contextlib
import dataclasses
import itertools
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.settings import Topology
from bartizan_lab.netns import Namespace, bridge, veth
from tests.containment.bridge_model import DISCOVERY, Frame, group_of, passes
from tests.containment.rulesets import ABROAD4, CAMERAS4, CAMERAS6, ESTATE4, ESTATE6, MACS, SEGMENTS, UPLINK, rulesets
from tests.containment.wire import end, heard_frame, ipv4, ipv6

pytestmark = pytest.mark.netns

PORTS = (*SEGMENTS, UPLINK)
ROUTERS = (Address("10.9.0.1"), Address("fe80::1"))
HOST = "02:00:00:00:ee:01"
STANDS_AT: dict[str, str] = {**{str(mac): SEGMENTS[number % 2] for number, mac in enumerate(MACS)}, HOST: UPLINK}
ADDRESSES4 = (*CAMERAS4, *ESTATE4, *ABROAD4[:1], *[ROUTERS[0]] * 4, "255.255.255.255")
ADDRESSES6 = (*CAMERAS6, *ESTATE6, *[ROUTERS[1]] * 4, "ff02::1", "ff02::2", "ff02::1:2")
GROUPS = tuple(sorted({group_of(address) for address in (*CAMERAS6, *ESTATE6, ROUTERS[1])}))
PROTOCOLS = ("tcp", "udp", "icmp", "arp", "dhcp", "discovery", "other", "hidden")
SEEN = Frame(UPLINK, "watched", HOST, "192.0.2.1", "192.0.2.2", to_mac="02:00:00:00:ee:02")
WAIT_SECONDS = 30.0
WRAPPINGS = ("snap", "ppp", "mpls", "jumbo")
_TWO = tuple(((outer, one), (inner, 20)) for outer in (0x8100, 0x88A8) for inner in (0x8100, 0x88A8) for one in (0, 20))
# None, a priority alone, one of 802.1Q or 802.1ad, and two in each order.
TAGS = st.sampled_from((*[()] * 6, ((0x8100, 0xA000),), ((0x8100, 20),), ((0x88A8, 0x2014),), *_TWO))


class Site:
    """A bridge with two camera ports, an uplink, and a port that no ruleset names, whose frames always pass."""

    def __init__(self, firewall: Nftables, ends: dict[str, socket.socket]) -> None:
        self.firewall = firewall
        self._ends = ends
        self._numbers = itertools.count(1)

    def passed(self, frames: Iterable[Frame]) -> list[bool]:
        """Send the frames; return for each whether it came out where its receiver stands."""
        sent = []
        for each in (*frames, SEEN):
            data = octets(each, next(self._numbers))
            sent.append((each.to_interface, data))
            self._ends[each.from_interface].send(data)
        heard: set[tuple[str, bytes]] = set()
        ends_at = time.monotonic() + WAIT_SECONDS
        while sent[-1] not in heard:
            ready, _, _ = select.select(self._ends.values(), (), (), max(0.0, ends_at - time.monotonic()))
            assert ready, "the bridge does not forward"
            heard |= set(self._drain())
        heard |= set(self._drain())
        return [one in heard for one in sent[:-1]]

    def _drain(self) -> Iterator[tuple[str, bytes]]:
        for port, far_end in self._ends.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    yield port, heard_frame(far_end)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ports = (*PORTS, "watched")
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Namespace("gateway"))
        far = stack.enter_context(Namespace("wire"))
        for port in ports:
            veth(gateway, port, far, port)
            far.sysctl(f"net.ipv6.conf.{port}.disable_ipv6", "1")
            far.ip(f"link set {port} up promisc on")
        bridge(gateway, "br0", *ports)
        gateway.ip(*(f"link set {port} type bridge_slave learning off" for port in ports))
        for mac, port in {**STANDS_AT, SEEN.to_mac: SEEN.to_interface}.items():
            gateway.run("bridge", "fdb", "replace", mac, "dev", port, "master", "static")
        # What comes out after the frame sent last was let out after it only if one processor does all the work.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        stack.callback(os.sched_setaffinity, 0, before)
        with far.entered():
            ends = {port: stack.enter_context(end(port)) for port in ports}
        with gateway.entered():
            firewall = Nftables(tmp_path_factory.mktemp("state"), topology=Topology.BRIDGE)
        stack.callback(firewall.close)
        yield Site(firewall, ends)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame of any kind, honest or not, to a receiver at another port."""
    from_interface = draw(st.sampled_from(PORTS))
    to_mac = draw(st.sampled_from([mac for mac, port in STANDS_AT.items() if port != from_interface]))
    protocol = draw(st.sampled_from(PROTOCOLS))
    v6 = protocol in ("discovery", "hidden") or (protocol not in ("arp", "other") and draw(st.booleans()))
    pool = ADDRESSES6 if v6 else ADDRESSES4
    if protocol in ("dhcp", "discovery") and draw(st.booleans()):
        near: tuple[str, ...] = (
            (ROUTERS[1], "ff02::1", "ff02::2", "ff02::1:2") if v6 else (ROUTERS[0], "255.255.255.255")
        )
    else:
        near = (*pool, *GROUPS, *GROUPS) if v6 else pool
    destination = draw(st.sampled_from(near))
    source = draw(st.sampled_from([one for one in pool if not one.startswith(("ff", "255"))]))
    plain = Frame(from_interface, STANDS_AT[to_mac], draw(st.sampled_from((*MACS, HOST))), source, destination, "udp")
    return _of_kind(plain, protocol, to_mac, draw)


def _of_kind(plain: Frame, protocol: str, to_mac: str, draw: st.DrawFn) -> Frame:
    ports, icmpv6_type, later = (0, 0), 0, draw(st.sampled_from((False, False, False, True)))
    if protocol in ("tcp", "udp"):
        ports = draw(st.sampled_from(((53, 80), (554, 40000), (40000, 853), (68, 67), (123, 123))))
    elif protocol == "dhcp":
        client = (546, 547) if ":" in plain.source else (68, 67)
        ports, protocol = draw(st.sampled_from((client, client[::-1]))), "udp"
    elif protocol == "discovery":
        icmpv6_type, protocol = draw(st.sampled_from((*DISCOVERY, 135, 143))), "icmp"
    elif protocol == "icmp" and ":" in plain.source:
        icmpv6_type = 128
    if protocol in ("arp", "other", "hidden"):
        later = False
    plain = dataclasses.replace(plain, protocol=protocol, from_port=ports[0], to_port=ports[1], tags=draw(TAGS))
    wrapping = draw(st.sampled_from(("",) * 9 + WRAPPINGS)) if protocol not in ("arp", "other") else ""
    plain = dataclasses.replace(plain, icmpv6_type=icmpv6_type, later_fragment=later, wrapping=wrapping)
    return dataclasses.replace(plain, to_mac=to_mac)


def octets(each: Frame, number: int) -> bytes:
    """Return a frame, carrying a number to know it by."""
    ends = bytes.fromhex((each.to_mac + each.from_mac).replace(":", ""))
    ends += b"".join(struct.pack("!HH", *tag) for tag in each.tags)
    if each.protocol == "other":  # PROFINET, as good as any
        return ends + struct.pack("!HQ", 0x8892, number) + bytes(40)
    if each.protocol == "arp":
        macs = bytes.fromhex(each.from_mac.replace(":", "")), bytes.fromhex(each.to_mac.replace(":", ""))
        body = macs[0] + ip_address(each.source).packed + macs[1] + ip_address(each.destination).packed
        return ends + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + body + struct.pack("!Q", number) + bytes(10)
    if ip_address(each.source).version == 4:
        return ends + _wrapped(each, 0x0800, ipv4(each, number))
    packet = ipv6(each, number)
    if each.icmpv6_type and not each.later_fragment:
        packet = packet[:40] + bytes([each.icmpv6_type]) + packet[41:]
    return ends + _wrapped(each, 0x86DD, packet)


def _wrapped(each: Frame, ethertype: int, packet: bytes) -> bytes:
    if each.wrapping == "snap":  # IEEE 802.2 with 802.3's length where else the Ethertype is
        return (
            struct.pack("!H", len(packet) + 8) + bytes.fromhex("aaaa03000000") + struct.pack("!H", ethertype) + packet
        )
    if each.wrapping == "ppp":  # RFC 2516
        return (
            struct.pack("!HBBHHH", 0x8864, 0x11, 0, 1, len(packet) + 2, 0x21 if ethertype == 0x0800 else 0x57) + packet
        )
    if each.wrapping == "mpls":  # RFC 3032: one label, the bottom of the stack
        return struct.pack("!HI", 0x8847, 16 << 12 | 0x100 | 64) + packet
    return struct.pack("!H", 0x8870 if each.wrapping == "jumbo" else ethertype) + packet


@given(rulesets(), st.booleans(), st.lists(frames(), min_size=100, max_size=100))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_the_bridge_passes_what_the_model_passes(site: Site, ruleset: Ruleset, routed: bool, sent: list[Frame]) -> None:  # noqa: FBT001 - drawn
    ruleset = replace(ruleset, routers=ROUTERS if routed else ())

    site.firewall.apply(ruleset)

    assert site.firewall.read().intact
    judged = zip(sent, site.passed(sent), strict=True)
    assert [(each, passed) for each, passed in judged if passed != passes(ruleset, each)] == []


def test_a_tag_hides_no_claim_to_the_address_of_who_is_held(site: Site) -> None:
    """Nor does a priority alone, which every receiver ignores: this was how a stranger could answer for a camera."""
    segments, held = (Segment("cam0", Level.WATCH),), Address("10.9.0.11")
    camera = ContainedDevice(DeviceId("camera"), "cam0", Level.QUARANTINE, (MACS[0],), (held,))
    claim = Frame("cam0", UPLINK, "02:00:00:00:00:99", held, "10.1.0.5", "arp", to_mac=HOST)
    sent = [dataclasses.replace(claim, tags=tags) for tags in ((), ((0x8100, 0xA000),), ((0x8100, 20),))]

    site.firewall.apply(Ruleset(segments, (), ()))
    assert site.passed(sent) == [True, True, True]
    site.firewall.apply(Ruleset(segments, (), (camera,)))

    assert site.passed(sent) == [False, False, False]


@pytest.mark.parametrize("tag", [(0x8100, 20), (0x88A8, 20)])
def test_an_isolated_camera_in_a_vlan_finds_its_recorder(site: Site, tag: tuple[int, int]) -> None:
    camera4, camera6, recorder4, recorder6 = map(Address, ("10.9.0.11", "fd00:a::11", ESTATE4[0], ESTATE6[0]))
    camera = ContainedDevice(
        DeviceId("camera"), "cam0", Level.ISOLATE, (MACS[0],), (camera4, camera6), (recorder4, recorder6)
    )
    site.firewall.apply(Ruleset((Segment("cam0", Level.ISOLATE),), (), (camera,)))
    asks4 = Frame("cam0", UPLINK, MACS[0], camera4, recorder4, "arp", to_mac=HOST, tags=(tag,))
    asks6 = dataclasses.replace(
        asks4, source=camera6, destination=group_of(recorder6), protocol="icmp", icmpv6_type=135
    )
    elsewhere4 = dataclasses.replace(asks4, destination=ESTATE4[1])
    elsewhere6 = dataclasses.replace(asks6, destination=group_of(ESTATE6[1]))

    assert site.passed([asks4, asks6, elsewhere4, elsewhere6]) == [True, True, False, False]
