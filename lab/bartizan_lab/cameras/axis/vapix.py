"""VAPIX: Axis' HTTP interface. Its JSON methods report failures with HTTP 200 and an `error` in the body."""

import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.axis.firmware import Answer, FirmwareError, FirmwareManager
from bartizan_lab.cameras.axis.properties import FIRMWARE_API_VERSION, Properties, yes_or_no
from bartizan_lab.cameras.axis.traits import AxisTraits, answers_without_login, has_parameters_alone
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.multipart import NotMultipart, parts
from bartizan_lab.cameras.onvif.pages import OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import PATH as UPNP_PATH
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.web import HTML, JPEG, JSON, XML, Request, Response

_INFO = "/axis-cgi/basicdeviceinfo.cgi"
_READY = "/axis-cgi/systemready.cgi"
_FIRMWARE = "/axis-cgi/firmwaremanagement.cgi"
_LATER = frozenset({_INFO, _READY, _FIRMWARE, "/axis-cgi/apidiscovery.cgi"})
"""What came with firmware 7.40 or later."""

_OPEN_METHOD = "getAllUnrestrictedProperties"
_API_LIST: Answer = {
    "apiList": [
        {"id": name, "version": version, "name": title, "status": "official", "docLink": ""}
        for name, version, title in (
            ("api-discovery", "1.0", "API Discovery Service"),
            ("basic-device-info", "1.1", "Basic Device Information"),
            ("fwmgr", FIRMWARE_API_VERSION, "Firmware Management"),
            ("param-cgi", "1.0", "Legacy Parameter Handling"),
            ("systemready", "1.4", "Systemready"),
        )
    ]
}

_APPLICATIONS = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<reply result="ok">\n'
    b' <application Name="vmd" NiceName="AXIS Video Motion Detection" Vendor="Axis Communications" Version="4.5-3"'
    b' Status="Running" License="None"/>\n'
    b' <application Name="objectanalytics" NiceName="AXIS Object Analytics" Vendor="Axis Communications"'
    b' Version="1.5.9" Status="Stopped" License="None"/>\n</reply>\n'
)

_Method = Callable[[Mapping[str, object]], Answer]


class Vapix:
    """The web server of one device."""

    def __init__(
        self,
        camera: Camera,
        traits: AxisTraits,
        firmware: FirmwareManager,
        streams: StreamProfile,
        realm: str,
        *,
        upnp: UpnpDevice,
        onvif: OnvifPages,
    ) -> None:
        self._camera = camera
        self._firmware = firmware
        self._streams = streams
        self._realm = realm
        self._onvif = onvif
        self._properties = Properties(camera.state, traits, streams)
        self._pages: Mapping[str, Callable[[Request], Response]] = {
            _INFO: self._device_info,
            _READY: lambda request: self._call(request, "1.4", {"systemready": lambda _: self._system_ready()}, 2004),
            _FIRMWARE: self._firmware_management,
            "/axis-cgi/apidiscovery.cgi": lambda request: self._call(
                request, "1.0", {"getApiList": lambda _: _API_LIST}, 2004
            ),
            "/axis-cgi/param.cgi": self._parameters,
            "/axis-cgi/applications/list.cgi": lambda _: Response(200, _APPLICATIONS, XML),
            "/axis-cgi/usergroup.cgi": lambda _: Response(200, b"root\r\nroot admin operator ptz viewer\r\n"),
            "/axis-cgi/jpg/image.cgi": lambda _: self._picture(),
            UPNP_PATH: lambda _: Response(200, upnp.description(), XML),
            "/": lambda _: Response(200, b"<html><head><title>AXIS</title></head></html>", HTML),
        }

    def admit(self, request: Request) -> Response | None:
        """See `WebSite`."""
        if not request.path.startswith("/axis-cgi/") or request.path == _READY:
            return None
        authorization = request.headers.get("authorization")
        if request.path == _INFO and authorization is None and answers_without_login(self._camera.state.firmware):
            # One of its methods is open to everybody; which one is asked for stands in the body.
            return None
        return self._challenged(request)

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if self._onvif.answers(request):
            return self._onvif.answer(request)
        page = self._pages.get(request.path)
        if request.path in _LATER and has_parameters_alone(self._camera.state.firmware):
            return Response(404)
        return page(request) if page else Response(404)

    def _challenged(self, request: Request) -> Response | None:
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self._realm)
        if isinstance(verdict, Allowed):
            return None
        return Response(401, headers=(("WWW-Authenticate", verdict.challenge),))

    def _device_info(self, request: Request) -> Response:
        whole = {**self._properties.open_to_all(), **self._properties.restricted()}
        methods: dict[str, _Method] = {"getAllProperties": lambda _: {"propertyList": whole}}
        if answers_without_login(self._camera.state.firmware):
            methods[_OPEN_METHOD] = lambda _: {"propertyList": self._properties.open_to_all()}
        logged_in = request.headers.get("authorization") is not None
        if not logged_in and _asked_method(request) != _OPEN_METHOD and (refusal := self._challenged(request)):
            return refusal
        return self._call(request, "1.1", methods, 2004)

    def _system_ready(self) -> Answer:
        state = self._camera.state
        return {
            "systemready": yes_or_no(self._camera.has_settled, state.faults),
            "needsetup": yes_or_no(state.factory_state, state.faults),
            "uptime": str(int(self._camera.uptime_seconds)),
            "bootid": state.boot_id,
        }

    def _firmware_management(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        if not content_type.startswith("multipart/"):
            return self._call(request, FIRMWARE_API_VERSION, self._firmware.methods, 405)
        try:
            json_part, file_part, *_ = parts(content_type, request.body)
        except (NotMultipart, ValueError):
            return _failed({}, FIRMWARE_API_VERSION, FirmwareError(400, "The multipart body cannot be parsed."))
        envelope = Request(request.method, request.target, request.headers, request.source, json_part.content)
        methods: dict[str, _Method] = {"upgrade": lambda params: self._firmware.upgrade(params, file_part.content)}
        return self._call(envelope, FIRMWARE_API_VERSION, methods, 405)

    def _call(self, request: Request, version: str, methods: Mapping[str, _Method], unknown: int) -> Response:
        """Run the method that a JSON body names; `unknown` is the error code of this API for one it has not."""
        asked = _json_object(request.body)
        if asked is None:
            return _failed({}, version, FirmwareError(400 if unknown == 405 else 4000, "Invalid JSON"))
        name = str(asked.get("method", ""))
        if name == "getSupportedVersions":
            return _succeeded(asked, version, {"apiVersions": [version]})
        if str(asked.get("apiVersion", "1.0")).partition(".")[0] != "1":
            wrong = FirmwareError(417 if unknown == 405 else 2003, "API version not supported")
            return _failed(asked, version, wrong)
        if name not in methods:
            return _failed(asked, version, FirmwareError(unknown, f"Unknown method '{name}'"))
        params = asked.get("params", {})
        try:
            return _succeeded(asked, version, methods[name](params if isinstance(params, dict) else {}))
        except FirmwareError as error:
            return _failed(asked, version, error)

    def _parameters(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode("latin-1"))) if request.method == "POST" else {}
        asked = {**request.query, **form}
        if asked.get("action") != "list":
            self._camera.state.meddling.append(f"param.cgi {asked.get('action')} from {request.source}")
            return Response(200, b"# Error: only list is emulated\n")
        group = asked.get("group", "root")
        lines = self._properties.parameters(group.split(","))
        if not lines:
            return Response(200, f"# Error: Error -1 getting param in group '{group}'\n".encode())
        return Response(200, "".join(f"{name}={value}\n" for name, value in lines.items()).encode())

    def _picture(self) -> Response:
        if not self._camera.has_settled:
            return Response(503)
        return Response(200, grey_picture(self._streams.width, self._streams.height), JPEG)


def _asked_method(request: Request) -> str:
    return str((_json_object(request.body) or {}).get("method", ""))


def _json_object(octets: bytes) -> Mapping[str, object] | None:
    try:
        content = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _succeeded(asked: Mapping[str, object], version: str, data: Answer) -> Response:
    return _json({**_echo(asked, version), "data": data})


def _failed(asked: Mapping[str, object], version: str, error: FirmwareError) -> Response:
    return _json({**_echo(asked, version), "error": {"code": error.code, "message": str(error)}})


def _echo(asked: Mapping[str, object], version: str) -> Mapping[str, object]:
    return {"apiVersion": version, "context": asked.get("context", ""), "method": asked.get("method", "")}


def _json(content: Mapping[str, object]) -> Response:
    return Response(200, json.dumps(content).encode(), JSON)
