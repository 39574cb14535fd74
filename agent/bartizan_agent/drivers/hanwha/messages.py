"""SUNAPI: requests and what their answers mean. Sources: the vendor's programming guide, and clients of real units.

Answers are `key=value` lines, or JSON where a firmware prefers it. Status 200 does not mean success: an answer that
begins with `NG` is a refusal, with an `Error Code`.
"""

import re

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware import versions
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.body import form
from bartizan_agent.drivers.contract import Act, CameraState, Declined, Failure, ImageFile, Picture, Request
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture

MAIN_STREAM = "/profile1/media.smp"
BACK_UP_LIMIT = 8 * 1024 * 1024  # octets
_SYSTEM = "/stw-cgi/system.cgi?msubmenu="
_DEVICE_INFO = f"{_SYSTEM}deviceinfo&action=view"
_REFUSED = re.compile(r"\A\s*NG\b")
_ERROR_CODE = re.compile(r"Error Code\s*[:=]\s*(\d{1,5})", re.IGNORECASE)
_STATUS = re.compile(r"^[ \t\"]*Status=([A-Za-z]{1,20})", re.MULTILINE)
_INVALID_FILE = 604
_TOO_MANY_SESSIONS = 490
_NOT_SET_UP = 403
"""A camera without a password gives it for everything, where one that is set up asks for a login."""
_FAILURES = {"downloadfail": "image-refused", "fail": "write-failed"}


def device_info() -> Request[CameraState]:
    """Ask who it is."""
    return Request("GET", _DEVICE_INFO, _decode_device_info, _explain_device_info)


def date() -> Request[float]:
    """Ask what time it thinks it is: Unix seconds."""
    return Request("GET", f"{_SYSTEM}date&action=view", _decode_date, _explain)


def snapshot() -> Request[Picture]:
    """Ask for a picture of the first channel."""
    path = "/stw-cgi/video.cgi?msubmenu=snapshot&action=view"
    return Request("GET", path, _decode_snapshot, _explain, beginning_is_enough=True)


def configuration() -> Request[bytes]:
    """Ask for the whole configuration, encrypted by the camera."""
    path = f"{_SYSTEM}configbackup&action=control"
    return Request("GET", path, _decode_configuration, _explain, limit=BACK_UP_LIMIT, seconds=60.0, whole=True)


def update_firmware(image: ImageFile, family: Family) -> Request[None]:
    """Hand over an image as a form. `Type=Normal` is required; the field's name is of no importance to the camera."""
    body, content_type = form((family.field, "application/octet-stream", image))
    return Request(
        "POST",
        f"{_SYSTEM}firmwareupdate&action=control&Type=Normal",
        _decode_update,
        _explain_update,
        body=body,
        content_type=content_type,
        seconds=family.upload_seconds,
        prime=_DEVICE_INFO,
    )


def _decode_device_info(body: bytes) -> CameraState:
    said = _accepted(body)
    if not said.get("SerialNumber") or not said.get("FirmwareVersion"):
        raise Malformed("the answer to deviceinfo has no SerialNumber or FirmwareVersion")
    firmware = said["FirmwareVersion"]
    version = versions.parse(versions.HANWHA, firmware)
    return CameraState(
        serial=said["SerialNumber"],
        model=said.get("Model", ""),
        firmware=firmware,
        build_date=version.build_date if version is not None else "",
    )


def _decode_date(body: bytes) -> float:
    clock = reading.unix_seconds(_accepted(body).get("UTCTime", ""))
    if clock is None:
        raise Malformed("the answer to date has no UTCTime")
    return clock


def _decode_snapshot(body: bytes) -> Picture:
    _not_refused(body)
    return picture(body)


def _decode_configuration(body: bytes) -> bytes:
    _not_refused(body)
    if not body:
        raise Malformed("the camera's configuration is empty")
    return body


def _decode_update(body: bytes) -> None:
    """Read the statuses that came while the image was written. What failed once is not undone by what follows."""
    _not_refused(body)
    said = [status.lower() for status in _STATUS.findall(body.decode("utf-8", "replace"))]
    failed = next((status for status in said if status in _FAILURES), "")
    if failed:
        raise Declined(Act.NEVER, _FAILURES[failed], f"the camera says of the image: {failed}")


def _accepted(body: bytes) -> dict[str, str]:
    _not_refused(body)
    if body.lstrip().startswith(b"{"):
        return _from_json(body)
    return reading.key_values(body)


def _from_json(body: bytes) -> dict[str, str]:
    try:
        document = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the camera's answer is not acceptable JSON") from error
    return {name: str(value).strip() for name, value in document.items() if isinstance(value, str | int | float)}


def _not_refused(body: bytes) -> None:
    beginning = body[:400].decode("utf-8", "replace")
    if not _REFUSED.match(beginning):
        return
    said = " ".join(beginning.split())
    found = _ERROR_CODE.search(beginning)
    if found is not None and int(found[1]) == _INVALID_FILE:
        raise Declined(Act.NEVER, "image-refused", f"SUNAPI: {said}")
    raise Declined(Act.NEVER, "declined", f"SUNAPI: {said}")


def _explain_device_info(status: int, body: bytes) -> Failure | None:
    if status == _NOT_SET_UP:
        return Failure(Act.CREDENTIALS, "not-activated", "the camera is in factory state: it has no password yet")
    return _explain(status, body)


def _explain(status: int, body: bytes) -> Failure | None:
    if status == _TOO_MANY_SESSIONS:
        return Failure(Act.LATER, "busy", "the camera has as many sessions open as it can")
    try:
        _not_refused(body)
    except Declined as declined:
        return declined.failure
    return None


def _explain_update(status: int, body: bytes) -> Failure | None:
    if status == _INVALID_FILE:
        return Failure(Act.NEVER, "image-refused", "the camera answered 604: no image for it")
    return _explain(status, body)
