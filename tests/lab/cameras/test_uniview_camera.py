"""A Uniview device over LAPI."""

from datetime import date

import httpx
import pytest

from bartizan_lab.cameras.images import UNIVIEW_IMAGE, SealedImage
from tests.lab.cameras.standing import Standing, standing, until

BASE = "/LAPI/V1.0/System"
GOOD = SealedImage(UNIVIEW_IMAGE, "IPC3614SB-ADF28KM", "DIPC-B1216.5.9.251101", date(2025, 11, 1))


async def upgrade(device: Standing, octets: bytes, task: str = "1") -> tuple[httpx.Response, httpx.Response]:
    async with device.client() as client:
        begun = await client.post(f"{BASE}/Upgrade", json={"UpgradeType": 3})
        sent = await client.post(f"{BASE}/UploadFirmware?UpgradeTaskID={task}", files={"file": ("fw.bin", octets)})
        return begun, sent


async def test_device_info_stands_in_an_envelope() -> None:
    async with standing("uniview") as device, device.client() as client:
        response = (await client.get(f"{BASE}/DeviceInfo")).json()["Response"]

    assert (response["ResponseURL"], response["ResponseCode"]) == (f"{BASE}/DeviceInfo", 0)
    assert response["Data"]["SerialNumber"] == "210235C5000000000001"
    assert response["Data"]["FirmwareVersion"] == "DIPC-B1216.5.7.230109"


async def test_a_stranger_is_refused_in_an_envelope() -> None:
    async with standing("uniview") as device, device.stranger() as client:
        answer = await client.get(f"{BASE}/DeviceInfo")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Digest ")
    assert answer.json()["Response"]["ResponseURL"] == f"{BASE}/DeviceInfo"


async def test_the_generations_differ_in_resource_status_and_envelope() -> None:
    async with standing("uniview-old") as device, device.client() as client:
        absent = (await client.get(f"{BASE}/DeviceInfo")).json()["Response"]["ResponseCode"]
        basic = (await client.get(f"{BASE}/DeviceBasicInfo")).json()["Response"]["Data"]["DeviceModel"]
    async with standing("uniview-nvr", envelope=False) as device, device.client() as client:
        recorder = await client.get(f"{BASE}/DeviceInfo")

    assert (absent, basic) == (2, "IPC3232ER3-DVZ28")
    assert (recorder.status_code, recorder.json()["DeviceModel"]) == (599, "NVR301-04S2-P4")


async def test_an_upgrade_is_begun_uploaded_and_runs_after_the_restart() -> None:
    async with standing("uniview") as device:
        begun, sent = await upgrade(device, GOOD.pack())
        await device.booted(2)

        assert device.camera.state.firmware == "DIPC-B1216.5.9.251101"
    assert begun.json()["Response"]["Data"] == {"UpgradeTaskID": 1}
    assert sent.json()["Response"]["ResponseCode"] == 0


@pytest.mark.parametrize(
    ("octets", "task"),
    [
        (GOOD.pack(), "2"),
        (b"rubbish", "1"),
        (SealedImage(UNIVIEW_IMAGE, "NVR301-04S2-P4", "1", date(2025, 1, 1)).pack(), "1"),
    ],
    ids=["another task", "no image", "another model"],
)
async def test_what_it_does_not_take_is_refused_with_status_200(octets: bytes, task: str) -> None:
    async with standing("uniview") as device:
        _, sent = await upgrade(device, octets, task)

        assert device.camera.flashes == 0
    assert (sent.status_code, sent.json()["Response"]["ResponseString"]) == (200, "Invalid File")


async def test_whoever_speaks_to_udp_7788_or_changes_something_is_noted() -> None:
    async with standing("uniview") as device, device.client() as client:
        with device.network.udp_client() as sock:
            sock.sendto(b"x", (device.network.address, 7788))
            await until(lambda: bool(device.camera.state.meddling))
        await client.put(f"{BASE}/FactoryReset", json={})

        assert device.camera.state.meddling == [
            f"UDP 7788 from {device.network.address}",
            f"LAPI PUT {BASE}/FactoryReset from 127.0.0.1",
        ]
