"""A camera of Arecont Vision, in what a third-party scanner reads of one: multicast DNS alone.

Arecont published no description of it. The scanner's own self-test has the pointer `ARECONT AV 1000-AV334455` and a
text with `MAC=…/1000-VIRTUAL`, the model padded with spaces: behind the dash is the MAC without the maker's prefix,
behind the slash the model without `AV`. All else is a guess: what stands before the slash (here the MAC), the width of
the model, the name of the host, the port, the version. Its pages need a login, of which nothing is told here.
"""

from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras import mdns
from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.web import HTML, Request, Response
from bartizan_lab.network import Network

MODEL_OCTETS = 15
"""Of the model in the text, without `AV`; shorter ones are padded with spaces."""


class ArecontCamera(Camera):
    """One such camera. Its model begins with `AV`."""

    kind: ClassVar[str] = "arecont"

    @property
    def streams(self) -> None:
        """See `Camera`."""
        return

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        names = self._names(network)
        yield from self.web(_Site(), "", "Arecont Vision")
        yield DatagramService(
            mdns.PORT,
            names.respond,
            self.state.faults,
            self.timings.slow_seconds,
            groups=(mdns.GROUP,),
            time_to_live=mdns.TIME_TO_LIVE,
            greetings=names.announce,
        )

    def _names(self, network: Network) -> mdns.MdnsDevice:
        octets = self.state.mac.replace(":", "").upper()
        number = self.state.model.removeprefix("AV")
        text = (("MAC", f"{octets}/{number.ljust(MODEL_OCTETS)}"),)
        return mdns.MdnsDevice(
            f"ARECONT AV {number}-AV{octets[-6:]}",
            f"av{octets[-6:].lower()}.local.",
            network.address,
            network.address6,
            (mdns.Advertised("_arec._tcp.local.", 80, text),),
        )


class _Site:
    def admit(self, request: Request) -> Response | None:  # noqa: ARG002 - its one page is for everybody
        return None

    def answer(self, request: Request) -> Response:
        if request.path == "/":
            return Response(200, b"<html><head><title>Login</title></head></html>", HTML)
        return Response(404)
