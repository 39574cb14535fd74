"""SUNAPI: requests and what their answers mean. Sources: the vendor's programming guide, and clients of real units.

Answers are `key=value` lines, or JSON where a firmware prefers it. Status 200 does not mean success: an answer that
begins with `NG` is a refusal, with an `Error Code`.
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware import versions
from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import markup, reading
from bartizan_agent.drivers.body import form
from bartizan_agent.drivers.contract import Act, CameraState, Declined, Failure, ImageFile, Picture, Request
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

MAIN_STREAM = "/profile1/media.smp"
BACK_UP_LIMIT = 8 * 1024 * 1024  # octets
_SYSTEM = "/stw-cgi/system.cgi?msubmenu="
_DEVICE_INFO = f"{_SYSTEM}deviceinfo&action=view"
_DATE = f"{_SYSTEM}date&action=view"
_NETWORK = "/stw-cgi/network.cgi?msubmenu="
_PROFILES = "/stw-cgi/media.cgi?msubmenu=videoprofile&action=view"
_ATTRIBUTES = "/stw-cgi/attributes.cgi/attributes"
_ATTRIBUTES_LIMIT = 1024 * 1024  # octets: everything that a model can do, for each channel
_RECOGNITION = {
    "FaceDetection": "face detection",
    "FaceRecognition": "face recognition",
    "PeopleCount": "people counting",
}
"""Attributes of the group `Eventsource`, category `Support`. Only the first is from code for real devices."""
_DEEPEST = 8
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
    return Request("GET", _DATE, _decode_date, _explain)


def settings() -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at. SUNAPI names no switch for SSH, telnet or the maker's updates."""
    return (
        _setting(_DATE, _time_source),
        _setting(f"{_NETWORK}upnpdiscovery&action=view", _upnp),
        _setting(f"{_NETWORK}dynamicdns&action=view", _name_service),
        _setting(_PROFILES, _resolution),
        Request("GET", _ATTRIBUTES, _decode_attributes, _explain, limit=_ATTRIBUTES_LIMIT),
    )


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


def _setting(path: str, read: Callable[[dict[str, str]], Said]) -> Request[Said]:
    return Request("GET", path, lambda body: read(_flat(body)), _explain)


def _time_source(said: dict[str, str]) -> Said:
    way, servers = said.get("SyncType", ""), said.get("NTPURLList", "")
    if way.upper() == "NTP":
        server = servers.partition(",")[0].strip()
        way = f"NTP {server}" if server else ""
    return say(Fact.TIME_SOURCE, way.lower() if way == "Manual" else way, Source.SUNAPI, reading.WEIGHT, "SUNAPI date")


def _upnp(said: dict[str, str]) -> Said:
    return reading.switch(Fact.UPNP, _last(said, "Enable"), Source.SUNAPI, "SUNAPI upnpdiscovery")


def _name_service(said: dict[str, str]) -> Said:
    """Its maker's own name service makes it reachable from outside. That this is off says nothing of other ways."""
    is_makers = _last(said, "Type") == "SamsungDDNS"
    return say(Fact.VENDOR_CLOUD, "on" if is_makers else "", Source.SUNAPI, reading.WEIGHT, "SUNAPI dynamicdns")


def _resolution(said: dict[str, str]) -> Said:
    """Return the largest of its profiles: which of them is recorded, is the recorder's to say."""
    sizes = [size for name, text in said.items() if name.endswith("Resolution") and (size := _size(text))]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return reading.size(str(width), str(height), Source.SUNAPI, "SUNAPI videoprofile") if width else ()


def _size(text: str) -> tuple[int, int] | None:
    width, _, height = text.lower().partition("x")
    is_size = width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6
    return (int(width), int(height)) if is_size else None


def _decode_attributes(body: bytes) -> Said:
    _not_refused(body)
    root = markup.parse(body)
    able = {
        attribute.get("name", "")
        for attribute in markup.find_all(root, "attribute")
        if markup.truth(attribute.get("value", ""))
    }
    return tuple(
        said
        for name, offer in _RECOGNITION.items()
        if name in able
        for said in say(Fact.ANALYTICS, offer, Source.SUNAPI, reading.WEIGHT, "SUNAPI attributes")
    )


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


def _flat(body: bytes) -> dict[str, str]:
    """Return an answer with sections as `Channel.0.Profile.1.Resolution`, however it is written."""
    _not_refused(body)
    return dict(_leaves(_document(body), "", 0)) if body.lstrip().startswith(b"{") else reading.key_values(body)


def _leaves(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield what stands at the ends; a list of texts is one text, as it is in lines."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield name, ",".join(value)
    elif isinstance(value, dict | list) and depth < _DEEPEST:
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            yield from _leaves(item, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, str | int | float):
        yield name, str(value).strip()


def _last(said: dict[str, str], name: str) -> str:
    """Return the first value whose name ends so: sections are named by interface, or numbered, or left out."""
    return next((value for key, value in said.items() if key.rpartition(".")[2] == name), "")


def _from_json(body: bytes) -> dict[str, str]:
    document = _document(body)
    return {name: str(value).strip() for name, value in document.items() if isinstance(value, str | int | float)}


def _document(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the camera's answer is not acceptable JSON") from error


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
