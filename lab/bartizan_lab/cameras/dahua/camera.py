"""A Dahua-built camera: DHDiscover, CGI, the DVRIP port, ONVIF."""

import hashlib
import uuid
from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras.camera import Camera, Service
from bartizan_lab.cameras.dahua.cgi import DahuaCgi
from bartizan_lab.cameras.dahua.discovery import DHIP_GROUP, DHIP_PORT, DVRIP_PORT, OLD_PORT, DahuaDiscovery
from bartizan_lab.cameras.dahua.traits import DahuaTraits
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.greeting import GreetingService
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import GROUP as SSDP_GROUP
from bartizan_lab.cameras.ssdp import PORT as SSDP_PORT
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network


class DahuaCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "dahua"
    lock_out_limit: ClassVar[int] = 5

    def __init__(self, state: DeviceState, traits: DahuaTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        paths = ("/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1")
        return StreamProfile(paths, "device", "Dahua Rtsp Server", "H265", 2560, 1440)

    @property
    def realm(self) -> str:
        """The realm of HTTP: a hash of the serial number."""
        return f"Login to {hashlib.md5(self.state.serial.encode()).hexdigest()}"

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        upnp = self._upnp(network) if self.traits.upnp else None
        onvif = OnvifPages(self, self._onvif_facts(), network.address) if self.traits.onvif else None
        site = DahuaCgi(self, self.traits, self.streams, self.realm, upnp=upnp, onvif=onvif)
        yield from self.web(site, "", self.traits.vendor)
        yield GreetingService(DVRIP_PORT, b"", faults)
        answers = DahuaDiscovery(self, self.traits, network)
        yield DatagramService(DHIP_PORT, answers.respond_dhip, faults, slow, groups=(DHIP_GROUP,), broadcast=True)
        yield DatagramService(OLD_PORT, answers.respond_old, faults, slow, broadcast=True)
        if upnp is not None:
            yield DatagramService(SSDP_PORT, upnp.respond, faults, slow, groups=(SSDP_GROUP,), greetings=upnp.alive)
        if self.traits.onvif:
            yield discovery(self, self._scopes, network)

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer=self.traits.vendor,
            hardware_id=self.traits.hardware_version,
            realm=self.realm,
            snapshot_path="/cgi-bin/snapshot.cgi?channel=1",
            firmware=lambda: f"{self.state.firmware}, Build Date {self.state.build.isoformat()}",
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(self.traits.vendor, self.state.model, "country/china")

    def _upnp(self, network: Network) -> UpnpDevice:
        return UpnpDevice(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, self.state.mac)),
            device_type="urn:schemas-upnp-org:device:Basic:1",
            friendly_name=self.traits.machine_name,
            manufacturer=self.traits.vendor,
            model_name=self.state.model,
            model_number=self.state.model,
            serial=self.state.serial,
            address=network.address,
            server="Linux, UPnP/1.0, Private UPnP SDK",
        )
