"""A camera that answers its vendor's discovery and shows a page that tells nothing: all else needs a login."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import Datagram, DatagramService
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.vendor_discovery import Dialect
from bartizan_lab.cameras.web import HTML, Request, Response
from bartizan_lab.network import Network


@dataclass(frozen=True)
class SimpleTraits:
    """What tells one vendor's simple camera from another's."""

    dialect: Dialect
    organisation: str


class SimpleCamera(Camera):
    """One such camera."""

    kind: ClassVar[str] = "simple"

    def __init__(self, state: DeviceState, traits: SimpleTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> None:
        """See `Camera`."""
        return

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        dialect = self.traits.dialect

        def respond(datagram: Datagram) -> Iterable[Datagram]:
            return dialect.respond(datagram, self.state, network)

        yield from self.web(_Site(), "", self.traits.organisation)
        yield DatagramService(
            dialect.port,
            respond,
            self.state.faults,
            self.timings.slow_seconds,
            groups=dialect.groups,
            broadcast=True,
        )


class _Site:
    def admit(self, request: Request) -> Response | None:  # noqa: ARG002 - its one page is for everybody
        return None

    def answer(self, request: Request) -> Response:
        if request.path == "/":
            return Response(200, b"<html><head><title>Login</title></head></html>", HTML)
        return Response(404)
