"""What SUNAPI's answers mean: lines and JSON, refusals of status 200, and the course of a write."""

from pathlib import Path

import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act, CameraState, Failure, ImageFile
from bartizan_agent.drivers.hanwha import messages
from bartizan_agent.drivers.hanwha.driver import Hanwha
from tests.drivers.exchange import declined, lines

INFO = messages.device_info()
IMAGE = ImageFile(Path("nothing"), 3, "qnv.img")
UPDATE = messages.update_firmware(IMAGE, Hanwha.families[-1])
QNV = CameraState(
    serial="ZPKE70GT000001X", model="QNV-8080R", firmware="1.41.14_20230526_R372", build_date="2023-05-26"
)


@pytest.mark.parametrize(
    "body",
    [
        lines(f"Model={QNV.model}", f"SerialNumber={QNV.serial}", f"FirmwareVersion={QNV.firmware}", "DeviceType=NWC"),
        lines(f"FirmwareVersion={QNV.firmware}", "", f" SerialNumber = {QNV.serial}", f"Model={QNV.model}", "Odd"),
        b'{"Model":"QNV-8080R","SerialNumber":"ZPKE70GT000001X","FirmwareVersion":"1.41.14_20230526_R372","X":[1]}',
    ],
    ids=["lines", "another order", "JSON"],
)
def test_who_it_is(body: bytes) -> None:
    assert INFO.decode(body) == QNV


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Model":1}', lines("Model=X", "SerialNumber="), b"\xff\0" * 50])
def test_what_is_no_device_info_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        INFO.decode(body)


def test_an_unknown_form_of_version_is_kept_as_it_is() -> None:
    state = INFO.decode(lines("SerialNumber=S", "FirmwareVersion=V9-beta"))

    assert (state.firmware, state.build_date, state.model) == ("V9-beta", "", "")


def test_a_refusal_of_status_200_is_a_refusal() -> None:
    assert declined(INFO, b"NG\r\nError Code: 601\r\nAction Not Found\r\n") == Failure(
        Act.NEVER, "declined", "SUNAPI: NG Error Code: 601 Action Not Found"
    )


def test_the_clock_is_read_in_utc() -> None:
    assert messages.date().decode(lines("LocalTime=2026-07-16 11:32:15", "UTCTime=2026-07-16 02:32:15")) == 1784169135.0


def test_a_camera_without_a_password_refuses_everything() -> None:
    failure = INFO.explain(403, b"")

    assert failure is not None
    assert (failure.act, failure.code) == (Act.CREDENTIALS, "not-activated")
    assert messages.date().explain(403, b"") is None


def test_a_camera_with_all_its_sessions_open_is_busy() -> None:
    failure = INFO.explain(490, b"")

    assert failure is not None
    assert (failure.act, failure.code) == (Act.LATER, "busy")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (lines("Status=Uploading", "Progress=100", "Status=DownloadFail"), "image-refused"),
        (
            lines("FirmwareModule=Kernel", "Status=OK", "FirmwareModule=App", "Status=Fail", "Status=End"),
            "write-failed",
        ),
        (b"NG\r\nError Code: 604\r\nInvalid File\r\n", "image-refused"),
    ],
)
def test_a_write_that_fails_says_so_in_its_course(body: bytes, code: str) -> None:
    assert declined(UPDATE, body).code == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        lines("Status=Alive", "Status=Alive", "FirmwareModule=ISP", "Status=UpdatingISP", "Progress=40"),
        lines("FirmwareModule=Kernel", "Status=Skip", "Status=End"),
    ],
    ids=["cut off by the restart", "cut off in its middle", "installed already"],
)
def test_a_write_that_does_not_say_that_it_failed_is_proven_by_the_version(body: bytes) -> None:
    UPDATE.decode(body)


def test_the_image_goes_out_with_the_type_that_is_required() -> None:
    assert (UPDATE.method, UPDATE.path) == (
        "POST", "/stw-cgi/system.cgi?msubmenu=firmwareupdate&action=control&Type=Normal"
    )  # fmt: skip
    assert IMAGE in UPDATE.body


@pytest.mark.parametrize(
    ("model", "family"),
    [("QNV-8080R", "Cameras"), ("XRN-6410DB4", "Recorders"), ("PRN-3205B2", "Recorders"), ("SNB-6004", None)],
)
def test_only_families_that_are_known_to_take_images_are_given_any(model: str, family: str | None) -> None:
    found = Hanwha().family(model, "")

    assert (found and found.name) == family
