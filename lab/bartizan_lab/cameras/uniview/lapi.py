"""LAPI: Uniview's HTTP interface, JSON in an envelope behind digest authentication."""

import json
from collections.abc import Callable, Mapping
from itertools import count

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera, Installed
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.images import UNIVIEW_IMAGE, NotFirmware, SealedImage
from bartizan_lab.cameras.multipart import NotMultipart, parts
from bartizan_lab.cameras.onvif.pages import OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.uniview.settings import setting
from bartizan_lab.cameras.uniview.traits import UniviewTraits
from bartizan_lab.cameras.web import HTML, JPEG, JSON, Request, Response

BASE = "/LAPI/V1.0"
SNAPSHOT_PATH = f"{BASE}/Channels/0/Media/Video/Streams/0/Snapshot"
_BY_UPLOAD = 3
_SUCCEED, _UNAUTHORISED, _UNSUPPORTED, _BUSY, _BAD_FILE = 0, 1, 2, 3, 4
_WORDS = ("Succeed", "Not Authorized", "Not Supported", "Device Busy", "Invalid File")
_Page = Callable[[Request], Response]


class Lapi:
    """The web server of one device."""

    def __init__(self, camera: Camera, traits: UniviewTraits, streams: StreamProfile, onvif: OnvifPages) -> None:
        self._camera = camera
        self._traits = traits
        self._streams = streams
        self._onvif = onvif
        self._tasks = count(1)
        self._task = 0
        """The upgrade that was begun last, until its image has come."""
        self._pages: Mapping[tuple[str, str], _Page] = {
            ("GET", "/System/DeviceBasicInfo"): self._info,
            ("GET", "/System/DeviceInfo"): self._unsupported if traits.basic_info_only else self._info,
            ("GET", SNAPSHOT_PATH.removeprefix(BASE)): self._picture,
            ("POST", "/System/Upgrade"): self._begin,
            ("POST", "/System/UploadFirmware"): self._upload,
            ("PUT", "/System/Reboot"): self._reboot,
        }

    @property
    def realm(self) -> str:
        """The realm of HTTP."""
        return self._camera.state.serial

    def admit(self, request: Request) -> Response | None:
        """See `WebSite`."""
        if not request.path.startswith(f"{BASE}/"):
            return None
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self.realm)
        if isinstance(verdict, Allowed):
            return None
        challenge = (("WWW-Authenticate", verdict.challenge),)
        return Response(401, self._envelope(request, _UNAUTHORISED, None), JSON, challenge)

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if self._onvif.answers(request):
            return self._onvif.answer(request)
        if not request.path.startswith(f"{BASE}/"):
            page = f"<html><head><title>{self._traits.brand}</title></head></html>".encode()
            return Response(200, page, HTML) if request.path == "/" else Response(404)
        page_of = self._pages.get((request.method, request.path.removeprefix(BASE)))
        if page_of is not None:
            return page_of(request)
        if request.method == "GET":
            asked = request.path.removeprefix(BASE)
            found = setting(asked, self._traits, self._streams, self._camera.state)
            if found is not None:
                return self._done(request, found)
        else:
            self._camera.state.meddling.append(f"LAPI {request.method} {request.path} from {request.source}")
        return self._unsupported(request)

    def _info(self, request: Request) -> Response:
        state = self._camera.state
        return self._done(
            request,
            {
                "DeviceName": state.model,
                "DeviceType": self._traits.device_type,
                "DeviceModel": state.model,
                "SerialNumber": state.serial,
                "FirmwareVersion": state.firmware,
                "HardwareID": self._traits.hardware_id,
                "UbootVersion": "V2.0",
                "MAC": state.mac,
            },
        )

    def _picture(self, request: Request) -> Response:
        if not self._camera.has_settled:
            return self._refused(request, _BUSY)
        return Response(self._traits.done_status, grey_picture(self._streams.width, self._streams.height), JPEG)

    def _begin(self, request: Request) -> Response:
        if self._camera.flash_state is FlashState.WRITING:
            return self._refused(request, _BUSY)
        if _asked_type(request) != _BY_UPLOAD:
            return self._unsupported(request)
        self._task = next(self._tasks)
        return self._done(request, {"UpgradeTaskID": self._task})

    def _upload(self, request: Request) -> Response:
        if not self._task or request.query.get("UpgradeTaskID") != str(self._task):
            return self._refused(request, _BAD_FILE)
        self._task = 0
        image = self._examined(request)
        if image is None:
            return self._refused(request, _BAD_FILE)
        self._camera.begin_flash_and_reboot(image)
        return self._done(request, None)

    def _examined(self, request: Request) -> Installed | None:
        try:
            content = next(
                part.content
                for part in parts(request.headers.get("content-type", ""), request.body)
                if part.name == "file"
            )
            image = SealedImage.unpack(UNIVIEW_IMAGE, content)
        except (NotFirmware, NotMultipart, StopIteration):
            return None
        if image.model != self._camera.state.model or Fault.REFUSES_IMAGE in self._camera.state.faults:
            return None
        return Installed(image.version, image.build)

    def _reboot(self, request: Request) -> Response:
        self._camera.reboot()
        return self._done(request, None)

    def _done(self, request: Request, data: Mapping[str, object] | None) -> Response:
        body = self._envelope(request, _SUCCEED, data) if self._traits.envelope else json.dumps(data or {}).encode()
        return Response(self._traits.done_status, body, JSON)

    def _refused(self, request: Request, code: int) -> Response:
        return Response(200, self._envelope(request, code, None), JSON)

    def _unsupported(self, request: Request) -> Response:
        return self._refused(request, _UNSUPPORTED)

    def _envelope(self, request: Request, code: int, data: Mapping[str, object] | None) -> bytes:
        response = {
            "ResponseURL": request.path,
            "CreatedID": -1,
            "ResponseCode": code,
            "SubResponseCode": 0,
            "ResponseString": _WORDS[code],
            "StatusCode": code,
            "StatusString": _WORDS[code],
            "Data": "null" if data is None else data,
        }
        return json.dumps({"Response": response}).encode()


def _asked_type(request: Request) -> object:
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return asked.get("UpgradeType") if isinstance(asked, dict) else None
