"""SUNAPI: Hanwha's HTTP interface, `key=value` lines or JSON behind digest authentication."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera, Installed
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.hanwha.settings import SunapiSettings
from bartizan_lab.cameras.hanwha.traits import HanwhaTraits
from bartizan_lab.cameras.images import HANWHA_IMAGE, NotFirmware, SealedImage
from bartizan_lab.cameras.multipart import NotMultipart, parts
from bartizan_lab.cameras.onvif.pages import OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import PATH as UPNP_PATH
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.web import HTML, JPEG, JSON, OCTETS, TEXT, XML, Request, Response

SNAPSHOT_PATH = "/stw-cgi/video.cgi?msubmenu=snapshot&action=view"
_LOCAL_HOURS = 9
"""It stands, as delivered, in the zone of Seoul; `UTCTime` is UTC all the same."""
_CHANGES = ("set", "add", "update", "remove", "control")
_Page = Callable[[Request], Response]


class Sunapi:
    """The web server of one device."""

    def __init__(
        self,
        camera: Camera,
        traits: HanwhaTraits,
        streams: StreamProfile,
        *,
        onvif: OnvifPages | None,
        upnp: UpnpDevice | None,
    ) -> None:
        self._camera = camera
        self._upnp = upnp
        self._traits = traits
        self._streams = streams
        self._onvif = onvif
        self._pages: Mapping[tuple[str, str, str], _Page] = {
            ("system.cgi", "deviceinfo", "view"): lambda request: self._said(request, self._device_info()),
            ("system.cgi", "date", "view"): lambda request: self._said(request, self._date()),
            ("system.cgi", "configbackup", "control"): lambda _: Response(200, self._backup(), OCTETS),
            ("system.cgi", "power", "control"): self._power,
            ("system.cgi", "firmwareupdate", "control"): self._update,
            ("video.cgi", "snapshot", "view"): lambda _: self._picture(),
        }
        self._settings = SunapiSettings(traits, streams, camera.state)

    def admit(self, request: Request) -> Response | None:
        """See `WebSite`. Without a password yet, everything is refused without a challenge."""
        if not request.path.startswith("/stw-cgi/"):
            return None
        if self._camera.state.factory_state:
            return Response(403)
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self._traits.realm)
        if isinstance(verdict, Allowed):
            return None
        return Response(401, headers=(("WWW-Authenticate", verdict.challenge),))

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if request.path == UPNP_PATH and self._upnp is not None:
            return Response(200, self._upnp.description(), XML)
        if self._onvif is not None and self._onvif.answers(request):
            return self._onvif.answer(request)
        if not request.path.startswith("/stw-cgi/"):
            title = f"<html><head><title>{self._traits.brand}</title></head></html>".encode()
            return Response(200, title, HTML) if request.path == "/" else Response(404)
        query = request.query
        asked = (request.path.removeprefix("/stw-cgi/"), query.get("msubmenu", ""), query.get("action", ""))
        page = self._pages.get(asked)
        if page is not None:
            return page(request)
        setting = self._settings.answer(request)
        if setting is not None:
            return setting
        if asked[2] in _CHANGES:
            self._camera.state.meddling.append(f"SUNAPI {' '.join(asked)} from {request.source}")
        return _refused(601, "Action Not Found")

    def _said(self, request: Request, pairs: Mapping[str, object]) -> Response:
        if self._traits.prefers_json or "application/json" in request.headers.get("accept", ""):
            return Response(200, json.dumps(pairs).encode(), JSON)
        return Response(200, "".join(f"{key}={value}\r\n" for key, value in pairs.items()).encode(), TEXT)

    def _device_info(self) -> Mapping[str, object]:
        state = self._camera.state
        return {
            "Model": state.model,
            "SerialNumber": state.serial,
            "FirmwareVersion": state.firmware,
            "BuildDate": state.build.strftime("%Y.%m.%d"),
            "DeviceType": self._traits.device_type,
            "ConnectedMACAddress": state.mac.upper(),
            "ISPVersion": "1.00_200101",
            "CGIVersion": "2.5.5",
            "Language": "English",
        }

    def _date(self) -> Mapping[str, object]:
        now = self._camera.now()
        return {
            "LocalTime": f"{now + timedelta(hours=_LOCAL_HOURS):%Y-%m-%d %H:%M:%S}",
            "UTCTime": f"{now:%Y-%m-%d %H:%M:%S}",
            **self._settings.time_source(as_list=self._traits.prefers_json),
            "DSTEnable": "False",
            "TimeZoneIndex": 83,
            "POSIXTimeZone": f"STWT-{_LOCAL_HOURS}",
        }

    def _backup(self) -> bytes:
        state = self._camera.state
        return f"SUNAPI backup of {state.model} {state.serial} {state.firmware}\n".encode()

    def _picture(self) -> Response:
        if not self._camera.has_settled:
            return Response(503)
        return Response(200, grey_picture(self._streams.width, self._streams.height), JPEG)

    def _power(self, _: Request) -> Response:
        self._camera.reboot()
        return Response(200, b"OK\r\n")

    def _update(self, request: Request) -> Response:
        """Take an image, and tell the writing while it lasts."""
        if request.method != "POST" or request.query.get("Type") != "Normal":
            return _refused(600, "Invalid Input Value")
        if self._camera.flash_state is FlashState.WRITING:
            return Response(490)
        try:
            image = self._examined(request)
        except NotMultipart:
            return _refused(604, "Invalid File")
        if image is None:
            return Response(200, _statuses([("", "Uploading", 100), ("", "DownloadFail", 0)]))
        if image == Installed(self._camera.state.firmware, self._camera.state.build):
            return Response(200, _statuses((module, "Skip", 0) for module in self._traits.modules))
        if Fault.UPGRADE_FAILS_MIDWAY in self._camera.state.faults:
            seconds = self._camera.begin_flash(image).seconds
        else:
            seconds = self._camera.begin_flash_and_reboot(image).seconds
        return Response(200, _statuses(self._course()), spread_seconds=seconds)

    def _examined(self, request: Request) -> Installed | None:
        content = parts(request.headers.get("content-type", ""), request.body)[0].content
        try:
            image = SealedImage.unpack(HANWHA_IMAGE, content)
        except NotFirmware:
            return None
        if image.model != self._camera.state.model or Fault.REFUSES_IMAGE in self._camera.state.faults:
            return None
        return Installed(image.version, image.build)

    def _course(self) -> Iterator[tuple[str, str, int]]:
        """Yield module, status and progress of a write, in their order."""
        yield "", "Uploading", 100
        yield "", "DownloadAck", 100
        yield "", "DownloadOK", 0
        yield "", "Start", 0
        for module in self._traits.modules:
            yield "", "Alive", 0
            if Fault.UPGRADE_FAILS_MIDWAY in self._camera.state.faults and module == self._traits.modules[-1]:
                yield module, "Fail", 0
                return
            yield module, "UpdatingISP" if module == "ISP" else "OK", 100
        yield "", "End", 100


def _statuses(course: Iterable[tuple[str, str, int]]) -> bytes:
    lines = []
    for module, status, progress in course:
        if module:
            lines.append(f"FirmwareModule={module}")
        lines.append(f"Status={status}")
        if progress:
            lines.append(f"Progress={progress}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _refused(code: int, said: str) -> Response:
    return Response(200, f"NG\r\nError Code: {code}\r\n{said}\r\n".encode())
