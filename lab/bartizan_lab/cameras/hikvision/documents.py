"""The XML documents of ISAPI, filled from one device."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from xml.sax.saxutils import escape

from bartizan_lab.cameras.access import Denied
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.faults import Fault, Spelling
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.hikvision.traits import ODD_NAMESPACE, HikvisionTraits, build_number
from bartizan_lab.cameras.onvif.camera import endpoint_of
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.xmltext import document, element, fields

STATUS_TEXT: Mapping[int, str] = MappingProxyType(
    {
        1: "OK",
        2: "Device Busy",
        3: "Device Error",
        4: "Invalid Operation",
        5: "Invalid XML Format",
        6: "Invalid XML Content",
        7: "Reboot Required",
    }
)

SWITCHES = ("SSH", "telnet", "EZVIZ", "UPnP", "Bonjour", "SNMP", "DDNS")
"""Resources below /ISAPI/System/Network that say whether a service is on."""


@dataclass(frozen=True)
class Status:
    """What a `ResponseStatus` says."""

    code: int
    sub_code: str


OK = Status(1, "ok")

_SPELLING = Spelling(odd=("1", "flase"))


class Documents:
    """Renders ISAPI documents for one device."""

    def __init__(self, camera: Camera, traits: HikvisionTraits, onvif_is_on: Callable[[], bool]) -> None:
        self._camera = camera
        self._traits = traits
        self._onvif_is_on = onvif_is_on

    def response_status(self, url: str, status: Status) -> bytes:
        """Return the document that says how a request ended."""
        pairs = (
            ("requestURL", url),
            ("statusCode", str(status.code)),
            ("statusString", STATUS_TEXT[status.code]),
            ("subStatusCode", status.sub_code),
        )
        return self._root("ResponseStatus", fields(pairs))

    def device_info(self) -> bytes:
        """Return `/ISAPI/System/deviceInfo`."""
        return self._root("DeviceInfo", fields((*self._naming(), *self._versions(), *self._marks())))

    def device_status(self) -> bytes:
        """Return `/ISAPI/System/status`."""
        pairs = (
            ("currentDeviceTime", self._camera.now().isoformat(timespec="seconds")),
            ("deviceUpTime", str(int(self._camera.uptime_seconds))),
        )
        return self._root("DeviceStatus", fields(pairs))

    def time(self) -> bytes:
        """Return `/ISAPI/System/time`."""
        local = self._camera.now().isoformat(timespec="seconds")
        return self._root("Time", fields((("timeMode", "NTP"), ("localTime", local), ("timeZone", "CST-0:00:00"))))

    def time_servers(self) -> bytes:
        """Return `/ISAPI/System/time/ntpServers`: as delivered, one on the internet."""
        naming = (
            ("id", "1"),
            ("addressingFormatType", "hostname"),
            ("hostName", "time.windows.com"),
            ("portNo", "123"),
        )
        return self._root("NTPServerList", element("NTPServer", fields(naming)))

    def smart_capabilities(self) -> bytes:
        """Return `/ISAPI/Smart/capabilities`: which recognitions the model has."""
        names = ("isSupportFaceDetect", "isSupportLineDetection", "isSupportPeopleDetection")
        return self._root("SmartCap", fields((name, self._flag(name in self._traits.recognitions)) for name in names))

    def channels(self, streams: StreamProfile) -> bytes:
        """Return `/ISAPI/Streaming/channels`."""
        return self._root("StreamingChannelList", "".join(self._channel(path, streams) for path in streams.paths))

    def upgrade_status(self) -> bytes:
        """Return `/ISAPI/System/upgradeStatus`."""
        writing = self._camera.flash_state is FlashState.WRITING
        pairs = (("upgrading", self._flag(writing)), ("percent", str(self._camera.flash_percent)))
        return self._root("upgradeStatus", fields(pairs))

    def switch(self, name: str) -> bytes:
        """Return one of `SWITCHES`: as delivered, UPnP and EZVIZ are on."""
        telnet = Fault.TELNET in self._camera.state.faults
        is_on = {"UPnP": self._traits.upnp, "EZVIZ": True, "telnet": telnet}.get(name, False)
        return self._root(name, fields((("enabled", self._flag(is_on)),)))

    def integration(self) -> bytes:
        """Return `/ISAPI/System/Network/Integrate`: ONVIF and CGI."""
        onvif = element("ONVIF", fields((("enable", self._flag(self._onvif_is_on())),)))
        cgi = element("CGI", fields((("enable", self._flag(True)),)))
        return self._root("Integrate", onvif + cgi)

    def user_check(self, denied: Denied | None) -> bytes:
        """Return `/ISAPI/Security/userCheck`, which tells how many attempts are left."""
        if denied is None:
            return self._root("userCheck", fields((("statusValue", "200"), ("statusString", "OK"))))
        pairs = (
            ("statusValue", "401"),
            ("statusString", "Unauthorized"),
            ("isActivated", self._flag(not self._camera.state.factory_state)),
            ("lockStatus", "lock" if denied.locked else "unlock"),
            ("unlockTime", str(int(denied.unlock_seconds))),
            ("retryLoginTime", str(denied.attempts_left or 0)),
        )
        return self._root("userCheck", fields(pairs))

    def input_channels(self) -> bytes:
        """Return `/ISAPI/ContentMgmt/InputProxy/channels`: the cameras a recorder records."""
        channels = "".join(
            element(
                "InputProxyChannel",
                fields((("id", str(number)), ("name", f"Camera {number:02}")))
                + element(
                    "sourceInputPortDescriptor", fields((("proxyProtocol", "HIKVISION"), ("ipAddress", address)))
                ),
            )
            for number, address in enumerate(self._traits.channel_addresses, start=1)
        )
        return self._root("InputProxyChannelList", channels)

    def input_channel_status(self) -> bytes:
        """Return `/ISAPI/ContentMgmt/InputProxy/channels/status`."""
        channels = "".join(
            element("InputProxyChannelStatus", fields((("id", str(number)), ("online", self._flag(True)))))
            for number, _ in enumerate(self._traits.channel_addresses, start=1)
        )
        return self._root("InputProxyChannelStatusList", channels)

    def _naming(self) -> Iterator[tuple[str, str]]:
        state, traits = self._camera.state, self._traits
        yield "deviceName", "Network Video Recorder" if traits.is_recorder else "IP CAMERA"
        yield "deviceID", endpoint_of(state).removeprefix("urn:uuid:")
        yield "deviceDescription", traits.device_type
        yield "deviceLocation", "hangzhou"
        yield "systemContact", "Hikvision.China"
        yield "model", state.model
        yield "serialNumber", state.serial
        yield "macAddress", state.mac

    def _versions(self) -> Iterator[tuple[str, str]]:
        state, traits = self._camera.state, self._traits
        yield "firmwareVersion", state.firmware
        yield "firmwareReleasedDate", f"build {build_number(state.build)}"
        yield "encoderVersion", "V7.3"
        yield "encoderReleasedDate", f"build {build_number(state.build)}"
        yield "bootVersion", "V1.3.4"
        yield "bootReleasedDate", "100316"
        yield "hardwareVersion", traits.hardware_version
        yield "deviceType", traits.device_type
        if traits.platform and not traits.is_recorder:
            yield "firmwareVersionInfo", f"B-R-{traits.platform}-0"

    def _marks(self) -> Iterator[tuple[str, str]]:
        traits = self._traits
        booted = self._camera.now() - timedelta(seconds=self._camera.uptime_seconds)
        yield "telecontrolID", "88"
        yield "supportBeep", self._flag(False)
        yield "supportVideoLoss", self._flag(False)
        yield "manufacturer", traits.manufacturer
        yield "subSerialNumber", self._camera.state.serial[-9:]
        yield "OEMCode", str(traits.oem_code)
        yield "bootTime", booted.isoformat(timespec="seconds")

    def _channel(self, path: str, streams: StreamProfile) -> str:
        video = (
            ("enabled", self._flag(True)),
            ("videoCodecType", f"{streams.codec[0]}.{streams.codec[1:]}"),
            ("videoResolutionWidth", str(streams.width)),
            ("videoResolutionHeight", str(streams.height)),
            ("maxFrameRate", str(streams.frames_per_second * 100)),
        )
        identity = fields((("id", path.rpartition("/")[2]), ("enabled", self._flag(True))))
        return element("StreamingChannel", identity + element("Video", fields(video)))

    def _root(self, name: str, content: str) -> bytes:
        odd = Fault.NAMESPACE_ODD in self._camera.state.faults
        namespace = ODD_NAMESPACE if odd else self._traits.namespace
        return document(f'<{name} version="2.0" xmlns="{escape(namespace)}">\n{content}</{name}>\n')

    def _flag(self, value: bool) -> str:  # noqa: FBT001 - renders a boolean
        return _SPELLING.of(value, self._camera.state.faults)


def _input_channel(number: int, address: str) -> str:
    source = fields((("proxyProtocol", "HIKVISION"), ("ipAddress", address)))
    naming = fields((("id", str(number)), ("name", f"Camera {number:02}")))
    return element("InputProxyChannel", naming + element("sourceInputPortDescriptor", source))
