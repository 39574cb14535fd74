"""Reading copies of packets: what a camera may write in them, and that nothing it writes breaks the reader."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.ids import Mac
from bartizan_agent.hearing.headers import header, question, words
from bartizan_agent.hearing.messages import packets, refusal

CAMERA, CLOUD = "10.9.0.11", "198.51.100.7"


def ipv4(payload: bytes, *, protocol: int = 17, options: bytes = b"", offset: int = 0) -> bytes:
    size = 20 + len(options)
    fields = (0x40 | size // 4, 0, size + len(payload), 7, offset, 63, protocol, 0)
    return struct.pack("!BBHHHBBH", *fields) + ip_address(CAMERA).packed + ip_address(CLOUD).packed + options + payload


def ipv6(payload: bytes, *, following: int = 17) -> bytes:
    ends = ip_address("fd00:a::13").packed + ip_address("2001:db8::7").packed
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload


def udp(payload: bytes = b"", port: int = 53) -> bytes:
    return struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload


def asking(name: bytes, flags: int = 0x0100, questions: int = 1) -> bytes:
    return struct.pack("!HHHHHH", 1, flags, questions, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


SYN = struct.pack("!HHIIBB", 40000, 443, 1, 0, 0x50, 0x02) + bytes(6)
LONG = b"".join(b"\x3f" + b"a" * 63 for _ in range(4)) + b"\0"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (ipv4(SYN, protocol=6), "tcp 10.9.0.11:40000 > 198.51.100.7:443 SYN, 40 octets, 63 hops left"),
        (ipv4(udp(port=123)), "udp 10.9.0.11:40000 > 198.51.100.7:123, 28 octets, 63 hops left"),
        (ipv4(b"\x08\0\0\0", protocol=1), "icmp 10.9.0.11 > 198.51.100.7, 24 octets, 63 hops left"),
        (ipv4(b"", protocol=47), "47 10.9.0.11 > 198.51.100.7, 20 octets, 63 hops left"),
        (ipv4(udp(), options=b"\x01" * 8), "udp 10.9.0.11:40000 > 198.51.100.7:53, 36 octets, 63 hops left"),
        (ipv4(udp(), offset=100), "udp 10.9.0.11 > 198.51.100.7, 28 octets, 63 hops left"),
        (ipv6(SYN, following=6), "tcp [fd00:a::13]:40000 > [2001:db8::7]:443 SYN, 60 octets, 64 hops left"),
        (
            ipv6(b"\x11\x00" + bytes(6) + udp(), following=60),
            "udp [fd00:a::13]:40000 > [2001:db8::7]:53, 56 octets, 64 hops left",
        ),
        (
            ipv6(b"\x11\x00" + struct.pack("!HI", 100 << 3, 1) + bytes(8), following=44),
            "udp fd00:a::13 > 2001:db8::7, 56 octets, 64 hops left",
        ),
    ],
)
def test_a_header_is_told_in_words(packet: bytes, expected: str) -> None:
    found = header(packet)

    assert found is not None
    assert words(found) == expected


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (ipv4(udp(asking(b"\3WWW\x0bHik-Connect\3com\0"))), "www.hik-connect.com"),
        (ipv6(udp(asking(b"\1a\0"))), "a"),
        (ipv4(udp(asking(b"\4a.b\n\0"))), "a\\046b\\010"),
        (ipv4(udp(asking(b"\0"))), None),
        (ipv4(udp(asking(b"\xc0\x0c"))), None),
        (ipv4(udp(asking(b"\x0awww"))), None),
        (ipv4(udp(asking(LONG))), None),
        (ipv4(udp(asking(b"\1a\0", flags=0x8100))), None),
        (ipv4(udp(asking(b"\1a\0", questions=0))), None),
        (ipv4(udp(asking(b"\1a\0"), port=123)), None),
        (ipv4(udp(asking(b"\1a\0")), protocol=6), None),
        (ipv4(udp(asking(b"\1a\0")), offset=1), None),
        (ipv4(udp(b"\0" * 11)), None),
        (b"", None),
    ],
)
def test_the_name_that_is_asked_for(packet: bytes, name: str | None) -> None:
    assert question(packet) == name


@given(st.binary(max_size=400))
def test_no_packet_breaks_the_reader(packet: bytes) -> None:
    found = header(packet)
    name = question(packet)

    assert found is None or words(found).isprintable()
    assert name is None or (name.isascii() and name.isprintable())


@given(st.binary(max_size=64), st.integers(0, 64), st.sampled_from([4, 6]))
def test_no_packet_that_is_nearly_one_breaks_the_reader(payload: bytes, cut: int, version: int) -> None:
    whole = ipv4(udp(asking(payload))) if version == 4 else ipv6(udp(asking(payload)))
    cut = min(cut, len(whole))

    assert (header(whole[: len(whole) - cut]) is None) == (len(whole) - cut < (20 if version == 4 else 40))
    name = question(whole)
    assert name is None or len(name) <= 4 * 253


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) & 3)


def message(attributes: bytes, kind: int = 4 << 8) -> bytes:
    return struct.pack("=IHHII", 20 + len(attributes), kind, 0, 0, 0) + struct.pack(">BBH", 2, 0, 7) + attributes


def test_a_datagram_holds_several_packets() -> None:
    sender = attribute(8, b"\0\6\0\0" + bytes.fromhex("020000000001") + b"\0\0")
    stamp = attribute(3, struct.pack(">QQ", 100, 500_000))
    first = message(
        attribute(10, b"bartizan-name\0") + sender + attribute(9, b"E") + stamp + attribute(12, b"\0\0\0\5")
    )
    second = message(attribute(9, b"F"))

    one, two = packets(first + message(b"", kind=3) + message(sender) + second)
    assert one == ("bartizan-name", Mac("02:00:00:00:00:01"), b"E", 100.5, 5)
    assert two == ("", None, b"F", None, 0)


@given(st.binary(max_size=300))
def test_no_datagram_breaks_the_reader(datagram: bytes) -> None:
    list(packets(datagram))
    list(packets(message(datagram)))
    refusal(datagram)
