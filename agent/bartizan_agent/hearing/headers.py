"""From the first octets of a packet to what it says: where it was going, its header in words, a question to the DNS.

Pure. A camera may write anything; what cannot be read is None, and nothing is read past what was copied.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from bartizan.ids import Address

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 hop-by-hop options, routing, destination options: each says how long it is."""
_FRAGMENT = 44
_EXTENSIONS_AT_MOST = 8
DNS_PORT = 53
NAME_CHARACTERS = 253
_LABEL_OCTETS = 63
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


class Header(NamedTuple):
    """Who sent a packet where."""

    source: Address
    destination: Address
    protocol: str
    """`tcp`, `udp`, `icmp`, or the protocol's number."""
    from_port: int
    to_port: int
    """0 where there are none, or they were not copied."""
    octets: int
    """Of the whole packet, as it says."""
    hops: int
    """TTL or hop limit."""
    flags: tuple[str, ...] = ()
    carried: int = 0
    """Where in the packet what UDP carries begins; 0 where it is not UDP."""


def header(packet: bytes) -> Header | None:
    """Return what a packet's headers say."""
    if not packet:
        return None
    return _ipv4(packet) if packet[0] >> 4 == 4 else _ipv6(packet) if packet[0] >> 4 == 6 else None


def words(found: Header) -> str:
    """Return a header as people write it."""
    source, destination = (
        f"[{where}]:{port}" if port and ":" in where else f"{where}:{port}" if port else where
        for where, port in ((found.source, found.from_port), (found.destination, found.to_port))
    )
    flags = f" {'+'.join(found.flags)}" if found.flags else ""
    return f"{found.protocol} {source} > {destination}{flags}, {found.octets} octets, {found.hops} hops left"


def question(packet: bytes) -> str | None:
    """Return the name that a question to the DNS over UDP asks for first: lower case, odd octets as their numbers."""
    found = header(packet)
    if found is None or not found.carried or found.to_port != DNS_PORT:
        return None
    asked = packet[found.carried :]
    if len(asked) < 12 or asked[2] & 0x80 or asked[4:6] == b"\0\0":  # too short, an answer, or no question
        return None
    return _name(asked, 12)


def _name(octets: bytes, at: int) -> str | None:
    labels: list[str] = []
    length = 0
    while at < len(octets):
        size = octets[at]
        if size == 0:
            return ".".join(labels) if labels else None
        # Two high bits point elsewhere, which no first question needs.
        if size > _LABEL_OCTETS or at + 1 + size > len(octets):
            return None
        length += size + 1
        if length > NAME_CHARACTERS + 1:
            return None
        labels.append("".join(map(_character, octets[at + 1 : at + 1 + size].lower())))
        at += 1 + size
    return None


def _character(octet: int) -> str:
    return chr(octet) if octet in _PLAIN else f"\\{octet:03d}"


def _ipv4(packet: bytes) -> Header | None:
    size = (packet[0] & 0x0F) * 4
    if size < 20 or len(packet) < 20:
        return None
    is_later = int.from_bytes(packet[6:8], "big") & 0x1FFF != 0
    source, destination = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    octets = int.from_bytes(packet[2:4], "big")
    found = Header(Address(source), Address(destination), _protocol(packet[9]), 0, 0, octets, packet[8])
    return found if is_later else _with_ports(found, packet, size)


def _ipv6(packet: bytes) -> Header | None:
    if len(packet) < 40:
        return None
    source, destination = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))
    octets = 40 + int.from_bytes(packet[4:6], "big")
    following, at, is_later = packet[6], 40, False
    for _ in range(_EXTENSIONS_AT_MOST):
        if following == _FRAGMENT and len(packet) >= at + 8:
            is_later = is_later or int.from_bytes(packet[at + 2 : at + 4], "big") >> 3 != 0
            following, at = packet[at], at + 8
        elif following in _EXTENSIONS and len(packet) >= at + 2:
            following, at = packet[at], at + 8 * (1 + packet[at + 1])
        else:
            break
    found = Header(Address(source), Address(destination), _protocol(following), 0, 0, octets, packet[7])
    return found if is_later else _with_ports(found, packet, at)


def _with_ports(found: Header, packet: bytes, at: int) -> Header:
    if found.protocol not in ("tcp", "udp") or len(packet) < at + 4:
        return found
    ports = int.from_bytes(packet[at : at + 2], "big"), int.from_bytes(packet[at + 2 : at + 4], "big")
    found = found._replace(from_port=ports[0], to_port=ports[1])
    if found.protocol == "udp":
        return found._replace(carried=at + 8)
    if len(packet) < at + 14:
        return found
    return found._replace(flags=tuple(name for bit, name in enumerate(_FLAGS) if packet[at + 13] >> bit & 1))


def _protocol(number: int) -> str:
    return _PROTOCOLS.get(number, str(number))
