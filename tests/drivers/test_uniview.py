"""What LAPI's answers mean: envelopes, answers without one, refusals, and tasks."""

import json
from pathlib import Path
from typing import Any

import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act, CameraState, Failure, ImageFile
from bartizan_agent.drivers.uniview import messages
from bartizan_agent.drivers.uniview.driver import Uniview
from tests.drivers.exchange import declined

INFO = messages.device_info()
IMAGE = ImageFile(Path("nothing"), 3, "update.bin")
UPLOAD = messages.upload_firmware("7", IMAGE, Uniview.families[-1])
DATA = {
    "DeviceModel": "IPC3614SB-ADF28KM",
    "SerialNumber": "210235C5000000000001",
    "FirmwareVersion": "DIPC-B1216.5.7.230109",
    "HardwareID": "A",
}
STATE = CameraState(
    serial="210235C5000000000001",
    model="IPC3614SB-ADF28KM",
    firmware="DIPC-B1216.5.7.230109",
    build_date="2023-01-09",
    hardware="A",
    platform="DIPC-B1216",
)


def envelope(data: Any, code: int = 0, said: str = "Succeed") -> bytes:
    response = {"ResponseURL": "/x", "ResponseCode": code, "ResponseString": said, "StatusCode": code, "Data": data}
    return json.dumps({"Response": response}).encode()


@pytest.mark.parametrize("body", [envelope(DATA), json.dumps(DATA).encode()], ids=["envelope", "bare"])
def test_who_it_is(body: bytes) -> None:
    assert INFO.decode(body) == STATE


def test_older_names_of_the_fields_are_read() -> None:
    older = {
        "Model": "IPC3232ER3-DVZ28",
        "SerialNumber": 210235,
        "SoftwareVersion": "IPC_G6103 B6103.16.10.B25.201218",
    }

    state = INFO.decode(envelope(older))

    assert (state.model, state.serial) == ("IPC3232ER3-DVZ28", "210235")
    assert (state.platform, state.build_date) == ("IPC_G6103-B6103", "2020-12-18")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b'{"Response": 1}',
        envelope("null"),
        envelope({"SerialNumber": True, "FirmwareVersion": "x"}),
        b'{"Response":' * 2000,
        b"\xff{}",
    ],
)
def test_what_is_no_device_info_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        INFO.decode(body)


def test_a_response_code_other_than_zero_is_a_refusal_whatever_the_status() -> None:
    body = envelope("null", 2, "Not Supported")

    assert declined(INFO, body) == Failure(Act.NEVER, "declined", "LAPI: Not Supported (2)")
    assert INFO.explain(500, body) == declined(INFO, body)


def test_a_challenge_is_no_refusal() -> None:
    assert INFO.explain(401, envelope("null", 1, "Not Authorized")) is None


@pytest.mark.parametrize(
    "body",
    [envelope({"UpgradeTaskID": 12}), b'{"Response":{"ResponseCode":0,"UpgradeTaskID":"12"}}', b'{"UpgradeTaskID":12}'],
)
def test_the_task_is_read_wherever_it_stands(body: bytes) -> None:
    assert messages.begin_upgrade().decode(body) == "12"


@pytest.mark.parametrize("task", ["", "1&UpgradeTaskID=2", "../x", "1" * 41, None, [1]])
def test_a_task_that_would_change_the_address_is_malformed(task: object) -> None:
    with pytest.raises(Malformed):
        messages.begin_upgrade().decode(envelope({"UpgradeTaskID": task}))


def test_the_image_belongs_to_its_task() -> None:
    assert UPLOAD.path == "/LAPI/V1.0/System/UploadFirmware?UpgradeTaskID=7"
    assert IMAGE in UPLOAD.body
    assert 599 in UPLOAD.success


def test_an_upload_without_words_is_taken_and_a_refused_one_is_a_refused_image() -> None:
    UPLOAD.decode(b"")
    assert declined(UPLOAD, envelope("null", 4, "Invalid File")).code == "image-refused"
    refused = UPLOAD.explain(415, b"no")
    assert refused is not None
    assert refused.code == "image-refused"


def test_a_snapshot_in_words_is_none_yet() -> None:
    assert declined(messages.snapshot(), envelope({})).act is Act.LATER


@pytest.mark.parametrize(
    ("model", "family"), [("IPC3614SB-ADF28KM", "Cameras"), ("NVR301-04S2-P4", "Recorders"), ("EC-2114", None)]
)
def test_only_families_that_are_known_to_take_images_are_given_any(model: str, family: str | None) -> None:
    found = Uniview().family(model, "")

    assert (found and found.name) == family
