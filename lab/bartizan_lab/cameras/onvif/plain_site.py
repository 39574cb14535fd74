"""The web server of a camera that offers a page, ONVIF where it is on, and a picture; nothing of its maker's own."""

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.web import HTML, JPEG, Request, Response


class PlainSite:
    """A `WebSite`.

    Args:
        camera: Whose it is.
        title: Of its page.
        facts: What it says over ONVIF; None where that is off.
        address: Its own.
        forbidden: Paths that nobody may ask for: noted as meddling.
    """

    def __init__(
        self,
        camera: Camera,
        title: str,
        facts: OnvifFacts | None,
        address: str,
        *,
        forbidden: frozenset[str] = frozenset(),
    ) -> None:
        self._camera = camera
        self._title = title
        self._facts = facts
        self._onvif = OnvifPages(camera, facts, address) if facts is not None else None
        self._forbidden = forbidden

    def admit(self, request: Request) -> Response | None:
        """See `WebSite`. The picture alone wants a login; ONVIF looks at its own."""
        if self._facts is None or request.path != self._facts.snapshot_path:
            return None
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self._facts.realm)
        if isinstance(verdict, Allowed):
            return None
        return Response(401, headers=(("WWW-Authenticate", verdict.challenge),))

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if self._onvif is not None and self._onvif.answers(request):
            return self._onvif.answer(request)
        if request.path in self._forbidden:
            self._camera.state.meddling.append(f"HTTP {request.path} from {request.source}")
        if request.path == "/":
            return Response(200, f"<html><head><title>{self._title}</title></head></html>".encode(), HTML)
        if self._facts is not None and request.path == self._facts.snapshot_path:
            return self._picture()
        return Response(404)

    def _picture(self) -> Response:
        streams = self._camera.streams
        if streams is None or not self._camera.has_settled:
            return Response(503)
        return Response(200, grey_picture(streams.width, streams.height), JPEG)
