"""Dahua's CGI interface: requests and what their answers mean. Answers are `key=value` lines."""

import re
from collections.abc import Callable

from bartizan.errors import Malformed
from bartizan.firmware.versions import iso_date
from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import markup, reading
from bartizan_agent.drivers.body import form
from bartizan_agent.drivers.contract import (
    MOST_CHANNELS,
    Act,
    Activity,
    CameraState,
    Channel,
    Declined,
    Failure,
    ImageFile,
    Picture,
    Progress,
    Request,
)
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

MAIN_STREAM = "/cam/realmonitor?channel=1&subtype=0"
BACK_UP_LIMIT = 8 * 1024 * 1024  # octets
_SYSTEM_INFO = "/cgi-bin/magicBox.cgi?action=getSystemInfo"
_CONFIG = "/cgi-bin/configManager.cgi?action=getConfig&name="
_CGI = Source.DAHUA_CGI
_SWITCHES = {
    "T2UServer": Fact.VENDOR_CLOUD,
    "UPnP": Fact.UPNP,
    "SSHD": Fact.SSH,
    "Telnet": Fact.TELNET,
    "AutoUpgrade": Fact.VENDOR_UPDATES,
}
_RECOGNITION = {
    "facerecognition": "face recognition",
    "facedetection": "face detection",
    "faceattribute": "attributes of faces",
    "humantrait": "attributes of people",
}
"""Words of scenes for analytics; unconfirmed, so that none of them says nothing."""
_VERSION = re.compile(r"version=\s*([^,\s]+)\s*(?:,\s*build:\s*(\d{4}-\d{2}-\d{2}))?", re.IGNORECASE)
_STATE = re.compile(rb"^State=([A-Za-z]+)", re.MULTILINE)
_PROGRESS_TEXT = re.compile(rb"^Progress=(\d{1,3})\s*$", re.MULTILINE)
_PROGRESS_BYTE = re.compile(rb"^Progress=(.)", re.MULTILINE | re.DOTALL)
_ACTIVITIES = {
    "downloading": Activity.WORKING,
    "upgrading": Activity.WORKING,
    "succeeded": Activity.WANTS_RESTART,
}
_FAILED = {
    "invalid": "image-refused",
    "notenoughmemory": "write-failed",
    "failed": "write-failed",
    "downloadfailed": "write-failed",
}
_REMOTE = re.compile(r"\Atable\.RemoteDevice\.\S{0,60}_INFO_(\d{1,5})\.(Address|SerialNo|Mac|Enable)\Z")
_LOCKED = re.compile(rb"user is locked|account is locked", re.IGNORECASE)
_LOCKED_SECONDS = 1800.0
_NOTHING_SET_UP = re.compile(rb"uninitiali[sz]ed|not initiali[sz]ed", re.IGNORECASE)


def system_info() -> Request[dict[str, str]]:
    """Ask for serial number, model and firmware family."""
    return Request("GET", _SYSTEM_INFO, _decode_system_info, _explain)


def software_version() -> Request[tuple[str, str]]:
    """Ask for the version and the ISO date of its build (empty where it gives none)."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=getSoftwareVersion", _decode_version, _explain)


def serial_number() -> Request[str]:
    """Ask for the serial number alone: some firmware leaves it out of getSystemInfo."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=getSerialNo", _decode_serial_number, _explain)


def device_type() -> Request[str]:
    """Ask for the model alone: some firmware puts a number in its place into getSystemInfo."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=getDeviceType", _decode_device_type, _explain)


def vendor() -> Request[str]:
    """Ask for the name it goes by."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=getVendor", _decode_vendor, _explain)


def up_time() -> Request[float | None]:
    """Ask how long it has been up. Not every firmware says."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=getUpTime", _decode_up_time, _explain)


def current_time() -> Request[float | None]:
    """Ask what time it thinks it is: Unix seconds."""
    return Request("GET", "/cgi-bin/global.cgi?action=getCurrentTime", _decode_time, _explain)


def settings() -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at, a table each. Not every model has all of them."""
    decoders = {
        **{name: _switch(name, fact) for name, fact in _SWITCHES.items()},
        "NTP": _decode_time_server,
        "Encode": _decode_encoding,
        "VideoAnalyseGlobal": _decode_analytics,
    }
    return tuple(Request("GET", f"{_CONFIG}{name}", decode, _explain) for name, decode in decoders.items())


def snapshot() -> Request[Picture]:
    """Ask for a picture of the first channel."""
    return Request("GET", "/cgi-bin/snapshot.cgi?channel=1", picture, _explain, beginning_is_enough=True)


def configuration() -> Request[bytes]:
    """Ask for the whole configuration."""
    path = "/cgi-bin/Config.backup?action=All"
    return Request("GET", path, _decode_configuration, _explain, limit=BACK_UP_LIMIT, seconds=60.0, whole=True)


def upload_firmware(image: ImageFile, family: Family) -> Request[None]:
    """Hand over an image as a form; the field's name is the family's."""
    body, content_type = form((family.field, "application/octet-stream", image))
    return Request(
        "POST",
        "/cgi-bin/upgrader.cgi?action=uploadFirmware",
        _decode_upload,
        _explain_upload,
        body=body,
        content_type=content_type,
        seconds=family.upload_seconds,
        prime=_SYSTEM_INFO,
    )


def upgrade_state() -> Request[Progress]:
    """Ask how far the writing of an image is."""
    return Request("GET", "/cgi-bin/upgrader.cgi?action=getState", _decode_state, _explain)


def remote_devices() -> Request[tuple[Channel, ...]]:
    """Ask a recorder which cameras it records."""
    path = "/cgi-bin/configManager.cgi?action=getConfig&name=RemoteDevice"
    return Request("GET", path, _decode_remote_devices, _explain, limit=1024 * 1024)


def reboot() -> Request[None]:
    """Tell it to restart."""
    return Request("GET", "/cgi-bin/magicBox.cgi?action=reboot", _not_an_error, _explain)


def camera_state(info: dict[str, str], version: tuple[str, str]) -> CameraState:
    """Return who it is, out of two answers."""
    return CameraState(
        serial=info["serialNumber"],
        model=info.get("deviceType", ""),
        firmware=version[0],
        build_date=version[1],
        hardware=info.get("hardwareVersion", ""),
        platform=info.get("updateSerial", ""),
    )


def _decode_system_info(body: bytes) -> dict[str, str]:
    pairs = _accepted(body)
    if not pairs.keys() & {"serialNumber", "deviceType", "updateSerial", "hardwareVersion", "processor"}:
        raise Malformed("the answer to getSystemInfo tells nothing of a system")
    return pairs


def _decode_serial_number(body: bytes) -> str:
    serial = _accepted(body).get("sn", "")
    if not serial:
        raise Malformed("the answer to getSerialNo has no serial number")
    return serial


def _decode_device_type(body: bytes) -> str:
    return _accepted(body).get("type", "")


def _decode_version(body: bytes) -> tuple[str, str]:
    _accepted(body)
    found = _VERSION.search(body.decode("utf-8", "replace"))
    if found is None:
        raise Malformed("the answer to getSoftwareVersion has no version")
    return found[1], iso_date(found[2] or "")


def _decode_vendor(body: bytes) -> str:
    return _accepted(body).get("vendor", "")


def _decode_up_time(body: bytes) -> float | None:
    pairs = _accepted(body)
    named = (pairs[key] for key in ("info.last", "last", "info.Last", "up", "uptime") if key in pairs)
    return reading.seconds(next(named, ""))


def _decode_time(body: bytes) -> float | None:
    return reading.unix_seconds(_accepted(body).get("result", ""))


def _decode_remote_devices(body: bytes) -> tuple[Channel, ...]:
    """Read `table.RemoteDevice.uuid:System_CONFIG_NETCAMERA_INFO_0.Address=…`; channels are counted from 1.

    Lines with user names and passwords stand between them, and are not looked at.
    """
    devices: dict[int, dict[str, str]] = {}
    for name, value in _accepted(body).items():
        found = _REMOTE.match(name)
        if found is not None and int(found[1]) < MOST_CHANNELS:
            devices.setdefault(int(found[1]), {})[found[2]] = value
    return tuple(
        Channel(number + 1, said.get("Address", ""), said.get("SerialNo", ""), said.get("Mac", ""))
        for number, said in sorted(devices.items())
        if markup.truth(said.get("Enable", "true"))
    )


def _switch(name: str, fact: Fact) -> Callable[[bytes], Said]:
    def decode(body: bytes) -> Said:
        enabled = _accepted(body).get(f"table.{name}.Enable", "")
        return reading.switch(fact, enabled, Source.DAHUA_CGI, f"getConfig {name}")

    return decode


def _decode_time_server(body: bytes) -> Said:
    pairs = _accepted(body)
    is_on = {item.value for item in reading.switch(Fact.TIME_SOURCE, pairs.get("table.NTP.Enable", ""), _CGI, "NTP")}
    server = f"NTP {pairs.get('table.NTP.Address', '')}"
    said = {frozenset({"on"}): server, frozenset({"off"}): "manual"}.get(frozenset(is_on), "")
    return say(Fact.TIME_SOURCE, said, _CGI, reading.WEIGHT, "getConfig NTP")


def _decode_encoding(body: bytes) -> Said:
    pairs, video = _accepted(body), "table.Encode[0].MainFormat[0].Video"
    return reading.size(pairs.get(f"{video}.Width", ""), pairs.get(f"{video}.Height", ""), _CGI, "getConfig Encode")


def _decode_analytics(body: bytes) -> Said:
    values = " ".join(_accepted(body).values()).lower()
    return tuple(
        said
        for word, offer in _RECOGNITION.items()
        if word in values
        for said in say(Fact.ANALYTICS, offer, _CGI, reading.WEIGHT, "getConfig VideoAnalyseGlobal")
    )


def _decode_configuration(body: bytes) -> bytes:
    _not_an_error(body)
    if not body:
        raise Malformed("the camera's configuration is empty")
    return body


def _decode_upload(body: bytes) -> None:
    try:
        _not_an_error(body)
    except Declined as declined:
        raise Declined(Act.NEVER, "image-refused", declined.failure.reason) from declined


def _decode_state(body: bytes) -> Progress:
    _not_an_error(body)
    found = _STATE.search(body)
    if found is None:
        raise Malformed("the answer to getState has no State")
    state = found[1].decode("ascii").lower()
    if state in _FAILED:
        raise Declined(Act.NEVER, _FAILED[state], f"the camera says of the image: {found[1].decode('ascii')}")
    return Progress(_ACTIVITIES.get(state, Activity.IDLE), _percent(body))


def _percent(body: bytes) -> int | None:
    """Return the progress. One firmware writes it as a raw octet, which may be any, a line end included."""
    text, octet = _PROGRESS_TEXT.search(body), _PROGRESS_BYTE.search(body)
    if text is not None and int(text[1]) <= 100:
        return int(text[1])
    if octet is not None and octet[1][0] <= 100:
        return octet[1][0]
    return None


def _accepted(body: bytes) -> dict[str, str]:
    _not_an_error(body)
    return reading.key_values(body)


def _not_an_error(body: bytes) -> None:
    """Refuse an answer that is an error in spite of its status: they begin with the word."""
    beginning = body[:200].lstrip()
    if beginning.lower().startswith(b"error"):
        said = " ".join(beginning.decode("utf-8", "replace").split())
        raise Declined(Act.NEVER, "declined", f"Dahua CGI: {said}")


def _explain(_status: int, body: bytes) -> Failure | None:
    if _LOCKED.search(body[:500]):
        return Failure(Act.LATER, "locked-out", "the camera has locked this gateway out", wait_seconds=_LOCKED_SECONDS)
    if _NOTHING_SET_UP.search(body[:500]):
        return Failure(Act.CREDENTIALS, "not-activated", "the camera is in factory state: it has no password yet")
    return None


def _explain_upload(status: int, body: bytes) -> Failure | None:
    if status in {400, 406, 413, 415, 422}:
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        return Failure(Act.NEVER, "image-refused", f"Dahua CGI: {status} {said}".strip())
    return _explain(status, body)
