"""LAPI: requests and what their answers mean. Sources: clients that others wrote against real units.

Answers are JSON in an envelope, `{"Response": {"ResponseCode": 0, "Data": {…}}}`; some firmware leaves the envelope
out, and some gives HTTP status 599 to what it has done.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware import versions
from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.body import form
from bartizan_agent.drivers.contract import (
    MOST_CHANNELS,
    Act,
    CameraState,
    Channel,
    Declined,
    Failure,
    ImageFile,
    Picture,
    Request,
    T,
)
from bartizan_agent.drivers.family import Family
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.drivers.reading import Said

MAIN_STREAMS = ("/unicast/c1/s0/live", "/media/video1")
"""By firmware: the second is that of older cameras."""
_BASE = "/LAPI/V1.0"
_BASIC_INFO = f"{_BASE}/System/DeviceBasicInfo"
_DONE_ALL_THE_SAME = frozenset({599})
_BY_UPLOAD = 3
"""`UpgradeType`: the image comes by HTTP."""
_SWITCHES = {
    "Network/SSH": Fact.SSH,
    "Channel/0/NetWork/Telnet": Fact.TELNET,
    "Network/Cloud": Fact.VENDOR_CLOUD,
    "Channel/0/NetWork/PortMap": Fact.UPNP,
}
"""Resources with a switch each. SSH took telnet's place in newer firmware; the port mapping is made by UPnP."""
_TIME_SERVERS = "System/Time/NTP"
_STREAMS = "Channels/0/Media/Video/Streams/DetailInfos"
_SMART = "Smart/Capabilities"
_RECOGNITION = {
    "facedetection": "face detection",
    "facerecognition": "face recognition",
    "peoplecount": "people counting",
}
"""Names of what `Smart/Capabilities` lists; the form of what stands behind them is not known here."""
_CHANNEL_LISTS = ("DetailInfos", "ChannelDetailInfos")
_TASK = re.compile(r"\A[0-9A-Za-z-]{1,40}\Z")
_NO_IMAGE = frozenset({400, 406, 413, 415, 422})

Fields = Mapping[str, object]


def device_info() -> Request[CameraState]:
    """Ask who it is."""
    return _ask(f"{_BASE}/System/DeviceInfo", _decode_device_info)


def device_basic_info() -> Request[CameraState]:
    """Ask an older camera who it is."""
    return _ask(_BASIC_INFO, _decode_device_info)


def settings() -> tuple[Request[Said], ...]:
    """Ask for the settings that hardening looks at. Not every model and firmware has each of these resources."""
    return (
        *(_ask(f"{_BASE}/{name}", _switch(name, fact)) for name, fact in _SWITCHES.items()),
        _ask(f"{_BASE}/{_TIME_SERVERS}", _decode_time_servers),
        _ask(f"{_BASE}/{_STREAMS}", _decode_streams),
        _ask(f"{_BASE}/{_SMART}", _decode_smart),
    )


def channels() -> Request[tuple[Channel, ...]]:
    """Ask a recorder which cameras it records."""
    path = f"{_BASE}/Channels/System/ChannelDetailInfos"
    return Request("GET", path, _decode_channels, _explain, limit=1024 * 1024, success=_DONE_ALL_THE_SAME)


def snapshot() -> Request[Picture]:
    """Ask for a picture of the first channel."""
    path = f"{_BASE}/Channels/0/Media/Video/Streams/0/Snapshot"
    return Request("GET", path, _decode_snapshot, _explain, beginning_is_enough=True, success=_DONE_ALL_THE_SAME)


def begin_upgrade() -> Request[str]:
    """Announce an image; return the task that it is to be uploaded for."""
    return Request(
        "POST",
        f"{_BASE}/System/Upgrade",
        _decode_task,
        _explain,
        body=(msgspec.json.encode({"UpgradeType": _BY_UPLOAD}),),
        content_type="application/json",
        success=_DONE_ALL_THE_SAME,
    )


def upload_firmware(task: str, image: ImageFile, family: Family) -> Request[None]:
    """Hand over an image as a form."""
    body, content_type = form((family.field, "application/octet-stream", image))
    return Request(
        "POST",
        f"{_BASE}/System/UploadFirmware?UpgradeTaskID={task}",
        _decode_upload,
        _explain_upload,
        body=body,
        content_type=content_type,
        seconds=family.upload_seconds,
        success=_DONE_ALL_THE_SAME,
        prime=_BASIC_INFO,
    )


def _ask(path: str, decode: Callable[[bytes], T]) -> Request[T]:
    return Request("GET", path, decode, _explain, success=_DONE_ALL_THE_SAME)


def _decode_device_info(body: bytes) -> CameraState:
    said = _data(body)
    serial, firmware = _text(said, "SerialNumber"), _text(said, "FirmwareVersion", "SoftwareVersion")
    if not serial or not firmware:
        raise Malformed("the answer to DeviceInfo has no SerialNumber or FirmwareVersion")
    version = versions.parse(versions.UNIVIEW, firmware)
    return CameraState(
        serial=serial,
        model=_text(said, "DeviceModel", "Model"),
        firmware=firmware,
        build_date=version.build_date if version is not None else "",
        hardware=_text(said, "HardwareID", "HardwareVersion"),
        platform=version.family if version is not None else "",
        manufacturer=_text(said, "Manufacturer"),
    )


def _switch(name: str, fact: Fact) -> Callable[[bytes], Said]:
    def decode(body: bytes) -> Said:
        return reading.switch(fact, _text(_data(body), "Enabled", "Enable"), Source.LAPI, f"LAPI {name}")

    return decode


def _decode_time_servers(body: bytes) -> Said:
    servers = [server for server in _objects(_data(body), "NTPServerInfos") if _text(server, "IPAddress", "Domain")]
    used = [server for server in servers if _text(server, "Enabled") not in {"0", ""}]
    said = f"NTP {_text(used[0], 'IPAddress', 'Domain')}" if used else "manual" if servers else ""
    return say(Fact.TIME_SOURCE, said, Source.LAPI, reading.WEIGHT, f"LAPI {_TIME_SERVERS}")


def _decode_streams(body: bytes) -> Said:
    """Return the size of the main stream, which is the first."""
    for stream in _objects(_data(body), "VideoStreamInfos"):
        encoding = stream.get("VideoEncodeInfo")
        size = encoding.get("Resolution") if isinstance(encoding, dict) else None
        if isinstance(size, dict):
            return reading.size(_text(size, "Width"), _text(size, "Height"), Source.LAPI, f"LAPI {_STREAMS}")
    return ()


def _decode_smart(body: bytes) -> Said:
    able = {name.lower() for name, value in _data(body).items() if value not in (0, "0", False, None)}
    return tuple(
        said
        for name, offer in _RECOGNITION.items()
        if name in able
        for said in say(Fact.ANALYTICS, offer, Source.LAPI, reading.WEIGHT, f"LAPI {_SMART}")
    )


def _decode_channels(body: bytes) -> tuple[Channel, ...]:
    """A channel that no camera is assigned to has no address, and is left out."""
    data = _data(body)
    listed = next((items for name in _CHANNEL_LISTS if (items := _objects(data, name))), [])
    found = ((_text(item, "ID"), item, item.get("AddressInfo")) for item in listed)
    return tuple(
        Channel(int(number), address, _text(item, "SerialNumber"), _text(item, "MAC", "MACAddress"))
        for number, item, place in found
        if number.isdecimal() and len(number) < 6
        if (address := _text(place, "Address") if isinstance(place, dict) else _text(item, "IPAddress", "Address"))
    )


def _objects(said: Fields, name: str) -> list[Fields]:
    items = said.get(name)
    return [item for item in items[:MOST_CHANNELS] if isinstance(item, dict)] if isinstance(items, list) else []


def _decode_snapshot(body: bytes) -> Picture:
    if body.lstrip().startswith(b"{"):
        _data(body)
        raise Declined(Act.LATER, "not-ready", "the encoder gives no picture yet")
    return picture(body)


def _decode_task(body: bytes) -> str:
    task = _text(_data(body), "UpgradeTaskID")
    if not _TASK.match(task):
        raise Malformed("the answer to Upgrade has no usable UpgradeTaskID")
    return task


def _decode_upload(body: bytes) -> None:
    if not body.strip():
        return
    try:
        _data(body)
    except Declined as declined:
        raise Declined(Act.NEVER, "image-refused", declined.failure.reason) from declined


def _data(body: bytes) -> Fields:
    """Return what stands in the envelope, with what stands beside it: tasks are named in either place.

    Raises:
        Malformed: It is no JSON object.
        Declined: The camera says no.
    """
    document = _object(body)
    response = document.get("Response", document)
    if not isinstance(response, dict):
        raise Malformed("the camera's Response is no object")
    failure = _refusal(response)
    if failure is not None:
        raise Declined(failure.act, failure.code, failure.reason)
    data = response.get("Data")
    return response | data if isinstance(data, dict) else response


def _refusal(response: Fields) -> Failure | None:
    code = response.get("ResponseCode", 0)
    if code in {0, "0"}:
        return None
    said = _text(response, "ResponseString", "StatusString") or "no words"
    return Failure(Act.NEVER, "declined", f"LAPI: {said} ({str(code)[:20]})")


def _object(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("the camera's answer is no JSON object") from error


def _text(said: Fields, *names: str) -> str:
    """Return the first field of these names that holds text or a whole number; older firmware names them otherwise."""
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _explain(status: int, body: bytes) -> Failure | None:
    if status == 401:
        return None  # a challenge comes in an envelope too, with a code of its own
    try:
        _data(body)
    except Declined as declined:
        return declined.failure
    except Malformed:
        pass
    return None


def _explain_upload(status: int, body: bytes) -> Failure | None:
    if status in _NO_IMAGE:
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        return Failure(Act.NEVER, "image-refused", f"LAPI: {status} {said}".strip())
    return _explain(status, body)
