"""A Hanwha device over SUNAPI and its discovery."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from bartizan_lab.cameras import Setting, Timings, make
from bartizan_lab.cameras.hanwha.discovery import ANSWER_PORT, PORT, HanwhaDiscovery
from bartizan_lab.cameras.images import HANWHA_IMAGE, SealedImage
from bartizan_lab.network import HostNetwork
from tests.lab.cameras.standing import Standing, datagram, standing

SEARCH = b"\x01" + bytes(261)
INFO = "/stw-cgi/system.cgi?msubmenu=deviceinfo&action=view"
UPDATE = "/stw-cgi/system.cgi?msubmenu=firmwareupdate&action=control"
GOOD = SealedImage(HANWHA_IMAGE, "QNV-8080R", "2.22.02_20251101_R101", date(2025, 11, 1))


def answers(octets: bytes, **facts: Any) -> Iterator[tuple[bytes, tuple[str, int]]]:
    camera = make("hanwha", **facts)
    responder = HanwhaDiscovery(camera, HostNetwork("192.0.2.60"))
    for answer in responder.respond(datagram(octets)):
        yield answer.octets, answer.peer


async def upload(device: Standing, octets: bytes, target: str = f"{UPDATE}&Type=Normal") -> httpx.Response:
    async with device.client() as client:
        return await client.post(target, files={"uploadFile": ("fw.img", octets)})


def test_a_search_is_answered_in_fixed_fields_to_a_fixed_port() -> None:
    ((answer, peer),) = answers(SEARCH)

    assert peer == ("192.0.2.9", ANSWER_PORT)
    assert (len(answer), answer[0]) == (0x106, 0x0B)
    assert answer[0x13:0x25] == b"E4:30:22:00:00:01\0"
    assert answer[0x25:0x35].rstrip(b"\0") == b"192.0.2.60"
    assert answer[0x35:0x45].rstrip(b"\0") == b"255.255.255.0"
    assert answer[0x45:0x55].rstrip(b"\0") == b"192.0.2.1"
    assert answer[0x6D:0x77] == b"QNV-8080R\0"
    assert answer[0x85:0xAC].rstrip(b"\0") == b"http://192.0.2.60/"


@pytest.mark.parametrize("octets", [b"", SEARCH[:-1], SEARCH + b"\0", b"\x0b" + SEARCH[1:]])
def test_nothing_else_is_answered(octets: bytes) -> None:
    assert list(answers(octets)) == []


def test_a_packet_that_would_change_something_is_noted() -> None:
    camera = make("hanwha")

    assert list(HanwhaDiscovery(camera, HostNetwork("192.0.2.60")).respond(datagram(b"\x02" + SEARCH[1:]))) == []
    assert camera.state.meddling == ["Hanwha packet 0x02 from 192.0.2.9"]


async def test_the_answer_comes_to_the_fixed_port_wherever_the_search_came_from() -> None:
    loop = asyncio.get_running_loop()
    async with standing("hanwha") as device:
        asking = HostNetwork(device.network.address.rpartition(".")[0] + ".251")
        with asking.udp_socket(ANSWER_PORT) as hearing, asking.udp_client() as sending:
            async with asyncio.timeout(10):
                await loop.sock_sendto(sending, SEARCH, (device.network.address, PORT))
                answer = await loop.sock_recv(hearing, 2048)

    assert answer[:1] == b"\x0b"


async def test_device_info_is_lines_and_json_to_who_accepts_nothing_else() -> None:
    async with standing("hanwha") as device, device.client() as client:
        plain = await client.get(INFO)
        as_json = await client.get(INFO, headers={"Accept": "application/json"})

    assert plain.text.startswith(
        "Model=QNV-8080R\r\nSerialNumber=ZPKE70GT000001X\r\nFirmwareVersion=1.41.14_20230526_R372\r\n"
    )
    assert as_json.json()["ConnectedMACAddress"] == "E4:30:22:00:00:01"


async def test_a_stranger_is_challenged_and_in_factory_state_turned_away() -> None:
    async with standing("hanwha") as device, device.stranger() as client:
        challenged = await client.get(INFO)
    async with standing("hanwha", factory_state=True) as device, device.stranger() as client:
        turned_away = await client.get(INFO)

    assert (challenged.status_code, turned_away.status_code) == (401, 403)
    assert 'realm="iPolis"' in challenged.headers["www-authenticate"]
    assert "www-authenticate" not in turned_away.headers


async def test_a_write_is_told_line_by_line_and_ends_in_the_new_version() -> None:
    slow_to_go = Setting(Timings(flash_seconds=0.1, shutdown_seconds=1.0, reboot_seconds=0.1))
    async with standing("hanwha", slow_to_go) as device:
        sent = await upload(device, GOOD.pack())
        await device.booted(2)

        assert device.camera.state.firmware == "2.22.02_20251101_R101"
    assert "content-length" not in sent.headers
    statuses = [line.partition("=")[2] for line in sent.text.splitlines() if line.startswith("Status=")]
    assert statuses[:4] == ["Uploading", "DownloadAck", "DownloadOK", "Start"]
    assert (statuses[-1], statuses.count("OK"), statuses.count("UpdatingISP")) == ("End", 3, 1)


@pytest.mark.parametrize(
    ("octets", "target", "said"),
    [
        (b"rubbish", f"{UPDATE}&Type=Normal", "Status=DownloadFail"),
        (
            SealedImage(HANWHA_IMAGE, "XNP-6320H", "2.2", date(2025, 1, 1)).pack(),
            f"{UPDATE}&Type=Normal",
            "DownloadFail",
        ),
        (GOOD.pack(), UPDATE, "Invalid Input Value"),
    ],
)
async def test_what_it_does_not_take_is_refused_with_status_200(octets: bytes, target: str, said: str) -> None:
    async with standing("hanwha") as device:
        answer = await upload(device, octets, target)

        assert (answer.status_code, device.camera.flashes) == (200, 0)
    assert said in answer.text


async def test_the_installed_version_is_skipped() -> None:
    same = SealedImage(HANWHA_IMAGE, "QNV-8080R", "1.41.14_20230526_R372", date(2023, 5, 26))
    async with standing("hanwha") as device:
        answer = await upload(device, same.pack())

        assert device.camera.flashes == 0
    assert answer.text.count("Status=Skip") == 4


async def test_what_would_change_it_is_noted() -> None:
    async with standing("hanwha") as device, device.client() as client:
        answer = await client.get("/stw-cgi/security.cgi?msubmenu=users&action=update&Index=0")

        assert device.camera.state.meddling == ["SUNAPI security.cgi users update from 127.0.0.1"]
    assert answer.text.startswith("NG\r\nError Code: 601")
