"""A network printer: something on the camera segment that answers like a device and is no camera."""

import uuid
from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras import mdns, ssdp
from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.greeting import GreetingService
from bartizan_lab.cameras.web import HTML, XML, Request, Response
from bartizan_lab.network import Network

RAW_PORT = 9100
_SERVER = "Printer HTTP Server"
_MANUFACTURER = "Example Printing"


class Printer(Camera):
    """One printer; a `Camera` only in living and rebooting like the others."""

    kind: ClassVar[str] = "printer"

    @property
    def streams(self) -> None:
        """See `Camera`."""
        return

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        upnp = self._upnp(network)
        names = self._names(network)
        yield from self.web(_Site(self.state.model, upnp), _SERVER, _MANUFACTURER)
        yield GreetingService(RAW_PORT, b"", faults)
        yield DatagramService(ssdp.PORT, upnp.respond, faults, slow, groups=(ssdp.GROUP,), greetings=upnp.alive)
        yield DatagramService(
            mdns.PORT,
            names.respond,
            faults,
            slow,
            groups=(mdns.GROUP,),
            time_to_live=mdns.TIME_TO_LIVE,
            greetings=names.announce,
        )

    def _names(self, network: Network) -> mdns.MdnsDevice:
        text = (("ty", self.state.model), ("pdl", "application/pdf"))
        return mdns.MdnsDevice(
            f"{self.state.model} [{self.state.serial[-6:]}]",
            f"printer-{self.state.mac.replace(':', '')}.local.",
            network.address,
            network.address6,
            (
                mdns.Advertised("_pdl-datastream._tcp.local.", RAW_PORT, text),
                mdns.Advertised("_http._tcp.local.", 80),
            ),
        )

    def _upnp(self, network: Network) -> ssdp.UpnpDevice:
        return ssdp.UpnpDevice(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, self.state.mac)),
            device_type="urn:schemas-upnp-org:device:Printer:1",
            friendly_name=self.state.model,
            manufacturer=_MANUFACTURER,
            model_name=self.state.model,
            model_number="1",
            serial=self.state.serial,
            address=network.address,
            server=_SERVER,
        )


class _Site:
    def __init__(self, model: str, upnp: ssdp.UpnpDevice) -> None:
        self._model = model
        self._upnp = upnp

    def admit(self, request: Request) -> Response | None:  # noqa: ARG002 - a printer shows its pages to everybody
        return None

    def answer(self, request: Request) -> Response:
        if request.path == ssdp.PATH:
            return Response(200, self._upnp.description(), XML)
        if request.path == "/":
            return Response(200, f"<html><head><title>{self._model}</title></head></html>".encode(), HTML)
        return Response(404)
