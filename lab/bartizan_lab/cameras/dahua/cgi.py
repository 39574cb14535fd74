"""Dahua's CGI: `key=value` lines behind digest authentication."""

from collections.abc import Callable, Mapping

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera, Installed
from bartizan_lab.cameras.dahua.traits import DahuaTraits
from bartizan_lab.cameras.faults import Fault, Spelling
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.images import DahuaImage, NotFirmware
from bartizan_lab.cameras.multipart import NotMultipart, Part, parts
from bartizan_lab.cameras.onvif.pages import OnvifPages
from bartizan_lab.cameras.picture import grey_picture
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.ssdp import PATH as UPNP_PATH
from bartizan_lab.cameras.ssdp import UpnpDevice
from bartizan_lab.cameras.web import HTML, JPEG, OCTETS, TEXT, XML, Request, Response

FIELDS = ("firmware", "upgrade", "file")
"""Names under which different clients upload an image; all are taken."""

_SPELLING = Spelling(odd=("1", "flase"))
_Page = Callable[[Request], Response]
_STATES: Mapping[FlashState | None, str] = {
    None: "Preparing",
    FlashState.WRITING: "Upgrading",
    FlashState.DONE: "Succeeded",
    FlashState.FAILED: "Failed",
}


class DahuaCgi:
    """The web server of one device."""

    def __init__(
        self,
        camera: Camera,
        traits: DahuaTraits,
        streams: StreamProfile,
        realm: str,
        *,
        upnp: UpnpDevice | None,
        onvif: OnvifPages | None,
    ) -> None:
        self._camera = camera
        self._traits = traits
        self._streams = streams
        self._realm = realm
        self._upnp = upnp
        self._onvif = onvif
        self._refused_image = False
        """The last upload was turned down: getState says so until the next one."""
        self._pages: Mapping[tuple[str, str], _Page] = {
            ("magicBox.cgi", "getSystemInfo"): lambda _: _lines(self._system_info()),
            ("magicBox.cgi", "getDeviceType"): lambda _: _lines({"type": self._device_type()}),
            ("magicBox.cgi", "getSoftwareVersion"): lambda _: _lines({"version": self._software_version()}),
            ("magicBox.cgi", "getMachineName"): lambda _: _lines({"name": traits.machine_name}),
            ("magicBox.cgi", "getSerialNo"): lambda _: _lines({"sn": camera.state.serial}),
            ("magicBox.cgi", "getVendor"): lambda _: _lines({"vendor": traits.vendor}),
            ("magicBox.cgi", "getHardwareVersion"): lambda _: _lines({"version": traits.hardware_version}),
            ("magicBox.cgi", "reboot"): self._reboot,
            ("IntervideoManager.cgi", "getVersion"): self._interface_version,
            ("global.cgi", "getCurrentTime"): lambda _: _lines({"result": f"{camera.now():%Y-%m-%d %H:%M:%S}"}),
            ("configManager.cgi", "getConfig"): self._configuration,
            ("Config.backup", "All"): lambda _: Response(200, self._backup(), OCTETS),
            ("upgrader.cgi", "uploadFirmware"): self._upload,
            ("upgrader.cgi", "getState"): lambda _: self._upgrade_state(),
        }

    def admit(self, request: Request) -> Response | None:
        """See `WebSite`."""
        if not request.path.startswith("/cgi-bin/"):
            return None
        attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
        verdict = self._camera.authorise(attempt, self._realm)
        if isinstance(verdict, Allowed):
            return None
        if verdict.locked:
            return Response(403, b"Error\r\nUser is locked\r\n")
        return Response(401, b"Error\r\nInvalid Authority!\r\n", headers=(("WWW-Authenticate", verdict.challenge),))

    def answer(self, request: Request) -> Response:
        """See `WebSite`."""
        if self._onvif is not None and self._onvif.answers(request):
            return self._onvif.answer(request)
        if not request.path.startswith("/cgi-bin/"):
            return self._open_page(request)
        program = request.path.removeprefix("/cgi-bin/")
        if program == "snapshot.cgi":
            return self._picture()
        action = request.query.get("action", "")
        page = self._pages.get((program, action))
        if page is not None:
            return page(request)
        if action.startswith(("set", "restore", "factory", "update", "shutdown")):
            self._camera.state.meddling.append(f"CGI {program} {action} from {request.source}")
        return Response(400, b"Error\r\nBad Request!\r\n")

    def _open_page(self, request: Request) -> Response:
        if request.path == UPNP_PATH and self._upnp is not None:
            return Response(200, self._upnp.description(), XML)
        if request.path == "/":
            return Response(200, b"<html><head><title>WEB SERVICE</title></head></html>", HTML)
        return Response(404)

    def _system_info(self) -> Mapping[str, str]:
        traits = self._traits
        if traits.sparse_system_info:
            return {"deviceType": "31", "processor": traits.processor, "updateSerial": traits.family}
        return {
            "deviceType": self._camera.state.model,
            "hardwareVersion": traits.hardware_version,
            "processor": traits.processor,
            "serialNumber": self._camera.state.serial,
            "updateSerial": traits.family,
            "updateSerialCloudUpgrade": f"{traits.family}:{traits.processor}",
        }

    def _device_type(self) -> str:
        return "IP Camera" if self._traits.generic_type else self._camera.state.model

    def _software_version(self) -> str:
        separator = ", " if self._traits.space_before_build else ","
        return f"{self._camera.state.firmware}{separator}build:{self._camera.state.build.isoformat()}"

    def _interface_version(self, request: Request) -> Response:
        versions = {"CGI": "3.0", "Onvif": "2.4.6" if self._traits.onvif else ""}
        return _lines({"version": versions.get(request.query.get("Name", ""), "")})

    def _configuration(self, request: Request) -> Response:
        tables = self._tables()
        name = request.query.get("name", "")
        wanted = tables if name == "All" else {key: tables[key] for key in tables if key == name}
        if not wanted:
            return Response(400, b"Error\r\nBad Request!\r\n")
        return _lines({key: value for table in wanted.values() for key, value in table.items()})

    def _tables(self) -> Mapping[str, Mapping[str, str]]:
        off = self._flag(False)
        video = "table.Encode[0].MainFormat[0].Video"
        return {
            "General": {"table.General.MachineName": self._traits.machine_name},
            "AutoUpgrade": {"table.AutoUpgrade.Enable": off},
            "CloudUpgrade": {"table.CloudUpgrade.Enable": self._flag(True)},
            "T2UServer": {"table.T2UServer.Enable": self._flag(True)},
            "SSHD": {"table.SSHD.Enable": off},
            "Telnet": {"table.Telnet.Enable": self._flag(Fault.TELNET in self._camera.state.faults)},
            "NTP": {
                "table.NTP.Enable": self._flag(True),
                "table.NTP.Address": "0.pool.ntp.org",
                "table.NTP.Port": "123",
            },
            "VideoAnalyseGlobal": {"table.VideoAnalyseGlobal[0].Scene.Type": self._traits.scene},
            "UPnP": {"table.UPnP.Enable": self._flag(self._traits.upnp)},
            "RemoteDevice": self._remote_devices(),
            "Encode": {
                f"{video}.Compression": f"{self._streams.codec[0]}.{self._streams.codec[1:]}",
                f"{video}.Width": str(self._streams.width),
                f"{video}.Height": str(self._streams.height),
            },
        }

    def _remote_devices(self) -> Mapping[str, str]:
        """What a recorder records, with the logins that stand there too."""
        lines: dict[str, str] = {}
        for number, address in enumerate(self._traits.channel_addresses):
            camera = f"table.RemoteDevice.uuid:System_CONFIG_NETCAMERA_INFO_{number}"
            lines |= {
                f"{camera}.Address": address,
                f"{camera}.Enable": self._flag(True),
                f"{camera}.HttpPort": "80",
                f"{camera}.Mac": f"3c:ef:8c:00:01:{number:02x}",
                f"{camera}.Password": "******",
                f"{camera}.SerialNo": f"5A04B5FPAG{number:05}",
                f"{camera}.UserName": "admin",
            }
        return lines

    def _backup(self) -> bytes:
        state = self._camera.state
        lines = {"Model": state.model, "Version": state.firmware, "SerialNo": state.serial}
        return _lines(lines).body + b"".join(_lines(table).body for table in self._tables().values())

    def _picture(self) -> Response:
        if not self._camera.has_settled:
            return Response(500, b"Error\r\n")
        return Response(200, grey_picture(self._streams.width, self._streams.height), JPEG)

    def _reboot(self, _: Request) -> Response:
        self._camera.reboot()
        return Response(200, b"OK\r\n")

    def _upload(self, request: Request) -> Response:
        if request.method != "POST" or self._camera.flash_state is FlashState.WRITING:
            return Response(400, b"Error\r\nBad Request!\r\n")
        image = self._examined(request)
        self._refused_image = image is None
        if image is None:
            return Response(400, b"Error\r\nInvalid firmware!\r\n")
        if self._traits.reboots_itself and Fault.UPGRADE_FAILS_MIDWAY not in self._camera.state.faults:
            self._camera.begin_flash_and_reboot(image)
        else:
            self._camera.begin_flash(image)
        return Response(200, b"OK\r\n")

    def _examined(self, request: Request) -> Installed | None:
        try:
            image = DahuaImage.unpack(_image_part(request).content)
        except (NotFirmware, NotMultipart):
            return None
        if image.family != self._traits.family or Fault.REFUSES_IMAGE in self._camera.state.faults:
            return None
        return Installed(image.version, image.build)

    def _upgrade_state(self) -> Response:
        state = "Invalid" if self._refused_image else _STATES[self._camera.flash_state]
        percent = self._camera.flash_percent
        progress = bytes([percent]) if self._traits.progress_as_octet else str(percent).encode()
        return Response(200, f"State={state}\r\nProgress=".encode() + progress + b"\r\n", TEXT)

    def _flag(self, value: bool) -> str:  # noqa: FBT001 - renders a boolean
        return _SPELLING.of(value, self._camera.state.faults)


def _lines(pairs: Mapping[str, str]) -> Response:
    return Response(200, "".join(f"{key}={value}\r\n" for key, value in pairs.items()).encode(), TEXT)


def _image_part(request: Request) -> Part:
    for part in parts(request.headers.get("content-type", ""), request.body):
        if part.name in FIELDS:
            return part
    raise NotMultipart(f"no part is called one of {', '.join(FIELDS)}")
