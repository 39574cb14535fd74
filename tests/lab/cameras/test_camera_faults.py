"""Every fault does what its name says, and can be switched while the device runs."""

import asyncio
import contextlib
import socket
import time
from datetime import date

import httpx
import pytest
from defusedxml import EntitiesForbidden
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras import KINDS, Fault
from bartizan_lab.cameras.faults import XML_BOMB
from bartizan_lab.cameras.images import HikvisionImage
from tests.lab.cameras.standing import Standing, standing, until

INFO = "/ISAPI/System/deviceInfo"
INQUIRY = b"<Probe><Uuid>1</Uuid><Types>inquiry</Types></Probe>"
SADP = 37020
GOOD = HikvisionImage("G5", "V5.8.1", date(2024, 11, 21))

PROVEN_ELSEWHERE = {
    Fault.LOCKOUT_NOW: "test_camera_access",
    Fault.WRONG_TIME: "test_onvif_camera",
    Fault.NAMESPACE_ODD: "test_onvif_camera",
    Fault.BOOLEANS_ODD: "test_hikvision_camera",
}


async def exchange(device: Standing, port: int = 80, request: bytes = b"") -> bytes:
    """Return all that a connection gives until the device closes its direction."""
    reader, writer = await asyncio.open_connection(device.network.address, port)
    writer.write(request or f"GET {INFO} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        async with asyncio.timeout(3):
            return await reader.read()
    finally:
        writer.close()


async def upgrade_and_reboot(device: Standing) -> httpx.Response:
    async with device.client() as client:
        answer = await client.post("/ISAPI/System/updateFirmware", content=GOOD.pack())
        await until(lambda: device.camera.flash is None or device.camera.flash_percent in {50, 100})
        device.camera.reboot()
    await device.booted(2)
    return answer


def test_every_fault_has_a_test() -> None:
    """Here by name, or in the file named above."""
    here = {name for name in globals() if name.startswith("test_fault_")}
    expected = {f"test_fault_{fault.name.lower()}" for fault in Fault if fault not in PROVEN_ELSEWHERE}

    assert expected <= here


async def test_fault_silent() -> None:
    async with standing("hikvision", faults={Fault.SILENT}) as device, device.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(INFO, timeout=0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(device.ask(INQUIRY.replace(b"1", b"2"), SADP), 0.2)

        device.camera.state.faults.clear()
        assert (await client.get(INFO)).status_code == 200


async def test_fault_slow() -> None:
    async with standing("hikvision", faults={Fault.SLOW}) as device, device.stranger() as client:
        begun = time.monotonic()
        answer = await client.get(INFO)

    assert answer.status_code == 401
    assert time.monotonic() - begun >= 0.4


async def test_fault_rubbish() -> None:
    async with standing("hikvision", faults={Fault.RUBBISH}) as device:
        web, sdk = await exchange(device), b""
        reader, writer = await asyncio.open_connection(device.network.address, 8000)
        sdk = await reader.read(64)
        writer.close()
        sadp = await device.ask(INQUIRY, SADP)

    assert not web.startswith(b"HTTP/")
    assert sdk[:4] != b"\0\0\0\x10"
    assert len(sadp) == 333


async def test_fault_xml_bomb() -> None:
    async with standing("hikvision", faults={Fault.XML_BOMB}) as device, device.client() as client:
        web = (await client.get(INFO)).content
        sadp = await device.ask(INQUIRY, SADP)

    assert web == sadp == XML_BOMB
    with pytest.raises(EntitiesForbidden):
        fromstring(web)


async def test_fault_endless_body() -> None:
    async with standing("hikvision", faults={Fault.ENDLESS_BODY}) as device:
        received = 0
        async with device.stranger() as client, client.stream("GET", INFO) as answer:
            async for chunk in answer.aiter_raw():
                received += len(chunk)
                if received > 5_000_000:
                    break

    assert received > 5_000_000


async def test_fault_wrong_content_length() -> None:
    async with standing("hikvision", faults={Fault.WRONG_CONTENT_LENGTH}) as device, device.stranger() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(INFO)


async def test_fault_absurd_content_length() -> None:
    async with standing("hikvision", faults={Fault.ABSURD_CONTENT_LENGTH}) as device, device.stranger() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(INFO)


async def test_fault_redirect() -> None:
    async with standing("hikvision", faults={Fault.REDIRECT}) as device, device.client() as client:
        answer = await client.get(INFO)

    assert answer.status_code == 302
    assert answer.headers["location"] == "http://elsewhere.invalid/"


async def test_fault_half_close() -> None:
    """The device ends its direction in the middle of the body and goes on listening."""
    async with standing("hikvision", faults={Fault.HALF_CLOSE}) as device:
        reader, writer = await asyncio.open_connection(device.network.address, 80)
        writer.write(f"GET {INFO} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.write(b"still here")
        await writer.drain()
        writer.close()

    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    assert len(body) == length // 2


async def test_fault_telnet() -> None:
    """In its settings, and on its port."""
    async with standing("hikvision", faults={Fault.TELNET}) as device, device.client() as client:
        settings = await client.get("/ISAPI/System/Network/telnet")
        reader, writer = await asyncio.open_connection(device.network.address, 23)
        async with asyncio.timeout(3):
            greeting = await reader.readuntil(b"login: ")
        writer.close()

    assert "<enabled>true</enabled>" in settings.text
    assert greeting.endswith(b"login: ")


async def test_fault_onvif_open() -> None:
    """Whoever asks is told; without the fault a login is wanted."""
    asked = (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        b'<GetDeviceInformation xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>'
    )
    async with standing("onvif", faults={Fault.ONVIF_OPEN}) as device, device.stranger() as client:
        told = await client.post("/onvif/device_service", content=asked)
        device.camera.state.faults.clear()
        refused = await client.post("/onvif/device_service", content=asked)

    assert device.camera.state.serial in told.text
    assert refused.status_code == 401


async def test_fault_refuses_image() -> None:
    async with standing("hikvision", faults={Fault.REFUSES_IMAGE}) as device:
        answer = await upgrade_and_reboot(device)

    assert b"badDevType" in answer.content
    assert device.camera.state.firmware == "V5.7.18"


async def test_fault_upgrade_fails_midway() -> None:
    async with standing("hikvision", faults={Fault.UPGRADE_FAILS_MIDWAY}) as device:
        answer = await upgrade_and_reboot(device)

    assert answer.status_code == 200
    assert device.camera.state.firmware == "V5.7.18"


async def test_fault_upgrade_changes_nothing() -> None:
    async with standing("hikvision", faults={Fault.UPGRADE_CHANGES_NOTHING}) as device:
        answer = await upgrade_and_reboot(device)

    assert answer.status_code == 200
    assert device.camera.state.firmware == "V5.7.18"
    assert Fault.UPGRADE_CHANGES_NOTHING.value == "upgrade-reports-success-but-old-version"


async def test_fault_never_comes_back() -> None:
    async with standing("hikvision") as device:
        device.camera.state.faults.add(Fault.NEVER_COMES_BACK)
        device.camera.reboot()
        await until(lambda: not device.camera.is_up)
        with pytest.raises(TimeoutError):
            await until(lambda: device.camera.is_up, seconds=0.5)

        device.camera.state.faults.clear()
        await device.booted(2)


async def test_fault_comes_back_as_another() -> None:
    async with standing("hikvision", faults={Fault.COMES_BACK_AS_ANOTHER}) as device:
        before = device.camera.state.serial
        device.camera.reboot()
        await device.booted(2)

    after = device.camera.state.serial
    assert before != after
    assert before[:-6] == after[:-6]


async def test_fault_comes_back_factory_reset() -> None:
    async with standing("hikvision", faults={Fault.COMES_BACK_FACTORY_RESET}) as device, device.client() as client:
        assert (await client.get(INFO)).status_code == 200
        device.camera.reboot()
        await device.booted(2)

        assert b"notActivated" in (await client.get(INFO)).content


async def test_fault_duplicate_answers() -> None:
    async with standing("hikvision", faults={Fault.DUPLICATE_ANSWERS}) as device:
        loop = asyncio.get_running_loop()
        with device.network.udp_client() as sock:
            await loop.sock_sendto(sock, INQUIRY, (device.network.address, SADP))
            async with asyncio.timeout(2):
                first, second = await loop.sock_recv(sock, 9000), await loop.sock_recv(sock, 9000)

    assert first == second


async def test_several_faults_at_once() -> None:
    """What an answer says and how it is delivered go wrong independently."""
    async with standing("hikvision", faults={Fault.XML_BOMB, Fault.WRONG_CONTENT_LENGTH}) as device:
        octets = await exchange(device)

    assert octets.endswith(XML_BOMB)
    assert f"Content-Length: {len(XML_BOMB) + 4096}".encode() in octets


async def test_a_client_that_leaves_in_the_middle_harms_nobody() -> None:
    async with standing("hikvision", faults={Fault.SLOW}) as device, device.client() as client:
        with socket.create_connection((device.network.address, 80)) as leaver:
            leaver.sendall(f"GET {INFO} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        device.camera.state.faults.clear()

        assert (await client.get(INFO)).status_code == 200


HOSTILE = (
    b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b'GET /ISAPI/System/status HTTP/1.1\r\nHost: x\r\nAuthorization: Digest username="admin", response="\xe9"\r\n\r\n',
    b"POST /onvif/device_service HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n<a><b></a",
    b"POST /axis-cgi/systemready.cgi HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200000,
    b"POST /cgi-bin/upgrader.cgi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_request_brings_a_device_down(kind: str) -> None:
    """An emulated device that a bad client can kill would fail the tests of others."""
    async with standing(kind) as device, device.stranger() as client:
        for octets in HOSTILE:
            reader, writer = await asyncio.open_connection(device.network.address, 80)
            writer.write(octets)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 3)
            writer.close()

        assert (await client.get("/")).status_code == 200
        assert device.camera.state.boots == 1


@pytest.mark.parametrize("octets", [b"\0" * 50 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X" * 70000])
async def test_what_is_no_http_ends_the_connection(octets: bytes) -> None:
    async with standing("hikvision") as device, device.client() as client:
        assert not (await exchange(device, request=octets)).startswith(b"HTTP/1.1 200")
        assert (await client.get(INFO)).status_code == 200
