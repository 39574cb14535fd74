"""A camera of no particular maker that speaks ONVIF: discovery, identity, pictures, firmware."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera, Installed, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.images import ONVIF_IMAGE, NotFirmware, SealedImage
from bartizan_lab.cameras.onvif.pages import DEVICE_PATH, OnvifFacts, OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.web import HTML, JPEG, OCTETS, Dropped, Request, Response
from bartizan_lab.cameras.wsdiscovery import GROUP, PORT, DiscoveryTarget, Scopes
from bartizan_lab.network import Network

_SNAPSHOT_PATH = "/snapshot.jpg"


@dataclass(frozen=True)
class OnvifTraits:
    """What distinguishes one ONVIF model from another."""

    manufacturer: str = "Generic"
    hardware_id: str = "1.0"
    tells_time: bool = True
    """Some answer GetSystemDateAndTime without a UTC time."""
    answers_discovery: bool = True
    """ONVIF's discoverable mode: without it the camera neither listens nor answers."""


class OnvifCamera(Camera):
    """One of them."""

    kind: ClassVar[str] = "onvif"
    upload_path = "/onvif/upgrade"
    backup_path = "/onvif/backup"

    def __init__(self, state: DeviceState, traits: OnvifTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        return StreamProfile(("/stream1", "/stream2"), self.realm, "", "H264", 1280, 720)

    @property
    def realm(self) -> str:
        """The realm of HTTP and RTSP."""
        return "ONVIF"

    @property
    def down_seconds(self) -> int:
        """See `Upgradable`."""
        return max(1, round(self.timings.flash_seconds + self.timings.reboot_seconds))

    def begin_upload(self) -> None:
        """See `Upgradable`. This camera takes an image at any time."""

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        yield from self.web(_Site(self, network.address), "gSOAP/2.8", self.traits.manufacturer)
        if self.traits.answers_discovery:
            yield discovery(self, self.scopes, network)

    def scopes(self) -> Scopes:
        """Return what it says of itself in WS-Discovery."""
        return Scopes(f"{self.traits.manufacturer} {self.state.model}", self.state.model)


def discovery(camera: Camera, scopes: Callable[[], Scopes], network: Network) -> Service:
    """Return the WS-Discovery responder of a camera."""
    addresses = [f"http://{network.address}{DEVICE_PATH}"]
    if network.address6:
        addresses.append(f"http://[{network.address6}]{DEVICE_PATH}")
    faults = camera.state.faults
    target = DiscoveryTarget(endpoint_of(camera.state), scopes, tuple(addresses), camera.state.boots, faults)
    return DatagramService(
        PORT,
        target.respond,
        faults,
        camera.timings.slow_seconds,
        groups=(GROUP,),
        greetings=target.hello,
        speaks_xml=True,
    )


def endpoint_of(state: DeviceState) -> str:
    """Return the endpoint of a device: a UUID that ends with its MAC, as Hikvision's do, the same at every boot."""
    stem = str(uuid.uuid5(uuid.NAMESPACE_OID, state.model))
    return f"urn:uuid:{stem[:24]}{state.mac.replace(':', '')}"


class _Site:
    def __init__(self, camera: OnvifCamera, address: str) -> None:
        self._camera = camera
        facts = OnvifFacts(
            manufacturer=camera.traits.manufacturer,
            hardware_id=camera.traits.hardware_id,
            realm=camera.realm,
            snapshot_path=_SNAPSHOT_PATH,
            firmware=lambda: camera.state.firmware,
            scopes=camera.scopes,
            tells_time=camera.traits.tells_time,
        )
        self._soap = OnvifPages(camera, facts, address, upgradable=camera)

    def admit(self, request: Request) -> Response | None:
        if self._soap.answers(request) or request.path == "/":
            return None
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self._camera.realm)
        if isinstance(verdict, Allowed):
            return None
        return Response(401, headers=(("WWW-Authenticate", verdict.challenge),))

    def answer(self, request: Request) -> Response | Dropped:
        if self._soap.answers(request):
            return self._soap.answer(request)
        streams = self._camera.streams
        match request.method, request.path:
            case "GET", "/":
                return Response(200, b"<html><head><title>Network Camera</title></head></html>", HTML)
            case "GET", "/snapshot.jpg":
                return Response(200, grey_picture(streams.width, streams.height), JPEG)
            case "GET", self._camera.backup_path:
                return Response(200, f"backup of {self._camera.state.serial}\n".encode(), OCTETS)
            case "POST", self._camera.upload_path:
                return self._upload(request)
            case _:
                return Response(404)

    def _upload(self, request: Request) -> Response:
        """Take an image: 415 if it is none for this camera, 500 if the write fails (ONVIF Core 8.3.3)."""
        camera = self._camera
        try:
            image = SealedImage.unpack(ONVIF_IMAGE, request.body)
        except NotFirmware:
            return Response(415)
        if image.model != camera.state.model or Fault.REFUSES_IMAGE in camera.state.faults:
            return Response(415)
        if Fault.UPGRADE_FAILS_MIDWAY in camera.state.faults:
            return Response(500)
        camera.begin_flash_and_reboot(Installed(image.version, image.build))
        return Response(200)
