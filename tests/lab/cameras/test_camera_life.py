"""The life of a device: rebooting, phoning home, many in one process; and what `make` makes."""

import asyncio
import contextlib
import socket
import ssl
from datetime import date

import pytest
from cryptography import x509

from bartizan_lab.cameras import KINDS, CloudAddress, Fault, Setting, Timings, make
from bartizan_lab.cameras.camera import Installed
from bartizan_lab.network import HostNetwork
from tests.lab.cameras.standing import QUICK, loopback_address, standing, until


async def test_a_reboot_closes_every_connection_and_begins_a_new_boot() -> None:
    async with standing("hikvision") as device:
        boot = device.camera.state.boot_id
        reader, writer = await asyncio.open_connection(device.network.address, 8000)
        assert await reader.readexactly(16) == bytes.fromhex("000000100000001e0000001e00000000")
        device.camera.state.faults.add(Fault.NEVER_COMES_BACK)
        device.camera.reboot()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(device.network.address, 80)
        device.camera.state.faults.clear()
        await device.booted(2)

        assert device.camera.state.boot_id != boot


async def test_the_answer_to_the_reboot_order_still_goes_out() -> None:
    async with standing("dahua") as device, device.client() as client:
        assert (await client.get("/cgi-bin/magicBox.cgi?action=reboot")).text == "OK\r\n"
        await device.booted(2)


async def test_a_power_cut_in_the_middle_of_a_write_leaves_the_old_firmware() -> None:
    async with standing("onvif", Setting(Timings(flash_seconds=60, reboot_seconds=0.05))) as device:
        device.camera.begin_flash(Installed("9.9.9", date(2026, 1, 1)))
        device.camera.reboot()
        await device.booted(2)

        assert device.camera.state.firmware == "1.2.3"
        assert device.camera.flash is None


async def test_it_phones_home_and_counts_who_answered() -> None:
    cloud, closed = loopback_address(), loopback_address()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.setblocking(False)
        sink.bind((cloud, 8666))
        server = await asyncio.start_server(lambda _, writer: writer.close(), cloud, 8666)
        setting = Setting(QUICK, cloud=(CloudAddress(cloud, 8666), CloudAddress(closed, 8666)))
        async with server, standing("hikvision", setting) as device:
            message, sender = await loop.sock_recvfrom(sink, 2048)
            await loop.sock_sendto(sink, b"hello", sender)
            calls = device.camera.calls
            await until(lambda: calls.udp_successes >= 1 and calls.tcp_successes >= 1 and calls.tcp_attempts >= 3)

    assert message.startswith(b"DS-2CD2143G2-I DS-2CD2143G2-I20220919AAWRK00000001 V5.7.18")
    assert sender[0] == device.network.address
    assert calls.tcp_successes < calls.tcp_attempts
    assert calls.udp_successes < calls.udp_attempts


async def test_two_hundred_and_fifty_cameras_live_in_one_process() -> None:
    """All of them come up, and each is itself."""
    cameras = [make(KINDS[number % len(KINDS)], number=number, setting=Setting(QUICK)) for number in range(250)]
    async with contextlib.AsyncExitStack() as all_of_them:
        for camera in cameras:
            await all_of_them.enter_async_context(camera.serve(HostNetwork(loopback_address())))

        assert all(camera.is_up for camera in cameras)
    assert len({camera.state.serial for camera in cameras}) == len({camera.state.mac for camera in cameras}) == 250


async def test_a_taken_port_is_an_error_and_not_a_silent_camera() -> None:
    address = loopback_address()
    with socket.create_server((address, 80)), pytest.raises(ExceptionGroup) as raised:
        async with make("onvif").serve(HostNetwork(address)):
            pass

    assert raised.group_contains(OSError, match="in use")


async def test_https_shows_a_certificate_of_the_devices_own() -> None:
    async with standing("hikvision", Setting(QUICK, https=True)) as device:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(device.network.address, 443, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        page = await asyncio.wait_for(reader.read(), 3)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()

    assert b"<title>HIKVISION</title>" in page
    assert x509.load_der_x509_certificate(certificate).subject.rfc4514_string() == (
        "CN=DS-2CD2143G2-I20220919AAWRK00000001,O=HIKVISION"
    )


async def test_it_answers_over_ipv6_where_it_has_an_address() -> None:
    camera = make("axis", setting=Setting(QUICK))
    async with camera.serve(HostNetwork(loopback_address(), address6="::1")):
        reader, writer = await asyncio.open_connection("::1", 80)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"<title>AXIS</title>" in await asyncio.wait_for(reader.read(), 3)
        writer.close()


def test_only_what_answers_discovery_alone_has_no_streams() -> None:
    without = {kind for kind in KINDS if make(kind).streams is None}

    told_by_datagram_alone = {"vivotek", "foscam", "sony", "panasonic", "ubiquiti"}
    assert without == {"printer", "vision360", "vstarcam", "nicevision", "eden", "arecont"} | told_by_datagram_alone


def test_facts_reach_state_and_traits() -> None:
    camera = make("hikvision", number=7, build="2018-03-26", mac="44-47-CC-37-CE-81", faults=[Fault.SLOW], onvif=True)

    assert camera.state.serial.endswith("00000007")
    assert camera.state.mac == "44:47:cc:37:ce:81"
    assert camera.state.build.isoformat() == "2018-03-26"
    assert camera.state.faults == {Fault.SLOW}


def test_unknown_kinds_and_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no kind 'nokia': choose one of hikvision, "):
        make("nokia")
    with pytest.raises(TypeError, match="colour"):
        make("hikvision", colour="white")
    with pytest.raises(TypeError, match="a printer has no colour"):
        make("printer", colour="white")
