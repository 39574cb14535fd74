"""SADP: Hikvision's discovery, XML over UDP 37020."""

from collections.abc import Iterator
from datetime import timedelta
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.faults import Spelling
from bartizan_lab.cameras.hikvision.traits import HikvisionTraits, build_number, version_numbers
from bartizan_lab.cameras.xmltext import document, element, fields
from bartizan_lab.network import Network

PORT = 37020
GROUP = "239.255.255.250"

_SPELLING = Spelling()
_INQUIRIES = frozenset({"inquiry", "inquiry_v32"})
_ANSWERS_UNICAST_SINCE = (5, 7, 0)
"""Older firmware answers to the group, so that only who has joined it hears."""


class Sadp:
    """Answers inquiries for one device. Whatever else SADP can ask would change the device: noted, never done."""

    def __init__(self, camera: Camera, traits: HikvisionTraits, network: Network) -> None:
        self._camera = camera
        self._traits = traits
        self._network = network

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer an inquiry."""
        if b"ProbeMatch" in datagram.octets or b"Probematch" in datagram.octets:
            # Another device's answer to the group.
            return
        try:
            probe = fromstring(datagram.octets)
        except (ParseError, DefusedXmlException, ValueError):
            return
        asked = probe.findtext("Types", "").strip()
        if probe.tag != "Probe" or not asked:
            return
        if asked not in _INQUIRIES:
            self._camera.state.meddling.append(f"SADP {asked} from {datagram.peer[0]}")
            return
        unicast = version_numbers(self._camera.state.firmware) >= _ANSWERS_UNICAST_SINCE
        yield Datagram(self._match(probe.findtext("Uuid", ""), asked), datagram.peer if unicast else (GROUP, PORT))

    def _match(self, asked_uuid: str, asked: str) -> bytes:
        answer = fields((("Uuid", asked_uuid), ("Types", asked), *self._identity(), *self._place(), *self._abilities()))
        if self._traits.unescaped_ampersand:
            answer = answer.replace("&amp;", "&")
        root = "ProbeMatch" if asked == "inquiry" else "Probematch"
        return document(element(root, answer))

    def _identity(self) -> Iterator[tuple[str, str]]:
        state = self._camera.state
        yield "DeviceType", "142378" if not self._traits.is_recorder else "79873"
        yield "DeviceDescription", state.model
        yield "DeviceSN", state.serial
        yield "MAC", state.mac.replace(":", "-")
        # No space before `build`: every recorded answer has it so.
        yield "SoftwareVersion", f"{state.firmware}build {build_number(state.build)}"
        yield "DSPVersion", f"V7.3 build {build_number(state.build)}"
        booted = self._camera.now() - timedelta(seconds=self._camera.uptime_seconds)
        yield "BootTime", f"{booted:%Y-%m-%d %H:%M:%S}"
        if self._traits.oem_code != 1:
            yield "OEMInfo", self._traits.brand

    def _place(self) -> Iterator[tuple[str, str]]:
        yield "CommandPort", "8000"
        yield "HttpPort", "80"
        yield "IPv4Address", self._network.address
        yield "IPv4SubnetMask", "255.255.255.0"
        yield "IPv4Gateway", f"{self._network.address.rpartition('.')[0]}.1"
        yield "IPv6Address", self._network.address6 or "::"
        yield "IPv6Gateway", "::"
        yield "IPv6MaskLen", "64"
        yield "DHCP", self._flag(True)

    def _abilities(self) -> Iterator[tuple[str, str]]:
        channels = max(1, len(self._traits.channel_addresses))
        yield "AnalogChannelNum", "0"
        yield "DigitalChannelNum", str(channels)
        yield "Encrypt", self._flag(True)
        # The vendor's own misspelling, in this one field of every firmware.
        yield "ResetAbility", "flase"
        yield "DiskNumber", "1" if self._traits.is_recorder else "0"
        yield "Activated", self._flag(not self._camera.state.factory_state)
        yield "PasswordResetAbility", self._flag(True)
        yield "PasswordResetModeSecond", self._flag(True)
        yield "SupportSecurityQuestion", self._flag(True)
        yield "SupportHCPlatform", self._flag(True)
        yield "HCPlatformEnable", self._flag(False)

    def _flag(self, value: bool) -> str:  # noqa: FBT001 - renders a boolean
        return _SPELLING.of(value, self._camera.state.faults)
