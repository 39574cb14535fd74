"""A Uniview device: LAPI, ONVIF, and the service on UDP 7788 that nobody should speak to."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import Datagram, DatagramService
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.uniview.lapi import SNAPSHOT_PATH, Lapi
from bartizan_lab.cameras.uniview.traits import UniviewTraits
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network

UNDOCUMENTED_PORT = 7788
"""Of CVE-2021-45039: a datagram may bring the device down, so that whoever sends one is meddling."""


class UniviewCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "uniview"

    def __init__(self, state: DeviceState, traits: UniviewTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        main = self.traits.main_stream
        sub = main.replace("/s0/", "/s1/").replace("video1", "video2")
        return StreamProfile((main, sub), self.state.serial, "", "H265", 2688, 1520)

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        onvif = OnvifPages(self, self._onvif_facts(), network.address)
        yield from self.web(Lapi(self, self.traits, self.streams, onvif), "", self.traits.brand)
        yield DatagramService(UNDOCUMENTED_PORT, self._note, faults, slow)
        yield discovery(self, self._scopes, network)

    def _note(self, datagram: Datagram) -> Iterator[Datagram]:
        self.state.meddling.append(f"UDP {UNDOCUMENTED_PORT} from {datagram.peer[0]}")
        return iter(())

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer=self.traits.brand,
            hardware_id=self.traits.hardware_id,
            realm=self.state.serial,
            snapshot_path=SNAPSHOT_PATH,
            firmware=lambda: self.state.firmware,
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(self.traits.brand, self.state.model, "country/china")
