"""ISAPI: requests and what their answers mean. Sources: the vendor's ISAPI guide, section 5, and recorded answers.

Status 200 does not mean success: a `ResponseStatus` with another `statusCode` than 0 or 1 is a refusal, wherever it is.
"""

from xml.etree.ElementTree import Element

import msgspec

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
from bartizan_agent.drivers.family import Family, Upload
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

MAIN_STREAM = "/Streaming/Channels/101"
BACK_UP_LIMIT = 8 * 1024 * 1024  # octets; recorders with 64 channels write 2 MB
_DEVICE_INFO = "/ISAPI/System/deviceInfo"
_TIME = "/ISAPI/System/time"
_INTEGRATE = "/ISAPI/System/Network/Integrate"
_CHANNELS = "/ISAPI/Streaming/channels"
_SMART = "/ISAPI/Smart/capabilities"
_SWITCHES = {"SSH": Fact.SSH, "telnet": Fact.TELNET, "EZVIZ": Fact.VENDOR_CLOUD, "UPnP": Fact.UPNP}
_RECOGNITION = {
    "isSupportFaceDetect": "face detection",
    "isSupportFaceContrast": "face recognition",
    "isSupportFDLib": "face recognition",
    "isSupportHumanAttribute": "attributes of people",
    "isSupportPeopleDetection": "people detection",
}
"""What `Smart/capabilities` says that the device can do with people. Only the first is from code for real devices."""
_FINE = frozenset({0, 1, 7})  # 7 is "reboot required"
_STATUS = {2: (Act.LATER, "busy"), 3: (Act.LATER, "not-ready")}
_SUB_STATUS = {
    "notsupport": (Act.NEVER, "not-offered"),
    "methodnotallowed": (Act.NEVER, "not-offered"),
    "lowprivilege": (Act.CREDENTIALS, "forbidden"),
    "devicebusy": (Act.LATER, "busy"),
    "upgrading": (Act.LATER, "busy"),
    "badauthorization": (Act.CREDENTIALS, "login-refused"),
    "unauthorized": (Act.CREDENTIALS, "login-refused"),
}
_LOCKED_SECONDS = 1800.0
_REFUSING_THE_IMAGE = ("firmware", "upgrade", "language", "version", "badfile", "package", "devicetype", "mismatch")


class Status(msgspec.Struct, frozen=True):
    """What `/ISAPI/System/status` says that matters here."""

    up_seconds: float | None
    clock: float | None
    """The camera's own time, Unix seconds."""


def device_info() -> Request[CameraState]:
    """Ask who it is."""
    return Request("GET", _DEVICE_INFO, _decode_device_info, _explain)


def status() -> Request[Status]:
    """Ask how long it has been up, and what time it thinks it is."""
    return Request("GET", "/ISAPI/System/status", _decode_status, _explain)


def settings() -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at. Not every model and firmware has each of these resources."""
    return (
        *(_setting(f"/ISAPI/System/Network/{name}", fact) for name, fact in _SWITCHES.items()),
        Request("GET", _INTEGRATE, _decode_integration, _explain),
        Request("GET", _TIME, _decode_time_mode, _explain),
        Request("GET", f"{_TIME}/ntpServers", _decode_time_servers, _explain),
        Request("GET", _CHANNELS, _decode_channels, _explain),
        Request("GET", _SMART, _decode_smart, _explain),
    )


def snapshot() -> Request[Picture]:
    """Ask for a picture of the main stream. XML comes instead while the encoder starts."""
    return Request(
        "GET",
        "/ISAPI/Streaming/channels/101/picture",
        _decode_snapshot,
        _explain,
        beginning_is_enough=True,
    )


def configuration() -> Request[bytes]:
    """Ask for the whole configuration, in the vendor's binary form."""
    return Request(
        "GET",
        "/ISAPI/System/configurationData",
        _decode_configuration,
        _explain,
        limit=BACK_UP_LIMIT,
        seconds=60.0,
        whole=True,
    )


def update_firmware(image: ImageFile, family: Family) -> Request[None]:
    """Hand over an image, by the method that the family takes."""
    method = "POST" if family.upload is Upload.POST_RAW else "PUT"
    if family.upload is Upload.PUT_MULTIPART:
        body, content_type = form((family.field, "application/octet-stream", image))
    else:
        body, content_type = (image,), "application/octet-stream"
    return Request(
        method,
        "/ISAPI/System/updateFirmware",
        _decode_update,
        _explain_update,
        body=body,
        content_type=content_type,
        seconds=family.upload_seconds,
        prime=_DEVICE_INFO,
    )


def upgrade_status() -> Request[Progress]:
    """Ask how far the writing of an image is."""
    return Request("GET", "/ISAPI/System/upgradeStatus", _decode_upgrade_status, _explain)


def input_channels() -> Request[tuple[Channel, ...]]:
    """Ask a recorder which cameras it records."""
    path = "/ISAPI/ContentMgmt/InputProxy/channels"
    return Request("GET", path, _decode_input_channels, _explain, limit=1024 * 1024)


def reboot() -> Request[None]:
    """Tell it to restart."""
    return Request("PUT", "/ISAPI/System/reboot", _decode_done, _explain)


def _decode_device_info(body: bytes) -> CameraState:
    root = _accepted(body)
    info = markup.find(root, "DeviceInfo")
    if info is None or not markup.text(info, "serialNumber") or not markup.text(info, "firmwareVersion"):
        raise Malformed("the answer is no DeviceInfo with serial number and firmware")
    released = markup.text(info, "firmwareReleasedDate")
    return CameraState(
        serial=markup.text(info, "serialNumber"),
        model=markup.text(info, "model"),
        firmware=f"{markup.text(info, 'firmwareVersion')} {released}".strip(),
        build_date=iso_date(released),
        hardware=markup.text(info, "hardwareVersion"),
        platform=platform(markup.text(info, "firmwareVersionInfo")),
        manufacturer=markup.text(info, "manufacturer"),
    )


def platform(firmware_version_info: str) -> str:
    """Return the platform in `B-R-G5-0`: G5. Old firmware and recorders give none."""
    parts = firmware_version_info.split("-")
    return parts[2] if len(parts) == 4 else ""


def _decode_status(body: bytes) -> Status:
    root = _accepted(body)
    return Status(
        up_seconds=reading.seconds(markup.text(root, "deviceUpTime")),
        clock=reading.unix_seconds(markup.text(root, "currentDeviceTime")),
    )


def _setting(path: str, fact: Fact) -> Request[Said]:
    def decode(body: bytes) -> Said:
        return reading.switch(fact, markup.text(_accepted(body), "enabled"), Source.ISAPI, path)

    return Request("GET", path, decode, _explain)


def _decode_integration(body: bytes) -> Said:
    onvif = markup.find(_accepted(body), "ONVIF")
    if onvif is None:
        return ()
    text = markup.text(onvif, "enable") or markup.text(onvif, "enabled")
    return reading.switch(Fact.ONVIF, text, Source.ISAPI, _INTEGRATE)


def _decode_time_mode(body: bytes) -> Said:
    """With NTP the servers tell more; another mode is all there is to tell."""
    mode = markup.text(_accepted(body), "timeMode")
    return () if mode.upper() == "NTP" else say(Fact.TIME_SOURCE, mode, Source.ISAPI, reading.WEIGHT - 1, _TIME)


def _decode_time_servers(body: bytes) -> Said:
    server = markup.find(_accepted(body), "NTPServer")
    if server is None:
        return ()
    names = ("hostName", "ipAddress", "ipv6Address")
    name = next((text for text in (markup.text(server, name) for name in names) if text), "")
    said = f"NTP {name}" if name else ""
    return say(Fact.TIME_SOURCE, said, Source.ISAPI, reading.WEIGHT - 2, f"{_TIME}/ntpServers")


def _decode_channels(body: bytes) -> Said:
    root = _accepted(body)
    width, height = markup.text(root, "videoResolutionWidth"), markup.text(root, "videoResolutionHeight")
    return reading.size(width, height, Source.ISAPI, _CHANNELS)


def _decode_smart(body: bytes) -> Said:
    root = _accepted(body)
    return tuple(
        said
        for name, offer in _RECOGNITION.items()
        if markup.truth(markup.text(root, name))
        for said in say(Fact.ANALYTICS, offer, Source.ISAPI, reading.WEIGHT, _SMART)
    )


def _decode_snapshot(body: bytes) -> Picture:
    if body.lstrip().startswith(b"<"):
        _accepted(body)
        raise Declined(Act.LATER, "not-ready", "the encoder gives no picture yet")
    return picture(body)


def _decode_configuration(body: bytes) -> bytes:
    if body.lstrip().startswith(b"<"):
        _accepted(body)
    if not body:
        raise Malformed("the camera's configuration is empty")
    return body


def _decode_update(body: bytes) -> None:
    try:
        _decode_done(body)
    except Declined as declined:
        raise _about_the_image(declined) from declined


def _explain_update(status_code: int, body: bytes) -> Failure | None:
    failure = _explain(status_code, body)
    if failure is None:
        return None
    declined = Declined(failure.act, failure.code, failure.reason, wait_seconds=failure.wait_seconds)
    return _about_the_image(declined).failure


def _about_the_image(declined: Declined) -> Declined:
    """Tell a refused image from a camera that is merely busy or has no such interface."""
    failure = declined.failure
    said = failure.reason.lower().replace(" ", "")
    if failure.code == "declined" or any(word in said for word in _REFUSING_THE_IMAGE):
        return Declined(Act.NEVER, "image-refused", failure.reason)
    return declined


def _decode_upgrade_status(body: bytes) -> Progress:
    root = _accepted(body)
    if markup.find(root, "upgrading") is None and markup.find(root, "percent") is None:
        raise Malformed("the answer is no upgradeStatus")
    percent = markup.text(root, "percent").rstrip("% ")
    done = min(int(percent), 100) if percent.isdecimal() and len(percent) < 4 else None
    if markup.truth(markup.text(root, "upgrading")):
        return Progress(Activity.WORKING, done)
    return Progress(Activity.WANTS_RESTART if done == 100 else Activity.IDLE, done)


def _decode_input_channels(body: bytes) -> tuple[Channel, ...]:
    found = markup.find_all(_accepted(body), "InputProxyChannel")[:MOST_CHANNELS]
    return tuple(
        Channel(int(number), markup.text(channel, "ipAddress"), markup.text(channel, "serialNumber"))
        for channel in found
        if (number := markup.text(channel, "id")).isdecimal() and len(number) < 6
    )


def _decode_done(body: bytes) -> None:
    if body.strip():
        _accepted(body)


def _accepted(body: bytes) -> Element:
    """Return an answer's root.

    Raises:
        Malformed: It is no XML.
        Declined: It is a `ResponseStatus` that says no.
    """
    root = markup.parse(body)
    failure = _refusal(root)
    if failure is not None:
        raise Declined(failure.act, failure.code, failure.reason, wait_seconds=failure.wait_seconds)
    return root


def _explain(_status_code: int, body: bytes) -> Failure | None:
    try:
        return _refusal(markup.parse(body))
    except Malformed:
        return None


def _refusal(root: Element) -> Failure | None:
    if markup.text(root, "lockStatus").lower() == "lock":
        unlock = markup.text(root, "unlockTime")
        wait = float(unlock) if unlock.isdecimal() and len(unlock) < 6 else _LOCKED_SECONDS
        return Failure(Act.LATER, "locked-out", "the camera has locked this gateway out", wait_seconds=wait)
    answer = markup.find(root, "ResponseStatus")
    code = markup.text(root, "statusCode")
    if answer is None or not code.isdecimal() or int(code) in _FINE:
        return None
    sub = markup.text(answer, "subStatusCode")
    reason = f"ISAPI: {markup.text(answer, 'statusString') or 'status ' + code} ({sub or 'no sub-status'})"
    if sub.lower() == "notactivated":
        return Failure(Act.CREDENTIALS, "not-activated", "the camera is in factory state: it has no password yet")
    act, name = _SUB_STATUS.get(sub.lower()) or _STATUS.get(int(code), (Act.NEVER, "declined"))
    return Failure(act, name, reason)
