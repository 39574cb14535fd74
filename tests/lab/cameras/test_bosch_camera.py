"""A Bosch device's two forms of discovery, as the agent reads them."""

import asyncio
from uuid import UUID

import pytest

from bartizan.identity.model import Fact
from bartizan_agent.discovery import bosch
from bartizan_agent.discovery.answer import Heard
from bartizan_lab.cameras import make
from bartizan_lab.cameras.bosch.discovery import ANSWER_PORT, PORT, BoschDiscovery
from bartizan_lab.network import HostNetwork
from tests.lab.cameras.standing import datagram, standing

SEARCH = bosch.request(UUID(int=0x01020304))
PLACE = HostNetwork("192.0.2.70")


def answer(kind: str, octets: bytes) -> list[tuple[bytes, tuple[str, int]]]:
    camera = make(kind)
    responder = BoschDiscovery(camera, PLACE, binary=kind == "bosch-old")
    return [(sent.octets, sent.peer) for sent in responder.respond(datagram(octets))]


def test_newer_firmware_answers_with_xml_to_the_fixed_port() -> None:
    ((octets, peer),) = answer("bosch", SEARCH)
    heard = bosch.parse(octets)

    assert peer == ("192.0.2.9", ANSWER_PORT)
    assert isinstance(heard, Heard)
    assert {said.fact: said.value for said in heard.evidence} == {
        Fact.MAKER: "bosch",
        Fact.MODEL: "NBE-3503-AL",
        Fact.SERIAL: "094920500000000001",
        Fact.MAC: "00:04:63:00:00:01",
    }
    assert heard.web_ports == (80,)


def test_older_firmware_answers_with_32_octets_that_hold_little_but_the_mac() -> None:
    ((octets, _),) = answer("bosch-old", SEARCH)
    heard = bosch.parse(octets)

    assert octets[:8] == bytes.fromhex("9939a42701020304")
    assert octets[16:28] == bytes([192, 0, 2, 70, 255, 255, 255, 0, 192, 0, 2, 1])
    assert isinstance(heard, Heard)
    assert heard.claimed_mac == "00:04:63:00:00:01"


@pytest.mark.parametrize("octets", [b"", SEARCH[:11], b"\0" + SEARCH[1:]])
def test_nothing_else_is_answered(octets: bytes) -> None:
    assert answer("bosch", octets) == []


def test_another_request_is_noted() -> None:
    camera = make("bosch")
    responder = BoschDiscovery(camera, PLACE, binary=False)

    assert list(responder.respond(datagram(SEARCH[:8] + b"\xff\0\6\xdf"))) == []
    assert camera.state.meddling == ["Bosch packet 0xff0006df from 192.0.2.9"]


async def test_the_answer_comes_to_the_fixed_port_wherever_the_search_came_from() -> None:
    loop = asyncio.get_running_loop()
    async with standing("bosch") as device:
        asking = HostNetwork(device.network.address.rpartition(".")[0] + ".252")
        with asking.udp_socket(ANSWER_PORT) as hearing, asking.udp_client() as sending:
            async with asyncio.timeout(10):
                await loop.sock_sendto(sending, SEARCH, (device.network.address, PORT))
                octets = await loop.sock_recv(hearing, 2048)

    assert b"<friendlyName>NBE-3503-AL</friendlyName>" in octets
