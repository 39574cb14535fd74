"""A Bosch camera: its discovery, ONVIF, and a web page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from bartizan_lab.cameras.bosch.discovery import PORT, BoschDiscovery
from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts
from bartizan_lab.cameras.onvif.plain_site import PlainSite
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network


@dataclass(frozen=True)
class BoschTraits:
    """What distinguishes one Bosch model and firmware from another."""

    binary_discovery: bool = False
    """Older firmware answers a search with 32 octets in place of XML."""
    onvif: bool = True


class BoschCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "bosch"

    def __init__(self, state: DeviceState, traits: BoschTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        return StreamProfile(("/rtsp_tunnel", "/rtsp_tunnel?inst=2"), "Bosch", "", "H264", 1920, 1080)

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        facts = self._onvif_facts() if self.traits.onvif else None
        yield from self.web(PlainSite(self, "Bosch", facts, network.address), "", "Bosch Security Systems")
        answers = BoschDiscovery(self, network, binary=self.traits.binary_discovery)
        yield DatagramService(PORT, answers.respond, faults, slow, broadcast=True)
        if self.traits.onvif:
            yield discovery(self, self._scopes, network)

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer="Bosch",
            hardware_id="F0005943",
            realm="Bosch",
            snapshot_path="/snap.jpg",
            firmware=lambda: self.state.firmware,
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(f"Bosch {self.state.model}", self.state.model)
