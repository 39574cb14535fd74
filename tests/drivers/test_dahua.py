"""What the CGI interface's answers mean: the variants of firmware, errors of status 200, and progress as an octet."""

import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act, Activity, Progress
from bartizan_agent.drivers.dahua import messages
from tests.drivers.exchange import declined, lines

VERSION = messages.software_version()
STATE = messages.upgrade_state()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"version=2.800.0000016.0.R,build:2020-06-05\r\n", ("2.800.0000016.0.R", "2020-06-05")),
        (b"version=5.001.0000000.2.R, build: 2026-03-31", ("5.001.0000000.2.R", "2026-03-31")),
        (b"version=2.420.HW01.33.20190812\r\n", ("2.420.HW01.33.20190812", "")),
        (b"Version= 2.8,build:never", ("2.8", "")),
    ],
)
def test_the_version_and_its_build(body: bytes, expected: tuple[str, str]) -> None:
    assert VERSION.decode(body) == expected


@pytest.mark.parametrize("body", [b"", b"version=", b"OK\r\n", b"<html></html>"])
def test_what_names_no_version_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        VERSION.decode(body)


def test_system_info_is_read_in_part() -> None:
    assert messages.system_info().decode(lines("deviceType=31", "updateSerial=IPC-HX1XXX")) == {
        "deviceType": "31",
        "updateSerial": "IPC-HX1XXX",
    }
    with pytest.raises(Malformed):
        messages.system_info().decode(lines("result=true"))


def test_serial_number_and_type_are_asked_for_alone_where_they_are_missing() -> None:
    assert messages.serial_number().decode(lines("sn=5A04B5FPAG00001")) == "5A04B5FPAG00001"
    assert messages.device_type().decode(lines("type=IP Camera")) == "IP Camera"
    with pytest.raises(Malformed):
        messages.serial_number().decode(lines("sn="))


@pytest.mark.parametrize("body", [b"Error\r\nBad Request!\r\n", b"\r\nError: No Authority"])
def test_an_error_of_status_200_is_a_refusal(body: bytes) -> None:
    assert declined(VERSION, body).code == "declined"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"State=Upgrading\r\nProgress=50\r\n", Progress(Activity.WORKING, 50)),
        (b"State=Upgrading\r\nProgress=\x0d\r\n", Progress(Activity.WORKING, 13)),
        (b"State=Upgrading\r\nProgress=\x0a\r\n", Progress(Activity.WORKING, 10)),
        (b"State=Downloading\r\nProgress=\xff\r\n", Progress(Activity.WORKING, None)),
        (b"State=Succeeded\r\nProgress=100\r\n", Progress(Activity.WANTS_RESTART, 100)),
        (b"State=Preparing\r\nProgress=0\r\n", Progress(Activity.IDLE, 0)),
        (b"State=SomethingNew\r\n", Progress(Activity.IDLE, None)),
    ],
)
def test_progress_is_text_or_on_one_firmware_an_octet(body: bytes, expected: Progress) -> None:
    assert STATE.decode(body) == expected


@pytest.mark.parametrize(
    ("state", "code"),
    [("Invalid", "image-refused"), ("Failed", "write-failed"), ("NotEnoughMemory", "write-failed")],
)
def test_a_state_that_leads_nowhere_is_a_failure(state: str, code: str) -> None:
    failure = declined(STATE, f"State={state}\r\nProgress=0\r\n".encode())

    assert (failure.act, failure.code) == (Act.NEVER, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Error\r\nUser is locked\r\n", "locked-out"),
        (b"The account is locked", "locked-out"),
        (b"Device is uninitialized", "not-activated"),
    ],
)
def test_an_error_page_that_says_why_is_understood(body: bytes, code: str) -> None:
    failure = VERSION.explain(403, body)

    assert failure is not None
    assert failure.code == code


def test_the_uptime_is_found_under_any_of_its_names() -> None:
    assert messages.up_time().decode(lines("info.last=3600", "info.total=99")) == 3600.0
    assert messages.up_time().decode(lines("uptime=12.5")) == 12.5
    assert messages.up_time().decode(lines("something=1")) is None
