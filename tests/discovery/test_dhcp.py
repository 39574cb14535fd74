"""DHCP requests are overheard, believed only of their own sender, and asked for by nobody."""

import asyncio
import os
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.identity.model import Fact
from bartizan.ids import Mac
from bartizan_agent.discovery import dhcp
from bartizan_agent.discovery.answer import TEXT_LIMIT
from bartizan_agent.discovery.interfaces import Interface, named
from bartizan_agent.discovery.leases import Leases

MAC = Mac("ac:cc:8e:00:00:01")
CLASS = b"AXIS,Network Camera,P3225-LV Mk II,9.70.1.5"


def bootp(
    *options: tuple[int, bytes], kind: int = 3, mac: str = MAC, client: bytes = bytes(4), operation: int = 1
) -> bytes:
    head = struct.pack("!BBBBIHH", operation, 1, 6, 0, 0x1234, 0, 0) + client + bytes(12)
    head += bytes.fromhex(mac.replace(":", "")).ljust(16, b"\x00") + bytes(192)
    listed = b"".join(bytes([code, len(value)]) + value for code, value in ((53, bytes([kind])), *options))
    return head + bytes([99, 130, 83, 99]) + listed + b"\xff"


def packet(payload: bytes) -> bytes:
    return b"\x45" + bytes(19) + struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload


REQUEST = packet(bootp((50, bytes([10, 9, 0, 20])), (60, CLASS)))


def test_the_vendor_class_is_told_of_the_address_that_is_asked_for() -> None:
    request = dhcp.parse(REQUEST, MAC)

    assert request is not None
    assert (request.address, request.claimed_mac) == ("10.9.0.20", MAC)
    assert [(said.fact, said.value) for said in request.evidence] == [(Fact.VENDOR_CLASS, CLASS.decode())]


def test_a_renewal_is_of_the_address_that_it_comes_from() -> None:
    request = dhcp.parse(packet(bootp((60, CLASS), client=bytes([10, 9, 0, 21]))), MAC)

    assert request is not None
    assert request.address == "10.9.0.21"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(REQUEST[:200], id="cut short"),
        pytest.param(packet(bootp((60, CLASS))), id="no address"),
        pytest.param(packet(bootp((50, bytes([10, 9, 0, 20])), (60, CLASS), kind=1)), id="discover"),
        pytest.param(packet(bootp((50, bytes([10, 9, 0, 20])), (60, CLASS), operation=2)), id="a server's answer"),
        pytest.param(packet(bootp((50, bytes([10, 9, 0, 20])))), id="no class"),
        pytest.param(REQUEST.replace(bytes([99, 130, 83, 99]), bytes(4)), id="no cookie"),
    ],
)
def test_everything_else_says_nothing(data: bytes) -> None:
    assert dhcp.parse(data, MAC) is None


def test_a_request_in_the_name_of_another_is_left_aside() -> None:
    assert dhcp.parse(REQUEST, Mac("02:00:00:00:00:66")) is None


@given(data=st.binary(max_size=400), at=st.integers(0, len(REQUEST)))
def test_no_packet_breaks_it(data: bytes, at: int) -> None:
    for damaged in (data, REQUEST[:at] + data, REQUEST[:at] + data + REQUEST[at:]):
        request = dhcp.parse(damaged, MAC)
        for said in request.evidence if request else ():
            assert 0 < len(said.value) <= TEXT_LIMIT
            assert said.value.isprintable()


@pytest.mark.netns
def test_without_the_capability_it_says_so(segment: Any) -> None:
    async def listen() -> str:
        interface = named("cam0")
        os.seteuid(65534)
        try:
            with Leases(interface, lambda *_: None) as leases:
                return leases.problem
        finally:
            os.seteuid(0)

    assert segment.run(listen) == "DHCP on cam0 is not overheard: it needs CAP_NET_RAW"


@pytest.mark.netns
def test_an_interface_that_is_gone_is_a_problem_and_no_error(segment: Any) -> None:
    async def listen() -> str:
        with Leases(Interface("cam9", 99, is_up=True, is_loopback=False), lambda *_: None) as leases:
            return leases.problem

    assert segment.run(listen).startswith("DHCP on cam9 is not overheard: ")


@pytest.mark.netns
def test_the_kernel_lets_only_requests_to_servers_through(segment: Any) -> None:
    network = segment.plug_in("10.9.0.20", MAC)
    heard: list[dhcp.Request] = []

    async def listen() -> None:
        with Leases(named("cam0"), lambda _, request: heard.append(request)) as leases:
            with network.udp_client() as sender:
                request = bootp((50, bytes([10, 9, 0, 20])), (60, CLASS))
                for port in (66, 68, 69, 67):
                    sender.sendto(request, ("255.255.255.255", port))
            await until(lambda: bool(heard))
            assert leases.problem == ""

    segment.run(listen)

    assert [(request.address, request.claimed_mac) for request in heard] == [("10.9.0.20", MAC)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.02)
