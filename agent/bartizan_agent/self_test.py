"""Whether a stranger on a camera segment is really held: what is sent, and what follows from what was seen. Pure.

A stranger is a MAC that nobody knows, at an address that nobody has. What it sends towards an address of a
documentation range goes nowhere even where nothing holds it.
"""

import enum
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import msgspec

from bartizan.ids import Address, Mac, Network
from bartizan_agent.socket_filter import Instruction

PACKETS = 3  # of each family; where the block fails, only the first is sent
PORT = 9  # discard
CANDIDATES = 8  # addresses that are asked for before it counts as full
_OUTSIDE = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8:ba57:12a::1")  # RFC 5737, RFC 3849
_BESIDE = ("198.51.100.0/24", "2001:db8:ba57:12b::/64")  # of the same RFCs
_UDP, _ICMPV6, _IPV4, _IPV6, _ARP = 17, 58, 0x0800, 0x86DD, 0x0806
_SOLICITATION, _ADVERTISEMENT = 135, 136
_BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
# Of a classic socket filter (linux/filter.h): what it loads, compares and returns.
_LOAD_HALF, _LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x28, 0x20, 0x15, 0x06
_ETHERTYPE_AT, _NETWORK_AT = 0xFFFFF000, 0xFFF00000


class Outcome(enum.Enum):
    """What came of what a stranger sent."""

    BLOCKED = "blocked"
    """The gateway counted every packet as dropped, and none left."""
    NOT_BLOCKED = "not-blocked"
    """A packet left the gateway, or was not counted as dropped."""
    NOT_TESTED = "not-tested"
    """Nothing was sent, or nothing could have left."""


class FamilyResult(msgspec.Struct, frozen=True):
    """The outcome for one address family, and what it rests on."""

    outcome: Outcome
    reason: str
    source: str = ""
    destination: str = ""
    left: bool = False
    """Whether any packet was seen to leave."""


class SegmentResult(msgspec.Struct, frozen=True):
    """What a stranger on one segment may do."""

    interface: str
    level: str
    """At which the segment holds strangers, as last applied; empty: not known."""
    mac: Mac
    """Of the stranger."""
    ipv4: FamilyResult
    ipv6: FamilyResult


def judge(sent: int, counted: int, left_by: Iterable[str], *, source: str, destination: str) -> FamilyResult:
    """Return what follows from how many packets were counted as dropped, and by which interfaces any left.

    They are sent one by one, and none after the first that was not dropped.
    """
    ways = ", ".join(sorted(set(left_by)))
    if ways:
        return FamilyResult(Outcome.NOT_BLOCKED, f"packets left by {ways}", source, destination, left=True)
    if counted < sent:
        reason = (
            f"only {counted} of {sent} packets were counted as dropped; none was seen to leave: who else drops them?"
        )
        return FamilyResult(Outcome.NOT_BLOCKED, reason, source, destination)
    return FamilyResult(Outcome.BLOCKED, f"all {sent} packets were dropped, none left", source, destination)


def stranger(random: bytes) -> Mac:
    """Return a locally administered unicast MAC (IEEE 802) of six random octets."""
    return Mac(bytes([random[0] & 0b11111100 | 0b10, *random[1:6]]).hex(":"))


def outside(version: int, estate: Iterable[Network]) -> Address | None:
    """Return an address that is nobody's and not within the estate's networks, if there is one."""
    networks = [ip_network(each) for each in estate]
    for text in _OUTSIDE:
        found = ip_address(text)
        if found.version == version and not any(found in each for each in networks if each.version == version):
            return Address(text)
    return None


def spare(network: IPv4Network, taken: Iterable[Address]) -> tuple[Address, ...]:
    """Return a few addresses from the end of a network that nobody is known to have."""
    known, found = set(taken), list[Address]()
    last = int(network.broadcast_address)
    for number in range(last - 1, max(int(network.network_address), last - 256), -1):
        address = Address(str(IPv4Address(number)))
        if address not in known:
            found.append(address)
        if len(found) == CANDIDATES:
            break
    return tuple(found)


def nowhere(version: int, random: int) -> Address:
    """Return an address that is nobody's, for a stranger on a link whose networks are not known."""
    network = ip_network(_BESIDE[version == 6])
    return Address(str(network[1 + random % (network.num_addresses - 2)]))


def listening_for(destination: Address) -> tuple[Instruction, ...]:
    """Return the socket filter that takes packets to an address and nothing else, whatever the link."""
    packed = ip_address(destination).packed
    first, ethertype = (16, _IPV4) if len(packed) == 4 else (24, _IPV6)
    words = [(first + at, int.from_bytes(packed[at : at + 4], "big")) for at in range(0, len(packed), 4)]
    tests = [(_LOAD_HALF, _ETHERTYPE_AT, ethertype), *((_LOAD_WORD, _NETWORK_AT + at, word) for at, word in words)]
    program: list[Instruction] = []
    for left, (load, where, wanted) in zip(range(len(tests) - 1, -1, -1), tests, strict=True):
        program += [(load, 0, 0, where), (_JUMP_EQUAL, 0, 2 * left + 1, wanted)]
    return (*program, (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0))


def neighbour_probe(mac: Mac, address: Address) -> bytes:
    """Return the frame that asks whether anybody has an IPv6 address, without claiming it (RFC 4862, 5.4.2)."""
    target = IPv6Address(address).packed
    group = b"\xff\x02" + bytes(9) + b"\x01\xff" + target[13:]
    body = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + target
    ends = bytes(16) + group
    check = _checksum(ends + struct.pack("!IHBB", len(body), 0, 0, _ICMPV6) + body)
    body = body[:2] + struct.pack("!H", check) + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + ends
    return _ethernet(Mac(f"33:33:{group[12:].hex(':')}"), mac, _IPV6) + head + body


def is_neighbour(frame: bytes, address: Address) -> bool:
    """Return whether a frame says that somebody has an IPv6 address."""
    is_advertisement = frame[12:14] == struct.pack("!H", _IPV6) and frame[20:21] == bytes([_ICMPV6])
    said, target = frame[54:55], frame[62:78]
    return is_advertisement and said == bytes([_ADVERTISEMENT]) and target == IPv6Address(address).packed


def arp_probe(mac: Mac, address: Address) -> bytes:
    """Return the frame that asks whether anybody has an address, without claiming it (RFC 5227)."""
    question = struct.pack("!HHBBH", 1, _IPV4, 6, 4, 1) + _octets(mac) + bytes(10) + IPv4Address(address).packed
    return _ethernet(_BROADCAST, mac, _ARP) + question


def is_claim(frame: bytes, address: Address) -> bool:
    """Return whether a frame is an ARP message of somebody who has an address."""
    return frame[12:14] == struct.pack("!H", _ARP) and frame[28:32] == IPv4Address(address).packed


def datagram(mac: Mac, gateway: Mac, source: Address, destination: Address, payload: bytes) -> bytes:
    """Return the frame of a UDP datagram on its way through the gateway."""
    udp = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    if ":" in source:
        ends = IPv6Address(source).packed + IPv6Address(destination).packed
        pseudo = ends + struct.pack("!IHBB", len(udp), 0, 0, _UDP)
        udp = udp[:6] + struct.pack("!H", _checksum(pseudo + udp) or 0xFFFF) + udp[8:]
        return _ethernet(gateway, mac, _IPV6) + struct.pack("!IHBB", 6 << 28, len(udp), _UDP, 64) + ends + udp
    ends = IPv4Address(source).packed + IPv4Address(destination).packed
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP)
    return _ethernet(gateway, mac, _IPV4) + head + struct.pack("!H", _checksum(head + b"\0\0" + ends)) + ends + udp


def _ethernet(to: Mac, sender: Mac, kind: int) -> bytes:
    return _octets(to) + _octets(sender) + struct.pack("!H", kind)


def _octets(mac: Mac) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(data: bytes) -> int:
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
