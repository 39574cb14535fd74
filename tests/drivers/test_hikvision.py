"""What ISAPI's answers mean: fields that are missing, namespaces and booleans that are odd, refusals of status 200."""

from pathlib import Path

import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act, Activity, Failure, ImageFile, Progress
from bartizan_agent.drivers.family import Upload
from bartizan_agent.drivers.hikvision import messages
from bartizan_agent.drivers.hikvision.driver import Hikvision
from tests.drivers.exchange import declined

INFO = messages.device_info()
IMAGE = ImageFile(Path("nothing"), 3, "digicap.dav")


def device_info(fields: str, namespace: str = "http://www.hikvision.com/ver20/XMLSchema") -> bytes:
    return f'<?xml version="1.0"?><DeviceInfo version="2.0" xmlns="{namespace}">{fields}</DeviceInfo>'.encode()


def status(code: int, sub: str, extra: str = "") -> bytes:
    return (
        f"<ResponseStatus><statusCode>{code}</statusCode><statusString>Said</statusString>"
        f"<subStatusCode>{sub}</subStatusCode>{extra}</ResponseStatus>"
    ).encode()


NEEDED = "<serialNumber>S1</serialNumber><firmwareVersion>V5.7.18</firmwareVersion>"


@pytest.mark.parametrize("namespace", ["http://www.isapi.org/ver20/XMLSchema", "urn:anything", ""])
def test_namespaces_do_not_count(namespace: str) -> None:
    assert INFO.decode(device_info(NEEDED, namespace)).serial == "S1"


def test_fields_that_old_firmware_and_recorders_lack_are_empty() -> None:
    state = INFO.decode(device_info(NEEDED))

    assert (state.firmware, state.build_date, state.platform, state.model) == ("V5.7.18", "", "", "")


@pytest.mark.parametrize(
    ("released", "built"),
    [("build 240826", "2024-08-26"), ("240826", "2024-08-26"), ("build 241399", ""), ("soon", "")],
)
def test_the_build_date_is_read_where_it_is_one(released: str, built: str) -> None:
    state = INFO.decode(device_info(f"{NEEDED}<firmwareReleasedDate>{released}</firmwareReleasedDate>"))

    assert (state.build_date, state.firmware) == (built, f"V5.7.18 {released}")


@pytest.mark.parametrize(("info", "platform"), [("B-R-G5-0", "G5"), ("B-R-K21B1-00", "K21B1"), ("G5", ""), ("", "")])
def test_the_platform_is_the_third_part(info: str, platform: str) -> None:
    assert messages.platform(info) == platform


def test_an_ampersand_that_somebody_typed_into_the_name_does_not_hide_the_camera() -> None:
    assert INFO.decode(
        device_info(f"<deviceName>Gate & yard &amp; M&S;</deviceName>{NEEDED}".replace("S;", "S"))
    ).serial


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>login</title></html>",
        device_info("<serialNumber>S1</serialNumber>"),
        b'<!DOCTYPE a [<!ENTITY b "c">]><DeviceInfo>&b;</DeviceInfo>',
        b"<a>" * 100 + b"</a>" * 100,
    ],
)
def test_what_is_no_device_info_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        INFO.decode(body)


@pytest.mark.parametrize(
    ("code", "sub", "act", "name"),
    [
        (2, "deviceBusy", Act.LATER, "busy"),
        (3, "deviceError", Act.LATER, "not-ready"),
        (4, "notSupport", Act.NEVER, "not-offered"),
        (4, "lowPrivilege", Act.CREDENTIALS, "forbidden"),
        (4, "notActivated", Act.CREDENTIALS, "not-activated"),
        (6, "somethingNew", Act.NEVER, "declined"),
    ],
)
def test_a_status_that_says_no_is_a_refusal_with_http_200_too(code: int, sub: str, act: Act, name: str) -> None:
    failure = declined(INFO, status(code, sub))

    assert (failure.act, failure.code) == (act, name)
    assert INFO.explain(403, status(code, sub)) == failure


@pytest.mark.parametrize(("unlock", "wait"), [("600", 600.0), ("", 1800.0), ("9" * 400, 1800.0)])
def test_a_lock_out_says_how_long(unlock: str, wait: float) -> None:
    body = f"<userCheck><lockStatus>lock</lockStatus><unlockTime>{unlock}</unlockTime></userCheck>".encode()

    assert declined(INFO, body) == Failure(
        Act.LATER, "locked-out", "the camera has locked this gateway out", wait_seconds=wait
    )


@pytest.mark.parametrize(
    ("upgrading", "percent", "expected"),
    [
        ("true", "40", Progress(Activity.WORKING, 40)),
        ("1", "40%", Progress(Activity.WORKING, 40)),
        ("True", "", Progress(Activity.WORKING, None)),
        ("flase", "100", Progress(Activity.WANTS_RESTART, 100)),
        ("false", "0", Progress(Activity.IDLE, 0)),
        ("false", "x" * 9, Progress(Activity.IDLE, None)),
    ],
)
def test_progress_is_read_however_booleans_are_spelled(upgrading: str, percent: str, expected: Progress) -> None:
    body = f"<upgradeStatus><upgrading>{upgrading}</upgrading><percent>{percent}</percent></upgradeStatus>".encode()

    assert messages.upgrade_status().decode(body) == expected


@pytest.mark.parametrize(
    ("model", "method", "upload"),
    [
        ("DS-7616NI-K2/16P", "PUT", Upload.PUT_RAW),
        ("iDS-7208HUHI-M2", "PUT", Upload.PUT_RAW),
        ("DS-2CD1043G0E", "PUT", Upload.PUT_MULTIPART),
        ("DS-2CD2143G2-I", "POST", Upload.POST_RAW),
    ],
)
def test_the_way_of_an_upload_is_the_familys(model: str, method: str, upload: Upload) -> None:
    family = Hikvision().family(model, "")
    assert family is not None
    request = messages.update_firmware(IMAGE, family)

    assert (request.method, family.upload) == (method, upload)
    is_form = request.content_type.startswith("multipart/form-data")
    assert is_form is (upload is Upload.PUT_MULTIPART)
    assert request.prime


@pytest.mark.parametrize(
    ("code", "sub", "name"),
    [
        (6, "badDevType", "image-refused"),
        (6, "badLanguage", "image-refused"),
        (4, "upgrading", "busy"),
        (4, "notSupport", "not-offered"),
    ],
)
def test_a_refused_image_is_told_from_a_busy_camera(code: int, sub: str, name: str) -> None:
    request = messages.update_firmware(IMAGE, Hikvision.families[-1])

    failure = request.explain(403, status(code, sub))
    assert failure is not None
    assert failure.code == name


def test_the_uptime_is_none_where_it_cannot_be_one() -> None:
    asked = messages.status()

    assert asked.decode(b"<DeviceStatus><deviceUpTime>86400.5</deviceUpTime></DeviceStatus>").up_seconds == 86400.5
    assert asked.decode(b"<DeviceStatus><deviceUpTime>-3</deviceUpTime></DeviceStatus>").up_seconds is None
    assert asked.decode(b"<DeviceStatus><deviceUpTime>nan</deviceUpTime></DeviceStatus>").up_seconds is None
