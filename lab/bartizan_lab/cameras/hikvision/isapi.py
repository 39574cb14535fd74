"""ISAPI: Hikvision's HTTP interface, and the web page beside it."""

import json
from collections.abc import Callable, Mapping

from bartizan_lab.cameras.access import Allowed, Attempt, Denied
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.hikvision.documents import OK, SWITCHES, Documents, Status
from bartizan_lab.cameras.hikvision.traits import HikvisionTraits, version_numbers
from bartizan_lab.cameras.hikvision.upgrade import examine
from bartizan_lab.cameras.onvif.pages import OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import PATH as UPNP_PATH
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.web import HTML, JPEG, OCTETS, XML, Dropped, Request, Response

_ERRORS_HAVE_STATUS_SINCE = (5, 6, 0)
"""Older firmware answers 200 and puts the error into the body alone."""
_DROPS_BETWEEN = range(30, 40)
_FORGETS_LOGINS_BETWEEN = range(40, 50)
"""Percent of a write during which connections break, or right logins get 401."""

_NOT_ACTIVATED = Status(4, "notActivated")
_BAD_LOGIN = Status(4, "badAuthorization")
_NOT_SUPPORTED = Status(4, "notSupport")
_NOT_ALLOWED = Status(4, "methodNotAllowed")
_BUSY = Status(2, "upgrading")
_ENCODER_RESTARTS = Status(3, "deviceError")
_FOREIGN_CONFIGURATION = Status(6, "badXmlContent")
_REBOOT_REQUIRED = Status(7, "rebootRequired")

_Page = Callable[[Request], Response]


class Isapi:
    """The web server of one device."""

    def __init__(
        self,
        camera: Camera,
        traits: HikvisionTraits,
        streams: StreamProfile,
        realm: str,
        *,
        documents: Documents,
        upnp: UpnpDevice | None,
        onvif: OnvifPages | None,
    ) -> None:
        self._camera = camera
        self._traits = traits
        self._streams = streams
        self._realm = realm
        self._documents = documents
        self._upnp = upnp
        self._onvif = onvif
        self._pages = self._isapi_pages()

    def admit(self, request: Request) -> Response | Dropped | None:
        """See `WebSite`."""
        if self._is_open(request):
            return None
        if self._camera.state.factory_state:
            self._note_change(request)
            return self._refusal(request, self._challenge(request), _NOT_ACTIVATED)
        if self._is_disturbed(_DROPS_BETWEEN):
            return Dropped()
        if self._is_disturbed(_FORGETS_LOGINS_BETWEEN):
            return self._refusal(request, self._challenge(request), _BAD_LOGIN)
        verdict = self._camera.authorise(_attempt(request), self._realm)
        return None if isinstance(verdict, Allowed) else self._refusal(request, verdict, _BAD_LOGIN)

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if self._onvif is not None and self._onvif.answers(request):
            return self._onvif.answer(request)
        if self._is_open(request):
            return self._open_page(request)
        page = self._pages.get((request.method, request.path))
        if page is not None:
            return page(request)
        known = any(path == request.path for _, path in self._pages)
        self._note_change(request)
        return self._error(request, 403, _NOT_ALLOWED) if known else self._error(request, 404, _NOT_SUPPORTED)

    def _note_change(self, request: Request) -> None:
        if request.method not in {"GET", "HEAD"}:
            self._camera.state.meddling.append(f"ISAPI {request.method} {request.path} from {request.source}")

    def _isapi_pages(self) -> Mapping[tuple[str, str], _Page]:
        documents = self._documents
        pages: dict[tuple[str, str], _Page] = {
            ("GET", "/ISAPI/System/deviceInfo"): lambda _: Response(200, documents.device_info(), XML),
            ("GET", "/ISAPI/System/status"): lambda _: Response(200, documents.device_status(), XML),
            ("GET", "/ISAPI/System/time"): lambda _: Response(200, documents.time(), XML),
            ("GET", "/ISAPI/System/time/ntpServers"): lambda _: Response(200, documents.time_servers(), XML),
            ("GET", "/ISAPI/Smart/capabilities"): lambda _: Response(200, documents.smart_capabilities(), XML),
            ("GET", "/ISAPI/System/upgradeStatus"): lambda _: Response(200, documents.upgrade_status(), XML),
            ("GET", "/ISAPI/System/Network/Integrate"): lambda _: Response(200, documents.integration(), XML),
            ("GET", "/ISAPI/Security/userCheck"): lambda _: Response(200, documents.user_check(None), XML),
            ("GET", "/ISAPI/Streaming/channels"): lambda _: Response(200, documents.channels(self._streams), XML),
            ("GET", "/ISAPI/Streaming/channels/101/picture"): self._picture,
            ("GET", "/ISAPI/System/configurationData"): lambda _: Response(200, self._configuration(), OCTETS),
            ("PUT", "/ISAPI/System/configurationData"): self._restore,
            ("PUT", "/ISAPI/System/reboot"): self._reboot,
            (self._traits.upgrade_form.method, "/ISAPI/System/updateFirmware"): self._update,
        }
        for name in SWITCHES:
            pages["GET", f"/ISAPI/System/Network/{name}"] = self._switch
        if self._traits.is_recorder:
            inputs = "/ISAPI/ContentMgmt/InputProxy/channels"
            pages["GET", inputs] = lambda _: Response(200, documents.input_channels(), XML)
            pages["GET", f"{inputs}/status"] = lambda _: Response(200, documents.input_channel_status(), XML)
        return pages

    def _is_open(self, request: Request) -> bool:
        """Whether the request needs no login here: ONVIF looks for it in the envelope."""
        return not request.path.startswith("/ISAPI/")

    def _open_page(self, request: Request) -> Response:
        if request.path == UPNP_PATH and self._upnp is not None:
            return Response(200, self._upnp.description(), XML)
        if request.method in {"GET", "HEAD"} and request.path in {"/", "/doc/page/login.asp"}:
            return Response(200, f"<html><head><title>{self._traits.brand}</title></head></html>".encode(), HTML)
        return Response(404)

    def _is_disturbed(self, between: range) -> bool:
        writing = self._camera.flash_state is FlashState.WRITING
        return writing and self._traits.breaks_connections_while_writing and self._camera.flash_percent in between

    def _challenge(self, request: Request) -> Denied:
        """Return a challenge that costs the client nothing."""
        verdict = self._camera.authorise(Attempt(request.method, None, request.source), self._realm)
        assert isinstance(verdict, Denied), "nobody is let in without credentials"
        return verdict

    def _refusal(self, request: Request, denied: Denied, status: Status) -> Response:
        if request.path == "/ISAPI/Security/userCheck":
            body = self._documents.user_check(denied)
        else:
            body = self._documents.response_status(request.path, status)
        return Response(401, body, XML, headers=(("WWW-Authenticate", denied.challenge),))

    def _error(self, request: Request, http_status: int, status: Status) -> Response:
        if version_numbers(self._camera.state.firmware) < _ERRORS_HAVE_STATUS_SINCE and http_status != 404:
            http_status = 200
        return Response(http_status, self._documents.response_status(request.path, status), XML)

    def _done(self, request: Request, status: Status = OK) -> Response:
        return Response(200, self._documents.response_status(request.path, status), XML)

    def _switch(self, request: Request) -> Response:
        return Response(200, self._documents.switch(request.path.rpartition("/")[2]), XML)

    def _picture(self, request: Request) -> Response:
        if not self._camera.has_settled:
            # 200 whatever the firmware: recorded while the encoder restarts.
            return self._done(request, _ENCODER_RESTARTS)
        return Response(200, grey_picture(self._streams.width, self._streams.height), JPEG)

    def _configuration(self) -> bytes:
        state = self._camera.state
        content = {"model": state.model, "firmware": state.firmware, "serial": state.serial}
        return b"HIKCONF\0" + json.dumps(content).encode()

    def _restore(self, request: Request) -> Response:
        """Take back only what this very device and firmware saved."""
        if request.body != self._configuration():
            return self._error(request, 400, _FOREIGN_CONFIGURATION)
        return self._done(request, _REBOOT_REQUIRED)

    def _reboot(self, request: Request) -> Response:
        self._camera.reboot()
        return self._done(request)

    def _update(self, request: Request) -> Response:
        if self._camera.flash_state is FlashState.WRITING:
            return self._error(request, 403, _BUSY)
        verdict = examine(request, self._camera, self._traits)
        if isinstance(verdict, Status):
            return self._error(request, 403, verdict)
        if self._traits.reboots_itself:
            self._camera.begin_flash_and_reboot(verdict)
        else:
            self._camera.begin_flash(verdict)
        return self._done(request)


def _attempt(request: Request) -> Attempt:
    return Attempt(request.method, request.headers.get("authorization"), request.source)
