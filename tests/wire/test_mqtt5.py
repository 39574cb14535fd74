"""MQTT 5 packets: whole however they are cut, and never more than was agreed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.errors import Malformed
from bartizan.wire import mqtt5
from bartizan.wire.mqtt5 import Message, Packet, Raw, Reader

LIMIT = 1 << 20
SAID = (
    mqtt5.publish(7, "bz/1/up/15/north/hello", b"{}"),
    mqtt5.mention("bz/1/site/north/down", b""),
    mqtt5.acknowledge(0xFFFF),
    mqtt5.publish(8, "bz/1/up/15/north/report", bytes(range(256)) * 100),
    mqtt5.publish(9, "t", b"x" * 120),
    mqtt5.PING,
)
HEARD = [
    Message("bz/1/up/15/north/hello", b"{}", 7),
    Message("bz/1/site/north/down", b"", 0),
    Packet(mqtt5.PUBACK, 0, 0xFFFF),
    Message("bz/1/up/15/north/report", bytes(range(256)) * 100, 8),
    Message("t", b"x" * 120, 9),
    Packet(mqtt5.PINGREQ, 0),
]


@given(cuts=st.lists(st.integers(0, sum(map(len, SAID))), max_size=40))
def test_packets_are_the_same_however_they_arrive(cuts: list[int]) -> None:
    """TLS and TCP cut where they like: in a length, in a topic, between two packets."""
    whole, reader = b"".join(SAID), Reader(LIMIT)
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(edges)]

    assert [packet for piece in pieces for packet in reader.feed(piece)] == HEARD


def test_packets_are_the_same_octet_by_octet() -> None:
    reader = Reader(LIMIT)
    assert [packet for octet in b"".join(SAID) for packet in reader.feed(bytes((octet,)))] == HEARD


def test_a_packet_can_be_had_without_a_look_into_it() -> None:
    """For what somebody else understands."""
    assert list(Reader(LIMIT).split(bytes((0xE0, 2, 0x8E, 0)))) == [Raw(0xE0, bytes((0x8E, 0)))]


def test_a_packet_that_is_too_large_is_refused_before_it_is_there() -> None:
    """Its length says so; nobody holds it in memory."""
    with pytest.raises(Malformed, match="at most 100"):
        list(Reader(100).feed(mqtt5.publish(1, "topic", bytes(100))[:4]))


@pytest.mark.parametrize(
    "octets",
    [b"\x30\xff\xff\xff\xff\x7f", b"\x30\x02\x00\x09", b"\x90\x00", b"\x30\x03\x00\x01\xff"],
    ids=["length", "topic", "empty-suback", "no-utf-8"],
)
def test_what_is_no_packet_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed):
        list(Reader(LIMIT).feed(octets))
