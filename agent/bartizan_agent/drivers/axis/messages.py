"""VAPIX: requests and what their answers mean. Errors come with HTTP status 200 and an `error` member.

Firmware management is one address and a `method`; its errors are those of the vendor's published table.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware.versions import iso_date
from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import markup, reading
from bartizan_agent.drivers.body import form
from bartizan_agent.drivers.contract import Act, CameraState, Declined, Failure, ImageFile, Picture, Request
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

T = TypeVar("T")

MAIN_STREAM = "/axis-media/media.amp"
_MANAGEMENT = "/axis-cgi/firmwaremanagement.cgi"
_DEVICE_INFO = "/axis-cgi/basicdeviceinfo.cgi"
_JSON = "application/json"
_RESOLUTION = "root.Properties.Image.Resolution"
_APPLICATIONS = "/axis-cgi/applications/list.cgi"
_RECOGNITION = {
    "face": "face recognition",
    "objectanalytics": "classes and attributes of people",
    "peoplecounter": "people detection",
}
"""Words in the names of applications."""

_REFUSALS: dict[int, tuple[Act, str]] = {
    409: (Act.NEVER, "image-refused"),  # older than what runs
    410: (Act.NEVER, "image-refused"),  # version revoked
    412: (Act.LATER, "uncommitted"),  # active firmware not committed yet
    415: (Act.NEVER, "image-refused"),  # invalid image
    421: (Act.NEVER, "image-refused"),  # not for this device
    422: (Act.NEVER, "image-refused"),  # mandatory signature missing
    423: (Act.LATER, "busy"),
    424: (Act.NEVER, "image-refused"),  # unknown custom certificate
    500: (Act.LATER, "not-ready"),
}


class Ready(msgspec.Struct, frozen=True):
    """What `systemready.cgi` says."""

    boot: str
    up_seconds: float | None
    factory_state: bool


class Management(msgspec.Struct, frozen=True):
    """What firmware management says of the images in the camera."""

    active: str
    uncommitted: bool


def device_info() -> Request[CameraState]:
    """Ask who it is."""
    return _call(_DEVICE_INFO, "getAllProperties", _decode_device_info)


def legacy_info() -> Request[CameraState]:
    """Ask firmware that has no basicdeviceinfo who it is."""
    path = "/axis-cgi/param.cgi?action=list&group=root.Brand,root.Properties.Firmware,root.Properties.System"
    return Request("GET", path, _decode_legacy_info)


def system_ready() -> Request[Ready]:
    """Ask for boot identity and uptime. Open to all on every firmware that has it."""
    body = _demand("systemready", {"timeout": 5})
    path = "/axis-cgi/systemready.cgi"
    return Request("POST", path, _decode_ready, _explain, body=(body,), content_type=_JSON, open_to_all=True)


def management_status() -> Request[Management]:
    """Ask which images it holds and whether the active one is committed."""
    return _call(_MANAGEMENT, "status", _decode_management)


def date_and_time() -> Request[float | None]:
    """Ask what time it thinks it is: Unix seconds."""
    return _call("/axis-cgi/time.cgi", "getDateTimeInfo", _decode_time)


def settings() -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at: some parameters, and which applications are installed."""
    groups = f"root.Network.SSH,root.Network.UPnP,root.RemoteService,root.Time,{_RESOLUTION}"
    return (
        Request("GET", f"/axis-cgi/param.cgi?action=list&group={groups}", _decode_settings),
        Request("GET", _APPLICATIONS, _decode_applications),
    )


def snapshot() -> Request[Picture]:
    """Ask for a picture."""
    return Request("GET", "/axis-cgi/jpg/image.cgi", picture, beginning_is_enough=True)


def parameters() -> Request[bytes]:
    """Ask for every parameter: the nearest there is to a configuration file."""
    return Request(
        "GET", "/axis-cgi/param.cgi?action=list", _decode_parameters, limit=2 * 1024 * 1024, seconds=60.0, whole=True
    )


def upgrade(image: ImageFile, family: Family) -> Request[str]:
    """Hand over an image that the camera gives up unless it is committed. Return the version it names."""
    minutes = max(1, int(family.rolls_back_by_itself_seconds // 60))
    demand = _demand("upgrade", {"autoCommit": "never", "autoRollback": str(minutes), "factoryDefaultMode": "none"})
    body, content_type = form(("json", _JSON, demand), ("file", "application/octet-stream", image))
    return Request(
        "POST",
        _MANAGEMENT,
        _decode_upgrade,
        _explain_upgrade,
        body=body,
        content_type=content_type,
        seconds=family.upload_seconds,
        prime="/axis-cgi/param.cgi?action=list&group=root.Properties.Firmware",
    )


def commit() -> Request[None]:
    """Tell it to keep the image that it runs."""
    return _call(_MANAGEMENT, "commit", _decode_done)


def roll_back() -> Request[None]:
    """Tell it to go back to the image before; it restarts."""
    return _call(_MANAGEMENT, "rollback", _decode_done)


def _call(path: str, method: str, decode: Callable[[bytes], T]) -> Request[T]:
    return Request("POST", path, decode, _explain, body=(_demand(method),), content_type=_JSON)


def _demand(method: str, params: dict[str, str | int] | None = None) -> bytes:
    demand: dict[str, object] = {"apiVersion": "1.0", "context": "bartizan", "method": method}
    return msgspec.json.encode(demand if params is None else demand | {"params": params})


class _Error(msgspec.Struct):
    code: int | str = 0
    message: str = ""


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None


class _Properties(msgspec.Struct, rename="pascal"):
    serial_number: str
    version: str
    prod_nbr: str = ""
    brand: str = ""
    build_date: str = ""
    hardware_id: str = msgspec.field(default="", name="HardwareID")


class _PropertyList(msgspec.Struct, rename="camel"):
    property_list: _Properties


class _Ready(msgspec.Struct):
    """Documented as text throughout; numbers and booleans in their place mean the same."""

    bootid: str = ""
    uptime: str | int | float = ""
    needsetup: str | bool = ""


class _Status(msgspec.Struct):
    active: str = msgspec.field(default="", name="activeFirmwareVersion")
    committed: bool | str | None = msgspec.field(default=None, name="isCommited")
    committed_as_spelled_elsewhere: bool | str | None = msgspec.field(default=None, name="isCommitted")


class _Upgraded(msgspec.Struct, rename="camel"):
    firmware_version: str = ""


class _Moment(msgspec.Struct, rename="camel"):
    date_time: str = ""


def _data(body: bytes, kind: type[T]) -> T:
    """Return the `data` of an answer.

    Raises:
        Malformed: It is not JSON, or not of this kind.
        Declined: It has an `error`.
    """
    failure = _refusal(body)
    if failure is not None:
        raise Declined(failure.act, failure.code, failure.reason)
    try:
        return msgspec.json.decode(msgspec.json.decode(body, type=_Answer).data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the camera's answer is not the JSON that VAPIX documents") from error


def _refusal(body: bytes) -> Failure | None:
    try:
        error = msgspec.json.decode(body, type=_Answer).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if error is None:
        return None
    code = int(error.code) if str(error.code).isdecimal() else 0
    act, name = _REFUSALS.get(code, (Act.NEVER, "declined"))
    return Failure(act, name, f"VAPIX: error {error.code}, {error.message or 'without a message'}")


def _explain(_status: int, body: bytes) -> Failure | None:
    return _refusal(body)


def _explain_upgrade(status: int, body: bytes) -> Failure | None:
    refused = _refusal(body)
    if refused is None and status in {413, 415}:
        return Failure(Act.NEVER, "image-refused", f"the camera answered {status} to the image")
    return refused


def _decode_device_info(body: bytes) -> CameraState:
    found = _data(body, _PropertyList).property_list
    return CameraState(
        serial=found.serial_number,
        model=found.prod_nbr,
        firmware=found.version,
        build_date=iso_date(found.build_date),
        hardware=found.hardware_id,
        manufacturer=found.brand,
    )


def _decode_legacy_info(body: bytes) -> CameraState:
    said = {name.removeprefix("root."): value for name, value in reading.key_values(body).items()}
    serial, firmware = said.get("Properties.System.SerialNumber", ""), said.get("Properties.Firmware.Version", "")
    if not serial or not firmware:
        raise Malformed("the camera's parameters tell neither serial number nor firmware")
    return CameraState(
        serial=serial,
        model=said.get("Brand.ProdNbr", ""),
        firmware=firmware,
        build_date=iso_date(said.get("Properties.Firmware.BuildDate", "")),
        hardware=said.get("Properties.System.HardwareID", ""),
        manufacturer=said.get("Brand.Brand", ""),
    )


def _decode_ready(body: bytes) -> Ready:
    found = _data(body, _Ready)
    return Ready(
        boot=found.bootid,
        up_seconds=reading.seconds(str(found.uptime)),
        factory_state=markup.truth(str(found.needsetup)),
    )


def _decode_management(body: bytes) -> Management:
    found = _data(body, _Status)
    spelled = found.committed if found.committed is not None else found.committed_as_spelled_elsewhere
    return Management(found.active, uncommitted=spelled is not None and not markup.truth(str(spelled)))


def _decode_time(body: bytes) -> float | None:
    return reading.unix_seconds(_data(body, _Moment).date_time)


def _decode_settings(body: bytes) -> Said:
    """A group that this firmware has not is an error among the lines, and says nothing."""
    pairs = reading.key_values(body)
    sizes = [size.partition("x") for size in pairs.get(_RESOLUTION, "").split(",")[:64]]
    largest = max(((w, h) for w, _, h in sizes if w.isdecimal() and h.isdecimal()), key=_pixels, default=("", ""))
    return (
        *reading.switch(Fact.SSH, pairs.get("root.Network.SSH.Enabled", ""), Source.VAPIX, "root.Network.SSH"),
        *reading.switch(Fact.UPNP, pairs.get("root.Network.UPnP.Enabled", ""), Source.VAPIX, "root.Network.UPnP"),
        *reading.switch(
            Fact.VENDOR_CLOUD,
            # `oneclick` waits for somebody to press its button: nobody outside reaches it before.
            pairs.get("root.RemoteService.Enabled", "").replace("oneclick", "no"),
            Source.VAPIX,
            "root.RemoteService",
        ),
        *_time_source(pairs),
        *reading.size(*largest, Source.VAPIX, _RESOLUTION),
    )


def _pixels(size: tuple[str, str]) -> int:
    return int(size[0][:5]) * int(size[1][:5])


def _time_source(pairs: dict[str, str]) -> Said:
    way = pairs.get("root.Time.SyncSource", "")
    servers = (pairs.get(f"root.Time.NTP.{name}", "") for name in ("Server", "VolatileServer"))
    server = next((name for name in servers if name not in {"", "0.0.0.0"}), "")
    said = f"NTP {server}" if way.upper() == "NTP" and server else "" if way.upper() == "NTP" else way
    return say(Fact.TIME_SOURCE, said, Source.VAPIX, reading.WEIGHT, "root.Time")


def _decode_applications(body: bytes) -> Said:
    names = [
        f"{found.get('Name', '')} {found.get('NiceName', '')}".lower()
        for found in markup.find_all(markup.parse(body), "application")[:64]
    ]
    return tuple(
        said
        for word, offer in _RECOGNITION.items()
        if any(word in name for name in names)
        for said in say(Fact.ANALYTICS, offer, Source.VAPIX, reading.WEIGHT, _APPLICATIONS)
    )


def _decode_parameters(body: bytes) -> bytes:
    if b"=" not in body[:4096]:
        raise Malformed("the camera's parameter list has no parameters")
    return body


def _decode_upgrade(body: bytes) -> str:
    return _data(body, _Upgraded).firmware_version


def _decode_done(body: bytes) -> None:
    _data(body, msgspec.Raw)
