"""PortList, against the sentence of RFC 4363: port 1 is the most significant bit of the first octet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan_agent.switches.port_list import ports_of, with_port, without_port

NUMBERS = st.integers(1, 300)


@pytest.mark.parametrize(
    ("octets", "ports"),
    [
        (b"", set()),
        (b"\x80", {1}),
        (b"\x01", {8}),
        (b"\x00\x80", {9}),
        (b"\xc0\x00\x01", {1, 2, 24}),
    ],
)
def test_bits_are_read_from_the_left(octets: bytes, ports: set[int]) -> None:
    assert ports_of(octets) == ports


def test_a_port_beyond_the_end_makes_the_list_longer() -> None:
    assert with_port(b"\x80", 17) == b"\x80\x00\x80"


def test_a_list_keeps_the_length_that_the_switch_gave_it() -> None:
    assert with_port(b"\x00\x00\x00", 2) == b"\x40\x00\x00"
    assert without_port(b"\x40\x00\x00", 2) == b"\x00\x00\x00"
    assert without_port(b"\x40", 99) == b"\x40"


@given(st.binary(max_size=32), NUMBERS)
def test_one_port_is_changed_and_no_other(octets: bytes, port: int) -> None:
    before = ports_of(octets)

    assert ports_of(with_port(octets, port)) == before | {port}
    assert ports_of(without_port(octets, port)) == before - {port}
