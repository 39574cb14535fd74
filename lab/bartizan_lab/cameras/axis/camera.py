"""An Axis camera: mDNS, VAPIX with firmware management, UPnP, ONVIF."""

import uuid
from collections.abc import Iterable
from typing import ClassVar

from bartizan_lab.cameras import mdns, ssdp
from bartizan_lab.cameras.axis.firmware import FirmwareManager
from bartizan_lab.cameras.axis.traits import AxisTraits
from bartizan_lab.cameras.axis.vapix import Vapix
from bartizan_lab.cameras.camera import Camera, Installed, Service
from bartizan_lab.cameras.datagrams import DatagramService
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.onvif.camera import discovery
from bartizan_lab.cameras.onvif.pages import OnvifFacts, OnvifPages
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.wsdiscovery import Scopes
from bartizan_lab.network import Network


class AxisCamera(Camera):
    """One device."""

    kind: ClassVar[str] = "axis"

    def __init__(self, state: DeviceState, traits: AxisTraits, setting: Setting) -> None:
        super().__init__(state, setting)
        self.traits = traits
        self.firmware = FirmwareManager(self, traits)

    @property
    def streams(self) -> StreamProfile:
        """See `Camera`."""
        paths = ("/axis-media/media.amp", "/axis-media/media.amp?resolution=640x360")
        return StreamProfile(paths, self.realm, "GStreamer RTSP server", "H264", 1920, 1080)

    @property
    def realm(self) -> str:
        """The realm of HTTP and RTSP."""
        return f"AXIS_{self.state.serial}"

    def boot(self) -> None:
        """See `Camera`. A boot into a new image begins its trial; any other boot during one ends it."""
        before = Installed(self.state.firmware, self.state.build)
        upgraded = self.flash_state is FlashState.DONE and Fault.UPGRADE_CHANGES_NOTHING not in self.state.faults
        super().boot()
        self.firmware.begin_boot(before, upgraded=upgraded)

    def services(self, network: Network) -> Iterable[Service]:
        """See `Camera`."""
        faults, slow = self.state.faults, self.timings.slow_seconds
        upnp = self._upnp(network)
        onvif = OnvifPages(self, self._onvif_facts(), network.address)
        site = Vapix(self, self.traits, self.firmware, self.streams, self.realm, upnp=upnp, onvif=onvif)
        yield from self.web(site, "Apache", "Axis Communications AB")
        names = self._names(network)
        yield DatagramService(
            mdns.PORT,
            names.respond,
            faults,
            slow,
            groups=(mdns.GROUP,),
            time_to_live=mdns.TIME_TO_LIVE,
            greetings=names.announce,
        )
        yield DatagramService(ssdp.PORT, upnp.respond, faults, slow, groups=(ssdp.GROUP,), greetings=upnp.alive)
        yield discovery(self, self._scopes, network)
        yield self.firmware

    def _names(self, network: Network) -> mdns.MdnsDevice:
        serial = self.state.serial
        mac = (("macaddress", self.state.mac.replace(":", "").upper()),)
        return mdns.MdnsDevice(
            f"AXIS {self.state.model} - {serial}",
            f"axis-{serial.lower()}.local.",
            network.address,
            network.address6,
            (
                mdns.Advertised("_axis-video._tcp.local.", 80, mac),
                mdns.Advertised("_http._tcp.local.", 80, mac),
                mdns.Advertised("_rtsp._tcp.local.", 554, mac),
            ),
        )

    def _onvif_facts(self) -> OnvifFacts:
        return OnvifFacts(
            manufacturer="AXIS",
            hardware_id=self.traits.hardware_id,
            realm=self.realm,
            snapshot_path="/axis-cgi/jpg/image.cgi",
            firmware=lambda: self.state.firmware,
            scopes=self._scopes,
        )

    def _scopes(self) -> Scopes:
        return Scopes(f"AXIS {self.state.model}", self.state.model, "")

    def _upnp(self, network: Network) -> ssdp.UpnpDevice:
        return ssdp.UpnpDevice(
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, self.state.mac)),
            device_type="urn:schemas-upnp-org:device:Basic:1",
            friendly_name=f"AXIS {self.state.model} - {self.state.serial}",
            manufacturer="AXIS",
            model_name=f"AXIS {self.state.model}",
            model_number=self.state.model,
            serial=self.state.serial,
            address=network.address,
            server="Linux UPnP/1.0 Portable SDK for UPnP devices",
        )
