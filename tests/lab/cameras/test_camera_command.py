"""`bartizan-lab camera`: one device from the command line."""

import asyncio
import signal
import sys

import httpx
from click.testing import CliRunner

from bartizan_lab.cameras.command import camera
from bartizan_lab.cameras.registry import PASSWORD
from tests.lab.cameras.standing import loopback_address

RUN = "from bartizan_lab.cameras.command import camera; camera()"


async def test_it_serves_until_told_to_end() -> None:
    address = loopback_address()
    options = ("--address", address, "--firmware", "V5.5.6", "--build", "2018-03-26", "--fault", "booleans-odd")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, "hikvision", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = await asyncio.wait_for(process.stdout.readline(), 10)
    retries = httpx.AsyncHTTPTransport(retries=5)
    async with httpx.AsyncClient(transport=retries, auth=httpx.DigestAuth("admin", PASSWORD)) as client:
        info = await client.get(f"http://{address}/ISAPI/System/deviceInfo")
    process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), 5) == 0
    assert said.decode().startswith("hikvision DS-2CD2143G2-I V5.5.6, serial DS-2CD2143G2-I2022")
    assert "<firmwareReleasedDate>build 180326</firmwareReleasedDate>" in info.text
    assert "<supportBeep>flase</supportBeep>" in info.text


def test_an_address_that_is_not_here_is_explained() -> None:
    done = CliRunner().invoke(camera, ["onvif", "--address", "192.0.2.1"])

    assert done.exit_code == 1
    assert "give it an address of lo that nobody serves" in done.output


def test_a_cloud_without_a_port_is_explained() -> None:
    done = CliRunner().invoke(camera, ["onvif", "--cloud", "198.51.100.7"])

    assert done.exit_code == 2
    assert "'198.51.100.7' is not an address and a port, such as 198.51.100.7:443" in done.output
