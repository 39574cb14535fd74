"""An Axis camera over VAPIX, and its firmware management in full."""

import json
from datetime import date
from typing import Any

import pytest

from bartizan_lab.cameras import Fault, Setting, Timings
from bartizan_lab.cameras.axis.camera import AxisCamera
from bartizan_lab.cameras.images import AXIS_IMAGE, SealedImage
from tests.lab.cameras.standing import QUICK, HandClock, Standing, standing, until

NEWER = SealedImage(AXIS_IMAGE, "P3265-V", "12.11.77", date(2026, 9, 1))
OLDER = SealedImage(AXIS_IMAGE, "P3265-V", "10.12.91", date(2022, 1, 1))
INFO, FIRMWARE, READY = "basicdeviceinfo", "firmwaremanagement", "systemready"


async def call(device: Standing, api: str, method: str, *, login: bool = True, **params: Any) -> dict[str, Any]:
    """Call a JSON method and return the whole body."""
    body = {"apiVersion": "1.0", "context": "abc", "method": method, "params": params}
    async with device.client() if login else device.stranger() as client:
        answer = await client.post(f"/axis-cgi/{api}.cgi", json=body)
    assert answer.status_code == 200
    content: dict[str, Any] = answer.json()
    return content


async def upgrade(device: Standing, octets: bytes, **params: Any) -> dict[str, Any]:
    """Upload an image as VAPIX documents it."""
    body = {"apiVersion": "1.0", "context": "abc", "method": "upgrade", "params": params}
    form: dict[str, tuple[str | None, bytes, str]] = {
        "json": (None, json.dumps(body).encode(), "application/json"),
        "file": ("P3265-V_12_11_77.bin", octets, "application/octet-stream"),
    }
    async with device.client() as client:
        content: dict[str, Any] = (await client.post("/axis-cgi/firmwaremanagement.cgi", files=form)).json()
    return content


async def status(device: Standing) -> dict[str, Any]:
    data: dict[str, Any] = (await call(device, FIRMWARE, "status"))["data"]
    return data


async def test_newer_firmware_tells_everybody_who_it_is_and_older_does_not_know_the_method() -> None:
    async with standing("axis") as device:
        told = await call(device, INFO, "getAllUnrestrictedProperties", login=False)
    async with standing("axis", firmware="9.80.1", model="M1065-LW") as device:
        unknown = await call(device, INFO, "getAllUnrestrictedProperties")
        async with device.stranger() as client:
            refused = await client.post("/axis-cgi/basicdeviceinfo.cgi", json={})

    properties = told["data"]["propertyList"]
    assert (properties["ProdNbr"], properties["Version"]) == ("P3265-V", "11.11.160")
    assert properties["BuildDate"] == "May 20 2025 06:50"
    assert "SocSerialNumber" not in properties
    assert unknown["error"] == {"code": 2004, "message": "Unknown method 'getAllUnrestrictedProperties'"}
    assert refused.status_code == 401


async def test_all_properties_take_a_login() -> None:
    async with standing("axis") as device:
        whole = await call(device, INFO, "getAllProperties")
        async with device.stranger() as client:
            refused = await client.post("/axis-cgi/basicdeviceinfo.cgi", json={"method": "getAllProperties"})

    assert whole["data"]["propertyList"]["Architecture"] == "armv7hf"
    assert refused.status_code == 401
    assert 'realm="AXIS_ACCC8E000001"' in refused.headers["www-authenticate"]


async def test_parameters_by_group() -> None:
    async with standing("axis") as device, device.client() as client:
        firmware = await client.get("/axis-cgi/param.cgi?action=list&group=root.Properties.Firmware")
        nothing = await client.get("/axis-cgi/param.cgi?action=list&group=root.Nothing")
        change = await client.get("/axis-cgi/param.cgi?action=update&root.Network.SSH.Enabled=yes")

    assert firmware.text == (
        "root.Properties.Firmware.BuildDate=May 20 2025 06:50\n"
        "root.Properties.Firmware.BuildNumber=26\n"
        "root.Properties.Firmware.Version=11.11.160\n"
    )
    assert nothing.text == "# Error: Error -1 getting param in group 'root.Nothing'\n"
    assert change.text.startswith("# Error")
    assert device.camera.state.meddling == ["param.cgi update from 127.0.0.1"]


async def test_systemready_speaks_in_strings_and_its_boot_id_proves_a_reboot() -> None:
    async with standing("axis") as device:
        before = (await call(device, READY, "systemready", login=False))["data"]
        await call(device, FIRMWARE, "reboot")
        await device.booted(2)
        after = (await call(device, READY, "systemready", login=False))["data"]

    assert {key: before[key] for key in ("systemready", "needsetup", "uptime")} == {
        "systemready": "yes",
        "needsetup": "no",
        "uptime": "0",
    }
    assert before["bootid"] != after["bootid"]


async def test_an_upgrade_commits_itself_by_default() -> None:
    async with standing("axis") as device:
        answer = await upgrade(device, NEWER.pack())
        await device.booted(2)
        await until(lambda: isinstance(device.camera, AxisCamera) and device.camera.firmware.committed)
        now = await status(device)

    assert answer["data"] == {"firmwareVersion": "12.11.77"}
    assert (now["activeFirmwareVersion"], now["inactiveFirmwareVersion"]) == ("12.11.77", "11.11.160")
    assert now["isCommited"] is True
    assert "pendingCommit" not in now
    assert now["lastUpgradeAt"].endswith("+00:00")


async def test_a_trial_that_nobody_commits_falls_back_in_time() -> None:
    """One minute is a tenth of a second here."""
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="never", autoRollback=5)
        await device.booted(2)
        trial = await status(device)
        await device.booted(3)
        back = await status(device)

    assert (trial["activeFirmwareVersion"], trial["isCommited"], trial["timeToRollback"]) == ("12.11.77", False, 0)
    assert (back["activeFirmwareVersion"], back["isCommited"]) == ("11.11.160", True)
    assert "inactiveFirmwareVersion" not in back


async def test_a_committed_trial_stays() -> None:
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="never", autoRollback=5)
        await device.booted(2)
        assert (await call(device, FIRMWARE, "commit"))["data"] == {}
        with pytest.raises(TimeoutError):
            await until(lambda: device.camera.state.boots > 2, seconds=0.6)
        now = await status(device)

    assert (now["activeFirmwareVersion"], now["isCommited"]) == ("12.11.77", True)


async def test_a_power_cycle_before_the_commit_falls_back_too() -> None:
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="never", autoRollback="never")
        await device.booted(2)
        device.camera.reboot()
        await device.booted(3)

        assert (await status(device))["activeFirmwareVersion"] == "11.11.160"


async def test_auto_commit_at_boot_leaves_no_trial() -> None:
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="boot")
        await device.booted(2)

        assert (await status(device))["isCommited"] is True


async def test_stop_auto_ends_the_countdown_and_not_the_trial() -> None:
    async with standing("axis", Setting(QUICK_BUT_LATE)) as device:
        await upgrade(device, NEWER.pack(), autoCommit="started", autoRollback=30)
        await device.booted(2)
        before = await status(device)
        await call(device, FIRMWARE, "stopAuto")
        after = await status(device)

    assert before["pendingCommit"] == "started"
    assert 0 < before["timeToRollback"] <= 1800
    assert after["isCommited"] is False
    assert not {"pendingCommit", "timeToRollback"} & after.keys()


async def test_rollback_goes_one_step_and_no_further() -> None:
    async with standing("axis") as device:
        none = await call(device, FIRMWARE, "rollback")
        await upgrade(device, NEWER.pack(), autoCommit="boot")
        await device.booted(2)
        done = await call(device, FIRMWARE, "rollback")
        await device.booted(3)
        again = await call(device, FIRMWARE, "rollback")
        now = await status(device)

    assert none["error"]["code"] == again["error"]["code"] == 404
    assert done["data"] == {"firmwareVersion": "11.11.160"}
    assert now["activeFirmwareVersion"] == "11.11.160"


async def test_purge_removes_the_way_back_once_committed() -> None:
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="never")
        await device.booted(2)
        early = await call(device, FIRMWARE, "purge")
        await call(device, FIRMWARE, "commit")
        purged = await call(device, FIRMWARE, "purge")
        back = await call(device, FIRMWARE, "rollback")

    assert early["error"]["code"] == 412
    assert purged["data"] == {}
    assert back["error"]["code"] == 404


async def test_factory_default_leaves_a_device_in_need_of_setup() -> None:
    async with standing("axis") as device:
        wrong = await call(device, FIRMWARE, "factoryDefault")
        await call(device, FIRMWARE, "factoryDefault", factoryDefaultMode="soft")
        await device.booted(2)
        ready = await call(device, READY, "systemready", login=False)

    assert wrong["error"]["code"] == 400
    assert ready["data"]["needsetup"] == "yes"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"rubbish", 415),
        (NEWER.pack()[:-1], 415),
        (SealedImage(AXIS_IMAGE, "M1065-LW", "12.11.77", date(2026, 9, 1)).pack(), 421),
        (SealedImage(AXIS_IMAGE, "P3265-V", "12.0.1", date(2026, 1, 1)).pack(), 410),
        (OLDER.pack(), 409),
    ],
    ids=["rubbish", "cut off", "another model", "revoked", "older"],
)
async def test_a_wrong_image_is_refused_with_http_200(octets: bytes, code: int) -> None:
    async with standing("axis", revoked=frozenset({"12.0.1"})) as device:
        answer = await upgrade(device, octets)

    assert answer["error"]["code"] == code
    assert device.camera.flash is None


async def test_a_downgrade_takes_a_hard_factory_default() -> None:
    async with standing("axis") as device:
        assert (await upgrade(device, OLDER.pack(), factoryDefaultMode="hard"))["data"]["firmwareVersion"] == "10.12.91"
        await device.booted(2)

        assert device.camera.state.factory_state


async def test_one_upgrade_at_a_time_and_only_over_committed_firmware() -> None:
    clock = HandClock()
    async with standing("axis", Setting(Timings(flash_seconds=0.3, reboot_seconds=0.05), now=clock)) as device:
        await upgrade(device, NEWER.pack(), autoCommit="never")
        busy = await upgrade(device, NEWER.pack())
        clock.now += 1
        await device.booted(2)
        uncommitted = await upgrade(device, NEWER.pack())

    assert busy["error"]["code"] == 423
    assert uncommitted["error"]["code"] == 412


async def test_a_failed_upgrade_has_already_cost_the_inactive_firmware() -> None:
    async with standing("axis") as device:
        await upgrade(device, NEWER.pack(), autoCommit="boot")
        await device.booted(2)
        device.camera.state.faults.add(Fault.UPGRADE_FAILS_MIDWAY)
        failed = await upgrade(device, SealedImage(AXIS_IMAGE, "P3265-V", "12.12.0", date(2026, 10, 1)).pack())
        now = await status(device)

    assert failed["error"]["code"] == 500
    assert "inactiveFirmwareVersion" not in now


async def test_errors_of_the_envelope() -> None:
    async with standing("axis") as device, device.client() as client:
        path = "/axis-cgi/firmwaremanagement.cgi"
        bodies = ("no json", "[]", '{"method": "explode"}', '{"apiVersion": "9.0", "method": "status"}')
        codes = [(await client.post(path, content=body)).json()["error"]["code"] for body in bodies]
        half = {"Content-Type": "multipart/form-data; boundary=x"}
        codes.append((await client.post(path, content="--x\r\n\r\n{}", headers=half)).json()["error"]["code"])
        versions = await client.post(path, json={"method": "getSupportedVersions"})

    assert codes == [400, 400, 405, 417, 400]
    assert versions.json()["data"] == {"apiVersions": ["1.4"]}


async def test_the_spelling_of_committed_differs_by_firmware() -> None:
    async with standing("axis", spells_committed_right=True) as device:
        assert (await status(device))["isCommitted"] is True


QUICK_BUT_LATE = Timings(
    reboot_seconds=QUICK.reboot_seconds,
    shutdown_seconds=QUICK.shutdown_seconds,
    flash_seconds=QUICK.flash_seconds,
    settle_seconds=30.0,
)
