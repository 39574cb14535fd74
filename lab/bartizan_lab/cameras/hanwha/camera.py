"""A Hanwha device: its discovery, SUNAPI, ONVIF."""

import uuid
from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.hanwha.discovery import PORT, HanwhaDiscovery
from bartizan_lab.cameras.hanwha.sunapi import SNAPSHOT_PATH, Sunapi
from bartizan_lab.cameras.hanwha.traits import HanwhaTraits
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import GROUP as SSDP_GROUP
from bartizan_lab.cameras.ssdp import PORT as SSDP_PORT
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network


class HanwhaCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "hanwha"

    def __init__(self, state: DeviceState, traits: HanwhaTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        paths = ("/profile1/media.smp", "/profile2/media.smp")
        return StreamProfile(paths, self.traits.rtsp_realm, "", "H264", 2592, 1944)

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        onvif = OnvifPages(self, self._onvif_facts(), network.address) if self.traits.onvif else None
        upnp = self._upnp(network) if self.traits.upnp else None
        site = Sunapi(self, self.traits, self.streams, onvif=onvif, upnp=upnp)
        yield from self.web(site, "", self.traits.brand)
        if upnp is not None:
            faults, slow = self.state.faults, self.timings.slow_seconds
            yield DatagramService(SSDP_PORT, upnp.respond, faults, slow, groups=(SSDP_GROUP,), greetings=upnp.alive)
        answers = HanwhaDiscovery(self, network)
        yield DatagramService(PORT, answers.respond, self.state.faults, self.timings.slow_seconds, broadcast=True)
        if self.traits.onvif:
            yield discovery(self, self._scopes, network)

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer=self.traits.brand,
            hardware_id=self.state.model,
            realm=self.traits.realm,
            snapshot_path=SNAPSHOT_PATH,
            firmware=lambda: self.state.firmware,
            scopes=self._scopes,
        )

    def _upnp(self, network: Network) -> UpnpDevice:
        return UpnpDevice(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, self.state.mac)),
            device_type="urn:schemas-upnp-org:device:Basic:1",
            friendly_name=f"WISENET-{self.state.model}",
            manufacturer=self.traits.brand,
            model_name=self.state.model,
            model_number=self.state.model,
            serial=self.state.serial,
            address=network.address,
            server="Linux, UPnP/1.0, Portable SDK for UPnP devices",
        )

    def _scopes(self) -> Scopes:
        return Scopes(f"{self.traits.brand} {self.state.model}", self.state.model, "country/korea")
