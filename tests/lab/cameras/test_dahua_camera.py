"""A Dahua-built device over CGI and its two discovery protocols."""

import json
from datetime import date
from typing import Any

import httpx
import pytest

from bartizan_lab.cameras import Fault, Setting, Timings, make
from bartizan_lab.cameras.dahua.camera import DahuaCamera
from bartizan_lab.cameras.dahua.discovery import DahuaDiscovery
from bartizan_lab.cameras.images import DahuaImage
from bartizan_lab.network import HostNetwork
from tests.lab.cameras.standing import HandClock, Standing, datagram, standing

SEARCH_BODY = b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}\n'
SEARCH = (
    b"\x20\0\0\0DHIP" + bytes(8) + len(SEARCH_BODY).to_bytes(4, "little") + bytes(4)
    + len(SEARCH_BODY).to_bytes(4, "little") + bytes(4) + SEARCH_BODY
)  # fmt: skip
OLD_SEARCH = bytes.fromhex("a301000100000000000000000000000002" + "00" * 15)
GOOD = DahuaImage("IPC-HDW5830R-Z", "2.840.0000000.9.R", date(2025, 4, 30))


def discovery(**facts: Any) -> tuple[DahuaDiscovery, DahuaCamera]:
    camera = make(facts.pop("kind", "dahua"), **facts)
    assert isinstance(camera, DahuaCamera)
    return DahuaDiscovery(camera, camera.traits, HostNetwork("192.0.2.108")), camera


def dhip(octets: bytes, **facts: Any) -> list[bytes]:
    return [answer.octets for answer in discovery(**facts)[0].respond_dhip(datagram(octets))]


async def text(device: Standing, target: str) -> str:
    async with device.client() as client:
        return (await client.get(f"/cgi-bin/{target}")).text


async def upload(client: httpx.AsyncClient, octets: bytes, field: str = "firmware") -> httpx.Response:
    return await client.post("/cgi-bin/upgrader.cgi?action=uploadFirmware", files={field: ("fw.bin", octets)})


async def test_magic_box_answers_in_lines() -> None:
    async with standing("dahua") as device:
        assert await text(device, "magicBox.cgi?action=getSystemInfo") == (
            "deviceType=IPC-HDW5831R-ZE\r\nhardwareVersion=1.00\r\nprocessor=S3LM\r\nserialNumber=5A04B5FPAG00001\r\n"
            "updateSerial=IPC-HDW5830R-Z\r\nupdateSerialCloudUpgrade=IPC-HDW5830R-Z:S3LM\r\n"
        )
        version = await text(device, "magicBox.cgi?action=getSoftwareVersion")
        assert version == "version=2.800.0000016.0.R,build:2020-06-05\r\n"
        assert await text(device, "magicBox.cgi?action=getVendor") == "vendor=Dahua\r\n"


async def test_the_variants_that_clients_stumble_over() -> None:
    async with standing("dahua", generic_type=True, space_before_build=True) as device:
        assert await text(device, "magicBox.cgi?action=getDeviceType") == "type=IP Camera\r\n"
        version = await text(device, "magicBox.cgi?action=getSoftwareVersion")
        assert version == "version=2.800.0000016.0.R, build:2020-06-05\r\n"


async def test_the_challenge_names_a_hash() -> None:
    async with standing("dahua") as device, device.stranger() as client:
        answer = await client.get("/cgi-bin/magicBox.cgi?action=getSerialNo")

    assert answer.status_code == 401
    assert 'realm="Login to fedfa8774b3f5835cc75881805c96fb9"' in answer.headers["www-authenticate"]


async def test_configuration_is_read_and_backed_up_but_not_set() -> None:
    async with standing("dahua") as device, device.client() as client:
        cloud = await client.get("/cgi-bin/configManager.cgi?action=getConfig&name=CloudUpgrade")
        backup = await client.get("/cgi-bin/Config.backup?action=All")
        change = await client.get("/cgi-bin/configManager.cgi?action=setConfig&Telnet.Enable=true")

    assert cloud.text == "table.CloudUpgrade.Enable=true\r\n"
    assert backup.text.startswith("Model=IPC-HDW5831R-ZE\r\nVersion=2.800.0000016.0.R\r\n")
    assert change.status_code == 400
    assert device.camera.state.meddling == ["CGI configManager.cgi setConfig from 127.0.0.1"]


@pytest.mark.parametrize("field", ["firmware", "upgrade", "file"])
async def test_an_upgrade_reports_its_progress_and_reboots_into_the_image(field: str) -> None:
    clock = HandClock()
    timings = Timings(flash_seconds=0.2, reboot_seconds=0.05, shutdown_seconds=0.01)
    async with standing("dahua", Setting(timings, now=clock)) as device, device.client() as client:
        sent = await upload(client, GOOD.pack(), field)
        clock.now += 0.1
        during = await client.get("/cgi-bin/upgrader.cgi?action=getState")
        clock.now += 0.11
        done = await client.get("/cgi-bin/upgrader.cgi?action=getState")
        await device.booted(2)
        version = await client.get("/cgi-bin/magicBox.cgi?action=getSoftwareVersion")

    assert sent.text == "OK\r\n"
    assert during.text in {"State=Upgrading\r\nProgress=50\r\n", "State=Upgrading\r\nProgress=49\r\n"}
    assert done.text == "State=Succeeded\r\nProgress=100\r\n"
    assert version.text == "version=2.840.0000000.9.R,build:2025-04-30\r\n"


async def test_one_firmware_writes_its_progress_as_an_octet() -> None:
    clock = HandClock()
    setting = Setting(Timings(flash_seconds=100), now=clock)
    async with standing("dahua", setting, progress_as_octet=True) as device, device.client() as client:
        await upload(client, GOOD.pack())
        clock.now += 13
        answer = await client.get("/cgi-bin/upgrader.cgi?action=getState")

    assert answer.content == b"State=Upgrading\r\nProgress=\x0d\r\n"


@pytest.mark.parametrize(
    "octets",
    [b"", b"PK" + GOOD.pack()[2:], GOOD.pack()[:-30], DahuaImage("IPC-HX8XXX", "2.8", date(2025, 4, 30)).pack()],
    ids=["empty", "plain zip", "cut off", "another family"],
)
async def test_a_wrong_image_is_invalid(octets: bytes) -> None:
    async with standing("dahua") as device, device.client() as client:
        sent = await upload(client, octets)
        state = await client.get("/cgi-bin/upgrader.cgi?action=getState")

    assert sent.status_code == 400
    assert state.text == "State=Invalid\r\nProgress=0\r\n"


def test_dhdiscover_answers_with_the_header_and_the_recorded_fields() -> None:
    (answer,) = dhip(SEARCH)

    assert answer[:8] == b"\x20\0\0\0DHIP"
    assert int.from_bytes(answer[16:20], "little") == int.from_bytes(answer[24:28], "little") == len(answer) - 32
    content = json.loads(answer[32:].rstrip(b"\0"))
    assert content["method"] == "client.notifyDevInfo"
    assert content["mac"] == "3c:ef:8c:00:00:01"
    info = content["params"]["deviceInfo"]
    assert info["DeviceType"] == "IPC-HDW5831R-ZE"
    assert (info["DeviceClass"], info["Vendor"], info["Version"]) == ("IPC", "Dahua", "2.800.0000016.0.R")
    assert info["IPv4Address"]["IPAddress"] == "192.0.2.108"
    assert (info["Port"], info["Init"]) == (37777, 150)


def test_dhdiscover_of_an_oem_shows_vendor_and_infix_over_a_dahua_oui() -> None:
    content = json.loads(dhip(SEARCH, kind="dahua-oem")[0][32:].rstrip(b"\0"))

    info = content["params"]["deviceInfo"]
    assert (info["Vendor"], info["Version"]) == ("Intelbras", "2.800.00IB004.0.R")
    assert content["mac"].startswith("b4:4c:3b")


def test_bare_json_gets_no_reply_and_the_reversed_magic_only_from_some() -> None:
    reversed_magic = SEARCH.replace(b"DHIP", b"PIHD")

    assert dhip(SEARCH_BODY) == []
    assert dhip(reversed_magic) == []
    assert len(dhip(reversed_magic, strict_magic=False)) == 1


@pytest.mark.parametrize("octets", [b"", SEARCH[:31], SEARCH[:32], SEARCH[:32] + b"[1]", SEARCH[:32] + b"\xff" * 59])
def test_dhdiscover_ignores_what_is_malformed(octets: bytes) -> None:
    assert dhip(octets) == []


def test_a_dhip_request_that_would_change_something_is_noted() -> None:
    responder, camera = discovery()
    body = b'{"method":"DHDiscover.setConfig"}'
    head = SEARCH[:16] + (len(body).to_bytes(4, "little") + bytes(4)) * 2

    assert list(responder.respond_dhip(datagram(head + body))) == []
    assert camera.state.meddling == ["DHIP DHDiscover.setConfig from 192.0.2.9"]


def test_the_old_discovery_answers_in_three_sections() -> None:
    (answer,) = discovery()[0].respond_old(datagram(OLD_SEARCH))
    octets = answer.octets

    assert octets[0] == 0xB3
    second, third = int.from_bytes(octets[2:4], "little"), int.from_bytes(octets[0x14:0x16], "little")
    assert int.from_bytes(octets[4:8], "little") == 0x58
    assert int.from_bytes(octets[0x10:0x14], "little") == 2
    assert len(octets) == 0x78 + second + third
    assert octets[0x28:0x38] == b"IPC-HDW5831R-ZE\0"
    assert octets[0x38:0x3C] == bytes([192, 0, 2, 108])
    assert int.from_bytes(octets[32 + 66 : 32 + 68], "little") == 37777
    assert octets[0x78 : 0x78 + 17] == b"3c:ef:8c:00:00:01"
    assert octets[-third:].endswith(b"SerialNo:5A04B5FPAG00001\r\n")


def test_the_old_discovery_answers_nothing_else() -> None:
    assert list(discovery()[0].respond_old(datagram(OLD_SEARCH[:-1]))) == []


async def test_both_discoveries_answer_unicast_on_their_ports() -> None:
    async with standing("dahua") as device:
        assert b"client.notifyDevInfo" in await device.ask(SEARCH, 37810)
        assert (await device.ask(OLD_SEARCH, 5050))[:1] == b"\xb3"


async def test_a_failed_write_says_failed_and_leaves_the_old_version() -> None:
    clock = HandClock()
    setting = Setting(Timings(flash_seconds=100), now=clock)
    async with standing("dahua", setting, faults={Fault.UPGRADE_FAILS_MIDWAY}) as device, device.client() as client:
        await upload(client, GOOD.pack())
        clock.now += 70
        state = await client.get("/cgi-bin/upgrader.cgi?action=getState")

    assert state.text == "State=Failed\r\nProgress=50\r\n"
