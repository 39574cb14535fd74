"""Vendor addresses that answer without a login, or whose refusal names the vendor."""

from collections.abc import Callable
from typing import Any

import msgspec

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan.ids import Address
from bartizan_agent.discovery import http_banner, loose_xml
from bartizan_agent.discovery.answer import Rubbish, read_mac, say
from bartizan_agent.discovery.http_banner import HttpAnswer

_AXIS_PROPERTIES = b'{"apiVersion":"1.0","method":"getAllUnrestrictedProperties"}'


class Door(msgspec.Struct, frozen=True):
    """One address to ask, and what its answer means. Reading it changes nothing on any device."""

    maker: str
    path: str
    read: Callable[[HttpAnswer], tuple[Evidence, ...]] = http_banner.evidence
    body: bytes = b""
    """Posted where not empty."""
    content_type: str = "application/json"

    def request(self, host: Address, port: int) -> bytes:
        """Return the request for this door of one device."""
        if self.body:
            return http_banner.post(host, port, self.path, self.body, self.content_type)
        return http_banner.request(host, port, self.path)


def axis_properties(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return what VAPIX tells without a login; older units answer error 2004 instead."""
    properties = _json(answer).get("data", {})
    said = properties.get("propertyList", {}) if isinstance(properties, dict) else {}
    if not isinstance(said, dict) or "axis" not in str(said.get("Brand", "")).lower():
        return ()
    text = {name: str(value) for name, value in said.items() if isinstance(value, str | int)}
    serial = text.get("SerialNumber", "")
    return (
        *say(Fact.MAKER, "axis", Source.VAPIX, 85, "basicdeviceinfo"),
        *say(Fact.BRAND, text.get("Brand", ""), Source.VAPIX, 80, "Brand"),
        *say(Fact.MODEL, text.get("ProdNbr", ""), Source.VAPIX, 85, "ProdNbr"),
        *say(Fact.FIRMWARE, text.get("Version", ""), Source.VAPIX, 85, "Version"),
        *say(Fact.HARDWARE, text.get("HardwareID", ""), Source.VAPIX, 85, "HardwareID"),
        *say(Fact.SERIAL, serial, Source.VAPIX, 85, "SerialNumber"),
        *say(Fact.MAC, read_mac(serial) or "", Source.VAPIX, 75, "SerialNumber"),
        *_axis_kind(text.get("ProdType", "")),
    )


def isapi(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return Hikvision if ISAPI refuses in its own words: not activated, or a ResponseStatus document."""
    speaks = b"<ResponseStatus" in answer.body or b"<userCheck" in answer.body
    spoken = say(Fact.MAKER, "hikvision", Source.ISAPI, 60, "ISAPI answers") if speaks else ()
    return (*spoken, *http_banner.evidence(answer))


def lapi(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return Uniview if LAPI answers in its own envelope."""
    response = _json(answer).get("Response", {})
    speaks = isinstance(response, dict) and "ResponseURL" in response
    return say(Fact.MAKER, "uniview", Source.HTTP, 65, "LAPI answers") if speaks else ()


def onvif_information(answer: HttpAnswer) -> tuple[Evidence, ...]:
    """Return whether ONVIF tells strangers who the device is, and what it tells them."""
    root = loose_xml.read(answer.body)
    if isinstance(root, Rubbish):
        return _onvif_is_open("off") if answer.status == 401 else ()
    information = next(loose_xml.elements(root, "getdeviceinformationresponse"), None)
    if information is None:
        is_refused = answer.status == 401 or b"NotAuthorized" in answer.body
        return _onvif_is_open("off") if is_refused else ()
    said = loose_xml.fields(information)
    return (
        *_onvif_is_open("on"),
        *say(Fact.BRAND, said.get("manufacturer", ""), Source.ONVIF, 55, "Manufacturer"),
        *say(Fact.MODEL, said.get("model", ""), Source.ONVIF, 75, "Model"),
        *say(Fact.FIRMWARE, said.get("firmwareversion", ""), Source.ONVIF, 75, "FirmwareVersion"),
        *say(Fact.SERIAL, said.get("serialnumber", ""), Source.ONVIF, 75, "SerialNumber"),
        *say(Fact.HARDWARE, said.get("hardwareid", ""), Source.ONVIF, 75, "HardwareId"),
    )


def _onvif_is_open(value: str) -> tuple[Evidence, ...]:
    return say(Fact.ONVIF_WITHOUT_LOGIN, value, Source.ONVIF, 75, "GetDeviceInformation without a login")


ONVIF = Door(
    "",
    "/onvif/device_service",
    onvif_information,
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    b'<GetDeviceInformation xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>',
    "application/soap+xml; charset=utf-8",
)
"""Of a device that answers WS-Discovery."""

ICON = Door("", http_banner.ICON, http_banner.icon)
"""Of a device of unknown maker: makers seldom change it, and others never have the same."""

DOORS = (
    Door("hikvision", "/ISAPI/System/deviceInfo", isapi),
    Door("axis", "/axis-cgi/basicdeviceinfo.cgi", axis_properties, _AXIS_PROPERTIES),
    Door("dahua", "/cgi-bin/magicBox.cgi?action=getDeviceType"),
    Door("uniview", "/LAPI/V1.0/System/DeviceInfo", lapi),
    Door("hanwha", "/stw-cgi/system.cgi?msubmenu=deviceinfo&action=view"),
)


def doors_for(maker: str, *, is_sorted: bool) -> tuple[Door, ...]:
    """Return what is worth asking: all doors of an unknown device, only Axis's open one of an Axis.

    Of a Hikvision whose model tells not what sort of thing it is, as under another badge, its own door: what it asks a
    login for tells.
    """
    worth = {"axis"} if is_sorted else {"axis", "hikvision"}
    return DOORS if not maker else tuple(door for door in DOORS if door.maker == maker and maker in worth)


def lone_refusal(statuses: dict[Door, int]) -> tuple[Evidence, ...]:
    """Return the maker whose door alone asks for a login; a server that refuses everything says nothing by it."""
    refusing = [door for door, status in statuses.items() if status == 401]
    if len(refusing) != 1 or len(statuses) < len(DOORS):
        return ()
    return say(Fact.MAKER, refusing[0].maker, Source.HTTP, 50, f"only {refusing[0].path} asks for a login")


def _axis_kind(product_type: str) -> tuple[Evidence, ...]:
    text = product_type.lower()
    if "recorder" in text or "nvr" in text:
        return say(Fact.KIND, Kind.RECORDER.value, Source.VAPIX, 80, "ProdType")
    return say(Fact.KIND, Kind.CAMERA.value, Source.VAPIX, 80, "ProdType") if "camera" in text else ()


def _json(answer: HttpAnswer) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
