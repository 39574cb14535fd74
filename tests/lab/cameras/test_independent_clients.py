"""Clients that others wrote against real cameras accept the emulated ones."""

import asyncio
import contextlib
import importlib
import json
import sys
from datetime import date
from typing import Any

import httpx
import pytest

from bartizan_lab.cameras.images import AXIS_IMAGE, SealedImage
from bartizan_lab.cameras.registry import PASSWORD
from tests.lab.cameras.standing import standing

# `make dev` installs them, and nmap. Not skipped where they lack: they are what the emulated cameras stand on.
amcrest = importlib.import_module("amcrest")
axis_configuration = importlib.import_module("axis.models.configuration")
axis_device = importlib.import_module("axis.device")
hikvisionapi = importlib.import_module("hikvisionapi")

pytestmark = pytest.mark.filterwarnings("default")  # what those libraries do is not ours to mend


async def output_of(*arguments: str) -> str:
    """Run a program to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return out.decode()


@pytest.mark.parametrize("kind", ["hikvision", "hikvision-oem", "hikvision-nvr"])
async def test_hikvisionapi_reads_device_info_and_a_picture(kind: str) -> None:
    def read(url: str) -> tuple[dict[str, Any], bytes]:
        client = hikvisionapi.Client(url, "admin", PASSWORD)
        info = client.System.deviceInfo(method="get")["DeviceInfo"]
        picture = client.Streaming.channels[101].picture(method="get", type="opaque_data")
        return info, b"".join(picture.iter_content(65536))

    async with standing(kind) as device:
        info, picture = await asyncio.to_thread(read, device.url)

    assert info["model"] == device.camera.state.model
    assert info["serialNumber"] == device.camera.state.serial
    assert picture[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("kind", "identity"),
    [
        ("dahua", (("2.800.0000016.0.R", "2020-06-05\r\n"), "IPC-HDW5831R-ZE", "5A04B5FPAG00001", "Dahua")),
        ("dahua-oem", (("2.800.00IB004.0.R", "2021-03-22\r\n"), "VIP-3230-D", "NHKJ380112701", "Intelbras")),
    ],
)
async def test_amcrest_reads_version_type_serial_and_a_picture(kind: str, identity: tuple[object, ...]) -> None:
    def read(host: str) -> tuple[object, ...]:
        camera = amcrest.AmcrestCamera(host, 80, "admin", PASSWORD).camera
        identity = (camera.software_information, camera.device_type, camera.serial_number, camera.vendor_information)
        return *identity, camera.snapshot(stream=False)[:2]

    async with standing(kind) as device:
        read_values = await asyncio.to_thread(read, device.network.address)

    assert read_values == (*identity, b"\xff\xd8")


async def test_axis_logs_in_reads_and_upgrades() -> None:
    """The library knows the firmware API by name; its own session carries the documented call."""
    image = SealedImage(AXIS_IMAGE, "P3265-V", "12.11.77", date(2026, 9, 1))
    async with standing("axis") as device, httpx.AsyncClient(trust_env=False) as session:
        configuration = axis_configuration.Configuration(
            session, device.network.address, username="root", password=PASSWORD
        )
        vapix = axis_device.AxisDevice(configuration).vapix
        await vapix.initialize()
        await vapix.load_user_groups()
        before = (vapix.product_number, vapix.serial_number, vapix.firmware_version, vapix.access_rights.name)
        body = {"apiVersion": "1.0", "method": "upgrade", "params": {"autoCommit": "boot"}}
        form: dict[str, tuple[str | None, bytes, str]] = {
            "data": (None, json.dumps(body).encode(), "application/json"),
            "fileData": ("P3265-V_12_11_77.bin", image.pack(), "application/octet-stream"),
        }
        upload = httpx.Request("POST", device.url, files=form)
        answer = await vapix.request(
            "post",
            "/axis-cgi/firmwaremanagement.cgi",
            content=upload.read(),
            headers={"Content-Type": upload.headers["content-type"]},
        )
        await device.booted(2)
        await vapix.basic_device_info.update()
        after = vapix.firmware_version

    assert "fwmgr" in vapix.api_discovery
    assert before == ("P3265-V", "ACCC8E000001", "11.11.160", "ADMIN_PTZ")
    assert json.loads(answer)["data"] == {"firmwareVersion": "12.11.77"}
    assert after == "12.11.77"


READ_BY_ONVIF = """
import asyncio, json, sys
from onvif import ONVIFCamera

async def read(place):
    user, _, address = place.partition("@")
    camera = ONVIFCamera(address, 80, user, sys.argv[1])
    await camera.update_xaddrs()
    device = await camera.create_devicemgmt_service()
    info = await device.GetDeviceInformation()
    services = await device.GetServices({"IncludeCapability": False})
    time = await device.GetSystemDateAndTime()
    media = await camera.create_media_service()
    profiles = await media.GetProfiles()
    snapshot = await media.GetSnapshotUri({"ProfileToken": profiles[0].token})
    where = (await device.StartFirmwareUpgrade()).UploadUri if info.Model == "NC-200" else None
    await camera.close()
    return [info.Model, info.FirmwareVersion, info.SerialNumber, len(services), time.UTCDateTime.Date.Year,
            profiles[0].VideoEncoderConfiguration.Resolution.Width, snapshot.Uri, where]

async def main():
    print(json.dumps([await read(address) for address in sys.argv[2:]]))

asyncio.run(main())
"""


BY_ONVIF = {
    "dahua-oem": ("VIP-3230-D", "2.800.00IB004.0.R, Build Date 2021-03-22"),
    "hanwha": ("QNV-8080R", "1.41.14_20230526_R372"),
    "hanwha-samsung": ("SNB-6004", "3.10_141209"),
    "uniview": ("IPC3614SB-ADF28KM", "DIPC-B1216.5.7.230109"),
    "uniview-old": ("IPC3232ER3-DVZ28", "IPC_G6103 B6103.16.10.B25.201218"),
    "uniview-nvr": ("NVR301-04S2-P4", "NVR-B3801.20.17.240507"),
    "bosch": ("NBE-3503-AL", "9.40.0025"),
    "bosch-old": ("NBC-265-P", "5.97.0005"),
    "lineage-tvt": ("NVR5-8200PX", "1.4.11"),
    "lineage-xiongmai": ("NBD8016", "4.03.11"),
}
"""Kinds without a client of their maker's interface, and what they are."""


async def test_onvif_zeep_reads_identity_media_and_where_to_upload() -> None:
    """In a process of its own: zeep is heavy, and leaves threads behind."""
    async with contextlib.AsyncExitStack() as stack:
        generic, dahua = [await stack.enter_async_context(standing(kind)) for kind in ("onvif", "dahua")]
        hikvision = await stack.enter_async_context(standing("hikvision", firmware="V5.4.5"))
        more = [await stack.enter_async_context(standing(kind)) for kind in BY_ONVIF]
        places = [
            f"{next(iter(device.camera.state.users))}@{device.network.address}"
            for device in (generic, dahua, hikvision, *more)
        ]
        out = await output_of(sys.executable, "-c", READ_BY_ONVIF, PASSWORD, *places)

    year = generic.camera.now().year
    first, second, third, *rest = json.loads(out)
    snapshot, upload = f"{generic.url}/snapshot.jpg", f"{generic.url}/onvif/upgrade"
    assert first == ["NC-200", "1.2.3", "NC200-000001", 2, year, 1280, snapshot, upload]
    assert second[:3] == ["IPC-HDW5831R-ZE", "2.800.0000016.0.R, Build Date 2020-06-05", "5A04B5FPAG00001"]
    assert third[:2] == ["DS-2CD2143G2-I", "V5.4.5 build 240826"]
    assert {kind: tuple(said[:2]) for kind, said in zip(BY_ONVIF, rest, strict=True)} == BY_ONVIF


async def nmap(*arguments: str) -> str:
    """Run nmap without resolving names, so that nothing leaves this machine."""
    return await output_of("nmap", "-n", "-Pn", "-v", *arguments)


async def test_nmap_recognises_the_sdk_port_and_reads_the_unicast_discoveries() -> None:
    """`override=false`, because upnp-info of nmap 7.93 cannot fetch a description it has rewritten the address of."""
    async with standing("hikvision", firmware="V5.4.5") as device:
        host = device.network.address
        sdk, scripts = await asyncio.gather(
            nmap("-sV", "--script-timeout", "1s", "-p8000", host),
            nmap("-sU", "-p1900,3702", "--script", "upnp-info,wsdd-discover", "--script-args", "override=false", host),
        )

    assert "Hikvision IPCam control port" in sdk
    assert "Model Name: DS-2CD2143G2-I" in scripts
    assert f"Address: http://{host}/onvif/device_service" in scripts
    assert "WCF Services" in scripts


async def test_nmap_reads_the_services_of_an_axis_camera() -> None:
    async with standing("axis") as device:
        out = await nmap("-sU", "-p5353", "--script", "dns-service-discovery", device.network.address)

    assert "80/tcp axis-video" in out
    assert "554/tcp rtsp" in out
    assert f"Address={device.network.address}" in out


async def test_nmap_knows_ubiquiti_s_discovery() -> None:
    async with standing("ubiquiti") as device:
        out = await nmap("-sU", "-p10001", "--script", "ubiquiti-discovery", device.network.address)

    assert "version: v3.10.13" in out
    assert "product: UVC" in out
    assert device.camera.state.mac.replace(":", "") in out


@pytest.mark.parametrize(
    ("kind", "title"),
    [("lineage-xiongmai", "NETSurveillance WEB"), ("hanwha", "Hanwha Techwin"), ("sony", "Login"), ("bosch", "Bosch")],
)
async def test_nmap_reads_the_first_page(kind: str, title: str) -> None:
    async with standing(kind) as device:
        out = await nmap("-p80", "--script", "http-title", device.network.address)

    assert title in out
