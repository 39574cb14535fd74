"""A Hikvision-built camera or recorder: SADP, ISAPI, the SDK port, UPnP, and ONVIF where it is switched on."""

import hashlib
import uuid
from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.greeting import GreetingService
from bartizan_lab.cameras.hikvision import sadp
from bartizan_lab.cameras.hikvision.documents import Documents
from bartizan_lab.cameras.hikvision.isapi import Isapi
from bartizan_lab.cameras.hikvision.traits import HikvisionTraits, build_number, version_numbers
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import GROUP as SSDP_GROUP
from bartizan_lab.cameras.ssdp import PORT as SSDP_PORT
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network

SDK_PORT = 8000
SDK_GREETING = bytes.fromhex("000000100000001e0000001e00000000")

_SECURED_SINCE = (5, 5, 0)
"""No basic authentication, and ONVIF off, from here on."""
_NUMBERED_REALM_SINCE = (5, 3, 0)


class HikvisionCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "hikvision"
    lock_out_limit: ClassVar[int] = 5

    def __init__(self, state: DeviceState, traits: HikvisionTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`. A recorder offers a main and a sub stream for each channel."""
        channels = range(1, max(1, len(self.traits.channel_addresses)) + 1)
        paths = tuple(f"/Streaming/Channels/{channel}{stream:02}" for channel in channels for stream in (1, 2))
        numbered = version_numbers(self.state.firmware) >= _NUMBERED_REALM_SINCE
        return StreamProfile(paths, self.realm if numbered else "Hikvision", "", "H264", 1920, 1080)

    @property
    def realm(self) -> str:
        """The realm of HTTP: `IP Camera(83813)`, a recorder's model, or `hikvision` on old firmware."""
        if self.traits.is_recorder:
            return self.state.model
        if version_numbers(self.state.firmware) < _NUMBERED_REALM_SINCE:
            return "hikvision"
        number = int.from_bytes(hashlib.sha256(self.state.serial.encode()).digest()[:4], "big") % 100000
        return f"IP Camera({number:05})"

    @property
    def takes_basic(self) -> bool:
        """See `Camera`."""
        return version_numbers(self.state.firmware) < _SECURED_SINCE

    @property
    def onvif_is_on(self) -> bool:
        """Return whether ONVIF is switched on; if not, WS-Discovery is silent too."""
        if self.traits.onvif is not None:
            return self.traits.onvif
        return version_numbers(self.state.firmware) < _SECURED_SINCE

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        upnp = self._upnp(network) if self.traits.upnp else None
        yield from self.web(self._site(network, upnp), self.traits.server, self.traits.brand)
        yield GreetingService(SDK_PORT, SDK_GREETING, faults)
        inquiries = sadp.Sadp(self, self.traits, network)
        yield DatagramService(
            sadp.PORT, inquiries.respond, faults, slow, groups=(sadp.GROUP,), broadcast=True, speaks_xml=True
        )
        if upnp is not None:
            yield DatagramService(SSDP_PORT, upnp.respond, faults, slow, groups=(SSDP_GROUP,), greetings=upnp.alive)
        if self.onvif_is_on:
            yield discovery(self, self._scopes, network)

    def _site(self, network: Network, upnp: UpnpDevice | None) -> Isapi:
        onvif = OnvifPages(self, self._onvif_facts(), network.address) if self.onvif_is_on else None
        documents = Documents(self, self.traits, lambda: self.onvif_is_on)
        return Isapi(self, self.traits, self.streams, self.realm, documents=documents, upnp=upnp, onvif=onvif)

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer=self.traits.brand,
            hardware_id="88",
            realm=self.realm,
            snapshot_path="/ISAPI/Streaming/channels/101/picture",
            firmware=lambda: f"{self.state.firmware} build {build_number(self.state.build)}",
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(f"{self.traits.brand} {self.state.model}", self.state.model, "city/hangzhou")

    def _upnp(self, network: Network) -> UpnpDevice:
        return UpnpDevice(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, self.state.mac)),
            device_type="urn:schemas-upnp-org:device:Basic:1",
            friendly_name=f"{self.traits.brand} {self.state.model} - {self.state.serial}",
            manufacturer=self.traits.brand,
            model_name=self.state.model,
            model_number=self.state.model,
            serial=self.state.serial,
            address=network.address,
            server="Linux/3.0.8 UPnP/1.0 Portable SDK for UPnP devices/1.6.18",
        )
