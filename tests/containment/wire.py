"""A gateway in a namespace, and the far ends of its cables in another, where any frame can be put and heard.

The gateway has fixed neighbours for every address in play, so that nothing but what a test sends is on the wire.
"""

import contextlib
import itertools
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from bartizan_lab.netns import Namespace, route_between, veth
from tests.containment.reference_model import Packet
from tests.containment.rulesets import INTERFACES, SEGMENTS, UPLINK

Passage = tuple[str, bytes]
"""An interface, and what came out of it from the addresses on."""

_UNCHANGED = 26  # forwarding rewrites MACs, hop limit and IPv4 checksum, all before this octet
_MACS = 12
_PORTS = (*SEGMENTS, UPLINK)
_GATEWAY_MAC = {port: f"02:00:00:00:ff:{number:02x}" for number, port in enumerate(_PORTS)}
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_PROTOCOL = {("tcp", 4): 6, ("tcp", 6): 6, ("udp", 4): 17, ("udp", 6): 17, ("icmp", 4): 1, ("icmp", 6): 58}
_SOL_PACKET, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 263, 8, 23
_AUXDATA = struct.Struct("=IIIHHHH")  # tpacket_auxdata
_TAG_IS_VALID = 0x10
_EVERYTHING = 3  # ETH_P_ALL
WAIT_SECONDS = 30.0

# An address of the core and one of the Internet, on interfaces that no ruleset names: such packets always pass.
_UNTOUCHED = Packet(UPLINK, UPLINK, "02:00:00:00:00:fe", "192.0.2.1", "192.0.2.2")


class Wire:
    """Sends packets into the gateway's interfaces and hears which come out again."""

    def __init__(self, gateway: Namespace, ends: dict[str, socket.socket]) -> None:
        self.gateway = gateway
        self._ends = ends
        self._numbers = itertools.count(1)

    def forwarded(self, packets: Iterable[Packet], *, tags: bytes = b"") -> list[bool]:
        """Send the packets and return, for each, whether the gateway passed it on by the interface it should.

        Args:
            packets: To send, each in a frame of its own.
            tags: What to put in front of their Ethertype.
        """
        sent: list[Passage] = []
        for packet, between in (*((packet, tags) for packet in packets), (_UNTOUCHED, b"")):
            data = frame(packet, next(self._numbers))
            sent.append((packet.to_interface, data[_UNCHANGED:]))
            self._ends[packet.from_interface].send(data[:_MACS] + between + data[_MACS:])
        heard = self._heard(until=sent[-1])
        return [passage in heard for passage in sent[:-1]]

    def send(self, port: str, data: bytes) -> None:
        """Put one frame on a cable."""
        self._ends[port].send(data)

    def _heard(self, until: Passage) -> set[Passage]:
        """Return what has come out once the packet sent last has; frames of one processor keep their order."""
        heard: set[Passage] = set()
        ends_at = time.monotonic() + WAIT_SECONDS
        while until not in heard:
            ready, _, _ = select.select(self._ends.values(), (), (), max(0, ends_at - time.monotonic()))
            assert ready, "the gateway does not forward"
            heard |= set(self._drain())
        return heard | set(self._drain())

    def _drain(self) -> Iterator[Passage]:
        for port, end in self._ends.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    yield port, end.recv(2048)[_UNCHANGED:]


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """Make the gateway, its cables and everything it must know to forward, and take it all away at the end."""
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(Namespace("gateway"))
        far = stack.enter_context(Namespace("wire"))
        route_between(gateway)
        for port in _PORTS:
            veth(gateway, port, far, port)
            far.sysctl(f"net.ipv6.conf.{port}.disable_ipv6", "1")
            far.ip(f"link set {port} up promisc on")
            gateway.ip(f"link set {port} address {_GATEWAY_MAC[port]}", f"link set {port} up")
        gateway.ip(*_routes())
        for key in ("rp_filter", "send_redirects"):
            for port in ("all", *_PORTS):
                gateway.sysctl(f"net.ipv4.conf.{port}.{key}", "0")
        # What comes out after the packet sent last was let out after it only if one processor does all the work.
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        stack.callback(os.sched_setaffinity, 0, before)
        with far.entered():
            ends = {port: stack.enter_context(end(port)) for port in _PORTS}
        yield Wire(gateway, ends)


def frame(packet: Packet, number: int) -> bytes:
    """Return the Ethernet frame of a packet, carrying a number to know it by."""
    version = ip_address(packet.source).version
    network = ipv4(packet, number) if version == 4 else ipv6(packet, number)
    ends = bytes.fromhex((_GATEWAY_MAC[packet.from_interface] + packet.from_mac).replace(":", ""))
    return ends + struct.pack("!H", _ETHERTYPE[version]) + network


def ipv4(packet: Packet, number: int) -> bytes:
    payload = _transport(packet, number, _PROTOCOL[packet.protocol, 4])
    fragment = 0x2000 | 100 if packet.later_fragment else 0
    ends = ip_address(packet.source).packed + ip_address(packet.destination).packed
    fields = (0x45, 0, 20 + len(payload), number & 0xFFFF, fragment, 64, _PROTOCOL[packet.protocol, 4])
    header = struct.pack("!BBHHHBBH", *fields, 0) + ends
    return struct.pack("!BBHHHBBH", *fields, _checksum(header)) + ends + payload


def ipv6(packet: Packet, number: int) -> bytes:
    if packet.protocol == "hidden":
        # A first fragment that holds a part of a destination options header and nothing after it (RFC 7112).
        following, payload = 44, struct.pack("!BBHI", 60, 0, 1, number) + struct.pack("!BB", 17, 200)
        payload += struct.pack("!Q", number)
    else:
        following = _PROTOCOL[packet.protocol, 6]
        payload = _transport(packet, number, following)
        if packet.later_fragment:
            following, payload = 44, struct.pack("!BBHI", following, 0, 100 << 3 | 1, number) + payload
    ends = ip_address(packet.source).packed + ip_address(packet.destination).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload


def _transport(packet: Packet, number: int, protocol: int) -> bytes:
    token = struct.pack("!Q", number)
    if packet.later_fragment:
        return b"\0" * 8 + token
    if packet.protocol == "udp":
        return struct.pack("!HHHH", packet.from_port, packet.to_port, 8 + len(token), 0) + token
    if packet.protocol == "tcp":
        return struct.pack("!HHIIBBHHH", packet.from_port, packet.to_port, 1, 1, 0x50, 0x10, 1024, 0, 0) + token
    echo = 8 if protocol == 1 else 128
    return struct.pack("!BBHHH", echo, 0, 0, number & 0xFFFF, 1) + token


def _checksum(header: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f"!{len(header) // 2}H", header)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _routes() -> Iterator[str]:
    for number, (address, port) in enumerate({**INTERFACES, _UNTOUCHED.destination: UPLINK}.items()):
        yield f"route add {address} dev {port}"
        yield f"neigh add {address} lladdr 02:00:00:00:ee:{number:02x} dev {port} nud permanent"


def end(port: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    end.setblocking(False)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    end.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    end.bind((port, _EVERYTHING))
    return end


def heard_frame(end: socket.socket) -> bytes:
    """Return the next frame as it was on the wire: the kernel takes its outer VLAN tag off and tells it beside it."""
    data, beside, _, _ = end.recvmsg(4096, socket.CMSG_SPACE(_AUXDATA.size))
    for _, _, value in beside:
        status, _, _, _, _, tag, ethertype = _AUXDATA.unpack_from(value)
        if status & _TAG_IS_VALID:
            return data[:12] + struct.pack("!HH", ethertype, tag) + data[12:]
    return data
