"""A Hikvision-built device over ISAPI and SADP."""

from datetime import date
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras import Fault, Setting, Timings, make
from bartizan_lab.cameras.hikvision.camera import HikvisionCamera
from bartizan_lab.cameras.hikvision.sadp import Sadp
from bartizan_lab.cameras.hikvision.traits import UpgradeForm
from bartizan_lab.cameras.images import HikvisionImage
from bartizan_lab.network import HostNetwork
from tests.lab.cameras.standing import HandClock, Standing, datagram, standing, until

INQUIRY = b'<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>13A888A9</Uuid><Types>inquiry</Types></Probe>'
GOOD = HikvisionImage("G5", "V5.8.1", date(2024, 11, 21))


def values(octets: bytes) -> dict[str, str]:
    """Return the text of each element by local name."""
    root: Element = fromstring(octets)
    return {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}


def sadp_answer(octets: bytes = INQUIRY, kind: str = "hikvision", **facts: Any) -> tuple[str, tuple[str, int]]:
    """Return what a device answers to an inquiry, and to whom."""
    camera = make(kind, **facts)
    assert isinstance(camera, HikvisionCamera)
    (answer,) = Sadp(camera, camera.traits, HostNetwork("192.0.2.64")).respond(datagram(octets))
    return answer.octets.decode(), answer.peer


async def upgrade(device: Standing, octets: bytes) -> httpx.Response:
    async with device.client() as client:
        return await client.post("/ISAPI/System/updateFirmware", content=octets)


async def written(device: Standing) -> None:
    await until(lambda: device.camera.flash_percent == 100)


async def test_device_info_has_the_recorded_fields() -> None:
    async with standing("hikvision") as device, device.client() as client:
        answer = await client.get("/ISAPI/System/deviceInfo")

    info = values(answer.content)
    assert answer.headers["server"] == "App-webs/"
    assert info["model"] == "DS-2CD2143G2-I"
    assert info["serialNumber"] == "DS-2CD2143G2-I20220919AAWRK00000001"
    assert info["macAddress"] == "44:47:cc:00:00:01"
    assert (info["firmwareVersion"], info["firmwareReleasedDate"]) == ("V5.7.18", "build 240826")
    assert (info["firmwareVersionInfo"], info["OEMCode"], info["manufacturer"]) == ("B-R-G5-0", "1", "hikvision")
    assert b'xmlns="http://www.hikvision.com/ver20/XMLSchema"' in answer.content


async def test_a_rebadged_device_hides_its_maker_and_keeps_the_makers_oui() -> None:
    async with standing("hikvision-oem") as device, device.client() as client:
        info = (await client.get("/ISAPI/System/deviceInfo")).content
        title = (await client.get("/")).text

    assert b'xmlns="http://www.isapi.org/ver20/XMLSchema"' in info
    assert (values(info)["OEMCode"], values(info)["manufacturer"]) == ("26", "")
    assert values(info)["macAddress"].startswith("bc:ad:28")
    assert "<title>Annke</title>" in title


async def test_a_recorder_lists_the_cameras_it_records() -> None:
    async with standing("hikvision-nvr", channel_addresses=("192.0.2.1", "192.0.2.2")) as device:
        async with device.client() as client:
            info = values((await client.get("/ISAPI/System/deviceInfo")).content)
            channels = (await client.get("/ISAPI/ContentMgmt/InputProxy/channels")).text
        streams = device.camera.streams

    assert (info["deviceType"], info["hardwareVersion"]) == ("NVR", "B-R-K21B1-00")
    assert "firmwareVersionInfo" not in info
    assert channels.count("<ipAddress>") == 2
    assert streams is not None
    assert streams.paths[2:] == ("/Streaming/Channels/201", "/Streaming/Channels/202")


async def test_what_it_has_not_is_404_and_not_supported() -> None:
    async with standing("hikvision") as device, device.client() as client:
        answer = await client.get("/ISAPI/System/Audio/channels")

    assert answer.status_code == 404
    assert values(answer.content) | {"statusCode": "4", "subStatusCode": "notSupport"} == values(answer.content)


async def test_a_device_without_a_password_answers_401_not_activated() -> None:
    async with standing("hikvision", factory_state=True) as device, device.stranger() as client:
        answer = await client.get("/ISAPI/System/deviceInfo")

    assert answer.status_code == 401
    assert values(answer.content)["subStatusCode"] == "notActivated"


async def test_activating_a_device_is_noted_and_not_done() -> None:
    async with standing("hikvision", factory_state=True) as device, device.stranger() as client:
        await client.put("/ISAPI/System/activate", content=b"<ActivateInfo/>")

    assert device.camera.state.factory_state
    assert device.camera.state.meddling == ["ISAPI PUT /ISAPI/System/activate from 127.0.0.1"]


@pytest.mark.parametrize(("firmware", "status"), [("V5.5.0", 200), ("V5.6.3", 403)])
async def test_older_firmware_puts_errors_into_a_200(firmware: str, status: int) -> None:
    async with standing("hikvision", firmware=firmware) as device:
        answer = await upgrade(device, b"no image")

    assert answer.status_code == status
    assert values(answer.content)["statusString"] == "Invalid XML Content"


async def test_an_upgrade_is_written_then_runs_after_the_reboot_it_was_told_to_make() -> None:
    async with standing("hikvision", breaks_connections_while_writing=False) as device, device.client() as client:
        sent = await upgrade(device, GOOD.pack())
        during = values((await client.get("/ISAPI/System/upgradeStatus")).content)
        await written(device)
        after = values((await client.get("/ISAPI/System/upgradeStatus")).content)
        before_boot = values((await client.get("/ISAPI/System/deviceInfo")).content)["firmwareVersion"]
        await client.put("/ISAPI/System/reboot")
        await device.booted(2)
        info = values((await client.get("/ISAPI/System/deviceInfo")).content)

    assert values(sent.content)["statusCode"] == "1"
    assert during["upgrading"] == "true"
    assert (after["upgrading"], after["percent"]) == ("false", "100")
    assert before_boot == "V5.7.18"
    assert (info["firmwareVersion"], info["firmwareReleasedDate"]) == ("V5.8.1", "build 241121")


async def test_while_it_writes_connections_break_and_right_logins_get_401() -> None:
    """Both are normal and mean only that it is at work."""
    clock = HandClock()
    setting = Setting(Timings(flash_seconds=100), now=clock)
    async with standing("hikvision", setting) as device, device.client() as client:
        await upgrade(device, GOOD.pack())
        clock.now += 35
        with pytest.raises(httpx.TransportError):
            await client.get("/ISAPI/System/upgradeStatus")
        clock.now += 10
        forgotten = await client.get("/ISAPI/System/upgradeStatus")
        clock.now += 10
        remembered = await client.get("/ISAPI/System/upgradeStatus")

    assert forgotten.status_code == 401
    assert values(remembered.content)["percent"] == "55"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "badXmlContent"),
        (GOOD.pack()[:-1], "badXmlContent"),
        (HikvisionImage("G3", "V5.8.1", date(2024, 11, 21)).pack(), "badDevType"),
        (HikvisionImage("G5", "V5.8.1", date(2024, 11, 21), device_class=1).pack(), "badDevType"),
        (HikvisionImage("G5", "V5.8.1", date(2024, 11, 21), oem_code=26).pack(), "badDevType"),
        (HikvisionImage("G5", "V5.8.1", date(2024, 11, 21), language=2).pack(), "badLanguage"),
        (HikvisionImage("G5", "V5.5.0", date(2019, 1, 1)).pack(), "badVersion"),
    ],
    ids=["empty", "cut off", "platform", "device class", "oem", "language", "below the floor"],
)
async def test_a_wrong_image_is_refused(octets: bytes, why: str) -> None:
    async with standing("hikvision", oldest_build=date(2020, 1, 1)) as device:
        answer = await upgrade(device, octets)

        assert values(answer.content)["subStatusCode"] == why
        assert device.camera.flash is None


async def test_a_family_that_wants_a_form_takes_no_raw_body() -> None:
    form = UpgradeForm.PUT_MULTIPART
    async with standing("hikvision", upgrade_form=form) as device, device.client() as client:
        raw = await client.put("/ISAPI/System/updateFirmware", content=GOOD.pack())
        whole = await client.put("/ISAPI/System/updateFirmware", files={"FirmwareUpdate": GOOD.pack()})

    assert values(raw.content)["subStatusCode"] == "badXmlContent"
    assert values(whole.content)["subStatusCode"] == "ok"


async def test_the_picture_is_an_error_in_a_200_while_the_encoder_restarts() -> None:
    clock = HandClock()
    setting = Setting(Timings(settle_seconds=60), now=clock)
    async with standing("hikvision", setting) as device, device.client() as client:
        restarting = await client.get("/ISAPI/Streaming/channels/101/picture")
        clock.now += 61
        picture = await client.get("/ISAPI/Streaming/channels/101/picture")

    assert restarting.status_code == 200
    assert values(restarting.content)["subStatusCode"] == "deviceError"
    assert picture.content[:2] == b"\xff\xd8"


async def test_a_backup_goes_back_only_to_the_firmware_it_came_from() -> None:
    async with standing("hikvision") as device, device.client() as client:
        backup = (await client.get("/ISAPI/System/configurationData")).content
        same = await client.put("/ISAPI/System/configurationData", content=backup)
        device.camera.state.firmware = "V5.8.1"
        other = await client.put("/ISAPI/System/configurationData", content=backup)

    assert values(same.content)["statusString"] == "Reboot Required"
    assert values(other.content)["statusString"] == "Invalid XML Content"


async def test_hardening_switches_can_be_read_and_a_change_is_noted() -> None:
    async with standing("hikvision") as device, device.client() as client:
        names = ("SSH", "telnet", "EZVIZ", "UPnP", "Bonjour")
        read = [values((await client.get(f"/ISAPI/System/Network/{name}")).content)["enabled"] for name in names]
        integration = values((await client.get("/ISAPI/System/Network/Integrate")).content)
        changed = await client.put("/ISAPI/System/Network/SSH", content=b"<SSH/>")

    assert read == ["false", "false", "true", "true", "false"]
    assert integration["enable"] == "true"
    assert changed.status_code == 403
    assert device.camera.state.meddling == ["ISAPI PUT /ISAPI/System/Network/SSH from 127.0.0.1"]


async def test_onvif_is_off_since_5_5() -> None:
    async with standing("hikvision") as new, new.stranger() as client:
        assert (await client.post("/onvif/device_service", content=b"<x/>")).status_code == 404
    async with standing("hikvision", firmware="V5.4.5") as old, old.stranger() as client:
        assert (await client.post("/onvif/device_service", content=b"<x/>")).status_code == 400


def test_sadp_answers_as_captured() -> None:
    """Hyphens in the MAC, no space before `build`, and the vendor's `flase`."""
    text, _ = sadp_answer(firmware="V5.5.6", build="2018-03-26", model="DS-2CD2320D-I", mac="44:47:cc:37:ce:81")

    answer = values(text.encode())
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<ProbeMatch>')
    assert answer["Uuid"] == "13A888A9"
    assert (answer["Types"], answer["DeviceDescription"]) == ("inquiry", "DS-2CD2320D-I")
    assert answer["SoftwareVersion"] == "V5.5.6build 180326"
    assert answer["MAC"] == "44-47-cc-37-ce-81"
    assert answer["IPv4Address"] == "192.0.2.64"
    assert (answer["Activated"], answer["ResetAbility"]) == ("true", "flase")
    assert "OEMInfo" not in answer


def test_sadp_answers_to_the_group_before_5_7_and_to_the_asker_since() -> None:
    assert sadp_answer(firmware="V5.6.0")[1] == ("239.255.255.250", 37020)
    assert sadp_answer(firmware="V5.7.1")[1] == ("192.0.2.9", 40000)


def test_sadp_answers_the_newer_inquiry_under_the_other_spelling() -> None:
    text, _ = sadp_answer(INQUIRY.replace(b"inquiry", b"inquiry_v32"))

    assert "<Probematch>\n" in text
    assert "<Types>inquiry_v32</Types>" in text


def test_sadp_of_a_rebadged_device_names_the_badge() -> None:
    assert values(sadp_answer(kind="hikvision-oem")[0].encode())["OEMInfo"] == "Annke"


def test_sadp_with_an_ampersand_as_some_firmware_has_it() -> None:
    text, _ = sadp_answer(model="DS-2CD&X", unescaped_ampersand=True)

    assert "<DeviceDescription>DS-2CD&X</DeviceDescription>" in text


def test_sadp_with_odd_booleans() -> None:
    text, _ = sadp_answer(faults={Fault.BOOLEANS_ODD}, factory_state=True)

    assert "<Activated>flase</Activated>" in text
    assert "<DHCP>True</DHCP>" in text


@pytest.mark.parametrize("asked", ["activate", "update", "reset", "getencryptstring"])
def test_sadp_requests_that_change_the_device_are_noted_and_not_done(asked: str) -> None:
    camera = make("hikvision")
    assert isinstance(camera, HikvisionCamera)
    sadp = Sadp(camera, camera.traits, HostNetwork("192.0.2.64"))

    assert list(sadp.respond(datagram(INQUIRY.replace(b"inquiry", asked.encode())))) == []
    assert camera.state.meddling == [f"SADP {asked} from 192.0.2.9"]


@pytest.mark.parametrize("octets", [b"", b"\0" * 40, b"<Probe", b"<Probe/>", b"<Other><Types>inquiry</Types></Other>"])
def test_sadp_ignores_what_is_no_inquiry(octets: bytes) -> None:
    camera = make("hikvision")
    assert isinstance(camera, HikvisionCamera)

    assert list(Sadp(camera, camera.traits, HostNetwork("192.0.2.64")).respond(datagram(octets))) == []
