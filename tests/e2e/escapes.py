"""Frames that a camera could put on its wire to get past the gateway, each to an address of its own."""

import ipaddress
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from bartizan.ids import Address, Mac

_IPV4, _IPV6 = 0x0800, 0x86DD
_UDP, _IPIP, _6IN4, _GRE, _ESP, _FRAGMENT, _ROUTING, _DESTINATION, _SCTP = 17, 4, 41, 47, 50, 44, 43, 60, 132
_OUTSIDE4, _OUTSIDE6 = IPv4Address("203.0.113.100"), IPv6Address("2001:db8:113::100")
_PORTS = struct.pack("!HH", 4000, 443)
_TUNNELLED = b"\x45" + bytes(27)


@dataclass(frozen=True)
class Sender:
    """A device as it is on the wire, and who forwards for it."""

    mac: Mac
    address: Address
    address6: Address
    router: Mac


@dataclass(frozen=True)
class Escape:
    """One frame, and the address that it must not reach."""

    name: str
    frame: bytes
    destination: str


def escapes(own: Sender, other: Sender, stranger: Mac) -> tuple[Escape, ...]:
    """Return what `own` could try.

    Args:
        own: A device that is held.
        other: One on the same segment that is not.
        stranger: A MAC that nobody knows.
    """
    return tuple(_made(own, other, stranger))


def _made(own: Sender, other: Sender, stranger: Mac) -> Iterator[Escape]:
    private6 = str(IPv6Address(int(IPv6Address(own.address6)) >> 64 << 64 | 0x5C3A_91FF_0E77_1B02))
    beside = str(IPv4Address(own.address) + 90)
    packets: tuple[tuple[str, Mac, Callable[[int], bytes]], ...] = (
        ("plain IPv4", own.mac, lambda n: _ipv4(own.address, n, _udp())),
        ("plain IPv6", own.mac, lambda n: _ipv6(own.address6, n, _udp())),
        ("another address", own.mac, lambda n: _ipv4(beside, n, _udp())),
        ("an address of elsewhere", own.mac, lambda n: _ipv4("10.200.3.4", n, _udp())),
        ("the address of one that is let alone", own.mac, lambda n: _ipv4(other.address, n, _udp())),
        ("the MAC of one that is let alone", other.mac, lambda n: _ipv4(own.address, n, _udp())),
        ("another MAC", stranger, lambda n: _ipv4(own.address, n, _udp())),
        ("another MAC and address", stranger, lambda n: _ipv4(beside, n, _udp())),
        ("an IPv6 privacy address", own.mac, lambda n: _ipv6(private6, n, _udp())),
        ("another MAC and an IPv6 privacy address", stranger, lambda n: _ipv6(private6, n, _udp())),
        ("a first fragment", own.mac, lambda n: _ipv4(own.address, n, _udp(), fragment=0x2000)),
        ("a later fragment", own.mac, lambda n: _ipv4(own.address, n, b"x" * 16, fragment=0x2000 | 100)),
        ("IPv4 options", own.mac, lambda n: _ipv4(own.address, n, _udp(), options=b"\x94\x04\x00\x00")),
        ("an IPv6 fragment", own.mac, lambda n: _ipv6(own.address6, n, _fragment() + _udp(), _FRAGMENT)),
        ("a tiny IPv6 fragment", own.mac, lambda n: _ipv6(own.address6, n, _tiny_fragment(), _FRAGMENT)),
        ("hop-by-hop options", own.mac, lambda n: _ipv6(own.address6, n, _options() + _udp(), 0)),
        ("destination options", own.mac, lambda n: _ipv6(own.address6, n, _options() + _udp(), _DESTINATION)),
        ("a routing header", own.mac, lambda n: _ipv6(own.address6, n, _route() + _udp(), _ROUTING)),
        ("6in4", own.mac, lambda n: _ipv4(own.address, n, b"\x60" + bytes(39), _6IN4)),
        ("GRE", own.mac, lambda n: _ipv4(own.address, n, struct.pack("!HH", 0, _IPV4) + _TUNNELLED, _GRE)),
        ("GRE over IPv6", own.mac, lambda n: _ipv6(own.address6, n, struct.pack("!HH", 0, _IPV4) + _TUNNELLED, _GRE)),
        ("IP in IP", own.mac, lambda n: _ipv4(own.address, n, _TUNNELLED, _IPIP)),
        ("ESP", own.mac, lambda n: _ipv4(own.address, n, bytes(16), _ESP)),
        ("SCTP", own.mac, lambda n: _ipv4(own.address, n, _PORTS + bytes(8), _SCTP)),
        ("a ping", own.mac, lambda n: _ipv4(own.address, n, _ping(), 1)),
    )
    for number, (name, mac, packet) in enumerate(packets):
        data = packet(number)
        ethertype = _IPV4 if data[0] >> 4 == 4 else _IPV6
        frame = _octets(own.router) + _octets(mac) + struct.pack("!H", ethertype) + data
        outside = _OUTSIDE4 if ethertype == _IPV4 else _OUTSIDE6
        yield Escape(name, frame, str(outside + number))


def _ipv4(
    source: str, number: int, payload: bytes, protocol: int = _UDP, fragment: int = 0, options: bytes = b""
) -> bytes:
    words, length = 5 + len(options) // 4, 20 + len(options) + len(payload)
    ends = ipaddress.ip_address(source).packed + (_OUTSIDE4 + number).packed
    fields = struct.pack("!BBHHHBB", 0x40 | words, 0, length, number, fragment, 64, protocol)
    return fields + struct.pack("!H", _checksum(fields + ends + options)) + ends + options + payload


def _ipv6(source: str, number: int, payload: bytes, following: int = _UDP) -> bytes:
    ends = ipaddress.ip_address(source).packed + (_OUTSIDE6 + number).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload


def _udp() -> bytes:
    return _PORTS + struct.pack("!HH", 16, 0) + b"escaping"


def _fragment() -> bytes:
    return struct.pack("!BBHI", _UDP, 0, 1, 7)


def _tiny_fragment() -> bytes:
    """A first fragment that ends before its ports (RFC 7112)."""
    return struct.pack("!BBHI", _DESTINATION, 0, 1, 8) + struct.pack("!BB", _UDP, 200) + bytes(6)


def _options() -> bytes:
    return struct.pack("!BBBB", _UDP, 0, 1, 4) + bytes(4)


def _route() -> bytes:
    """Type 2, with one address and no segment left, which routers have to forward (RFC 6275)."""
    return struct.pack("!BBBBI", _UDP, 2, 2, 0, 0) + _OUTSIDE6.packed


def _ping() -> bytes:
    rest = struct.pack("!HH", 1, 1)
    return struct.pack("!BBH", 8, 0, _checksum(struct.pack("!BB", 8, 0) + rest)) + rest


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _octets(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
