"""ONVIF: SOAP requests built by hand, and what their answers mean (ONVIF Core, Device Management, Media).

Firmware goes the HTTP way: StartFirmwareUpgrade names an address, to which the image is posted. The addresses that a
camera names are followed only on the camera itself.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import msgspec

from bartizan.errors import Malformed
from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import markup, reading
from bartizan_agent.drivers.contract import Act, CameraState, Declined, Failure, ImageFile, Picture, Request
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

T = TypeVar("T")

BACK_UP_LIMIT = 8 * 1024 * 1024  # octets
_SERVICE = "/onvif/device_service"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_DURATION = re.compile(r"\AP(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?\Z")
_TYPE = "application/soap+xml; charset=utf-8"
_PATH = re.compile(r"\A/[\x21-\x7e]{0,1000}\Z")
_REFUSED_LOGIN = ("notauthorized", "failedauthentication", "sendernotauthorized")
_REFUSED_IMAGE = ("invalidfirmware", "firmwareupgradefailed")


class Upgrade(msgspec.Struct, frozen=True):
    """Where and when the camera wants its image."""

    path: str
    delay_seconds: float
    down_seconds: float


def date_and_time() -> Request[float]:
    """Ask what time the camera thinks it is: Unix seconds. Open to all, and the first thing to ask."""
    body = _envelope("", f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>')
    return Request("POST", _SERVICE, _decode_time, _explain, body=(body,), content_type=_TYPE, open_to_all=True)


def device_information(security: str) -> Request[CameraState]:
    """Ask who it is."""
    return _call(security, f'<GetDeviceInformation xmlns="{_DEVICE}"/>', _decode_information)


def media_service(security: str, host: str) -> Request[str]:
    """Ask where its media service is: a path on the camera at `host`."""
    asked = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
    return _call(security, asked, lambda body: _path_in(body, "XAddr", host))


def first_profile(security: str, service: str) -> Request[str]:
    """Ask for its profiles: the first is the main stream. Return its token."""
    return _call(security, f'<GetProfiles xmlns="{_MEDIA}"/>', _decode_profiles, service)


def time_servers(security: str) -> Request[Said]:
    """Ask whom it takes its time from."""
    return _call(security, f'<GetNTP xmlns="{_DEVICE}"/>', _decode_time_servers)


def resolution(security: str, service: str) -> Request[Said]:
    """Ask how large the picture of its first profile is."""
    return _call(security, f'<GetProfiles xmlns="{_MEDIA}"/>', _decode_resolution, service)


def stream_uri(security: str, service: str, token: str, host: str) -> Request[str]:
    """Ask for a profile's RTSP address: a path on the camera."""
    asked = (
        f'<GetStreamUri xmlns="{_MEDIA}"><StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
        f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
        f"<ProfileToken>{markup.escape(token)}</ProfileToken></GetStreamUri>"
    )
    return _call(security, asked, lambda body: _path_in(body, "Uri", host), service)


def snapshot_uri(security: str, service: str, token: str, host: str) -> Request[str]:
    """Ask for a profile's snapshot address: a path on the camera."""
    asked = f'<GetSnapshotUri xmlns="{_MEDIA}"><ProfileToken>{markup.escape(token)}</ProfileToken></GetSnapshotUri>'
    return _call(security, asked, lambda body: _path_in(body, "Uri", host), service)


def snapshot(path: str) -> Request[Picture]:
    """Ask for a picture."""
    return Request("GET", path, picture, beginning_is_enough=True)


def back_up_uri(security: str, host: str) -> Request[str]:
    """Ask where the configuration can be read: a path on the camera."""
    asked = f'<GetSystemUris xmlns="{_DEVICE}"/>'
    return _call(security, asked, lambda body: _path_in(body, "SystemBackupUri", host))


def back_up(path: str) -> Request[bytes]:
    """Ask for the configuration."""
    return Request("GET", path, _decode_back_up, limit=BACK_UP_LIMIT, seconds=60.0, whole=True)


def start_upgrade(security: str, host: str) -> Request[Upgrade]:
    """Announce an image."""
    asked = f'<StartFirmwareUpgrade xmlns="{_DEVICE}"/>'
    return _call(security, asked, lambda body: _decode_upgrade(body, host))


def upload(upgrade: Upgrade, image: ImageFile, family: Family) -> Request[None]:
    """Post an image to the address that the camera named."""
    return Request(
        "POST",
        upgrade.path,
        lambda _body: None,
        _explain_upload,
        body=(image,),
        content_type="application/octet-stream",
        seconds=family.upload_seconds,
        prime=_SERVICE,
    )


def _call(security: str, asked: str, decode: Callable[[bytes], T], service: str = _SERVICE) -> Request[T]:
    body = _envelope(security, asked)
    return Request("POST", service, decode, _explain, body=(body,), content_type=_TYPE, logs_in_itself=bool(security))


def _envelope(security: str, asked: str) -> bytes:
    header = f"<s:Header>{security}</s:Header>" if security else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_SOAP}">{header}'
        f"<s:Body>{asked}</s:Body></s:Envelope>"
    ).encode()


def _decode_time(body: bytes) -> float:
    moment = markup.find(_accepted(body), "UTCDateTime")
    if moment is None:
        raise Malformed("the answer to GetSystemDateAndTime has no UTCDateTime")
    try:
        year, month, day = (int(markup.text(moment, name)) for name in ("Year", "Month", "Day"))
        hour, minute, second = (int(markup.text(moment, name)) for name in ("Hour", "Minute", "Second"))
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise Malformed("the camera's UTCDateTime is no time") from error


def _decode_information(body: bytes) -> CameraState:
    root = _accepted(body)
    if not markup.text(root, "SerialNumber") or not markup.text(root, "FirmwareVersion"):
        raise Malformed("the answer to GetDeviceInformation has no serial number or firmware")
    return CameraState(
        serial=markup.text(root, "SerialNumber"),
        model=markup.text(root, "Model"),
        firmware=markup.text(root, "FirmwareVersion"),
        hardware=markup.text(root, "HardwareId"),
        manufacturer=markup.text(root, "Manufacturer"),
    )


def _decode_profiles(body: bytes) -> str:
    profile = markup.find(_accepted(body), "Profiles")
    token = profile.get("token", "") if profile is not None else ""
    if not token:
        raise Malformed("the camera has no media profile")
    return token


def _decode_time_servers(body: bytes) -> Said:
    root = _accepted(body)
    if markup.find(root, "NTPInformation") is None:
        return ()
    names = (markup.text(root, name) for name in ("IPv4Address", "IPv6Address", "DNSname"))
    server = next((name for name in names if name), "")
    said = f"NTP {server}" if server else "manual"
    return say(Fact.TIME_SOURCE, said, Source.ONVIF, reading.WEIGHT, "GetNTP")


def _decode_resolution(body: bytes) -> Said:
    found = markup.find(_accepted(body), "Resolution")
    if found is None:
        return ()
    return reading.size(markup.text(found, "Width"), markup.text(found, "Height"), Source.ONVIF, "GetProfiles")


def _decode_upgrade(body: bytes, host: str) -> Upgrade:
    root = _accepted(body)
    return Upgrade(
        path=_path_on(markup.text(root, "UploadUri"), host),
        delay_seconds=_seconds(markup.text(root, "UploadDelay")),
        down_seconds=_seconds(markup.text(root, "ExpectedDownTime")),
    )


def _decode_back_up(body: bytes) -> bytes:
    if not body:
        raise Malformed("the camera's configuration is empty")
    return body


def _path_in(body: bytes, name: str, host: str) -> str:
    """Return the path of the first address called `name`; `SystemBackupUri` may hold it one level down."""
    element = markup.find(_accepted(body), name)
    text = "".join(element.itertext()).strip() if element is not None else ""
    return _path_on(text, host)


def _path_on(uri: str, host: str) -> str:
    """Return path and query of an address on the camera itself.

    Raises:
        Malformed: It is no address, or one on another host.
    """
    try:
        parts = urlsplit(uri)
        named = parts.hostname or ""
    except ValueError as error:
        raise Malformed("the camera names an address that is none") from error
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if named and named != host.strip("[]").lower():
        raise Malformed("the camera names an address on another host, which is not followed")
    if not _PATH.match(path):
        raise Malformed("the camera names an address without a usable path")
    return path


def _seconds(duration: str) -> float:
    """Return the seconds of an XML Schema duration without months; 0 where it is none."""
    match = _DURATION.match(duration[:40])
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _accepted(body: bytes) -> Element:
    root = markup.parse(body)
    failure = _fault(root)
    if failure is not None:
        raise Declined(failure.act, failure.code, failure.reason)
    return root


def _explain(_status: int, body: bytes) -> Failure | None:
    try:
        return _fault(markup.parse(body))
    except Malformed:
        return None


def _explain_upload(status: int, body: bytes) -> Failure | None:
    if status == 415:
        return Failure(Act.NEVER, "image-refused", "the camera answered 415: no image for it")
    return _explain(status, body)


def _fault(root: Element) -> Failure | None:
    fault = markup.find(root, "Fault")
    if fault is None:
        return None
    codes = [(code.text or "").rpartition(":")[2].lower() for code in markup.find_all(fault, "Value")]
    said = markup.text(fault, "Text") or (codes[-1] if codes else "a fault without a code")
    if any(code in _REFUSED_LOGIN for code in codes):
        return Failure(Act.CREDENTIALS, "login-refused", f"ONVIF: {said}")
    if any(code in _REFUSED_IMAGE for code in codes):
        return Failure(Act.NEVER, "image-refused", f"ONVIF: {said}")
    return Failure(Act.NEVER, "declined", f"ONVIF: {said}")
