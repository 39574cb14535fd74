"""What distinguishes one Hikvision-built model and firmware from another."""

import enum
import re
from dataclasses import dataclass
from datetime import date

HIKVISION_NAMESPACE = "http://www.hikvision.com/ver20/XMLSchema"
NEUTRAL_NAMESPACE = "http://www.isapi.org/ver20/XMLSchema"
ODD_NAMESPACE = "http://www.std-cgi.com/ver20/XMLSchema"

_VERSION = re.compile(r"V?(\d+)\.(\d+)\.(\d+)")


class UpgradeForm(enum.Enum):
    """How `/ISAPI/System/updateFirmware` wants the image; it differs by family."""

    POST_RAW = "post-raw"
    PUT_RAW = "put-raw"
    PUT_MULTIPART = "put-multipart"

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return "POST" if self is UpgradeForm.POST_RAW else "PUT"


@dataclass(frozen=True)
class HikvisionTraits:
    """Fixed facts of a model."""

    brand: str = "HIKVISION"
    """On its web page and in WS-Discovery."""
    manufacturer: str = "hikvision"
    """In deviceInfo; empty on neutral devices."""
    oem_code: int = 1
    platform: str = "G5"
    """Family key in `firmwareVersionInfo`; empty where that field is missing."""
    namespace: str = HIKVISION_NAMESPACE
    device_type: str = "IPCamera"
    """IPCamera, IPDome, NVR or DVR."""
    hardware_version: str = "0x0"
    server: str = "App-webs/"
    language: int = 1
    """Of the images it takes: 1 English, 2 Chinese."""
    device_class: int = 2
    """Of the images it takes: 2 is a network camera."""
    upgrade_form: UpgradeForm = UpgradeForm.POST_RAW
    reboots_itself: bool = False
    """After writing; otherwise it waits for `PUT /ISAPI/System/reboot`."""
    breaks_connections_while_writing: bool = True
    oldest_build: date | None = None
    """It refuses images built earlier, as later firmware of some families does."""
    onvif: bool | None = None
    """Whether ONVIF is switched on; None is as delivered: on before V5.5, off since."""
    upnp: bool = True
    recognitions: tuple[str, ...] = ("isSupportFaceDetect", "isSupportLineDetection")
    """What `Smart/capabilities` says that it has."""
    channel_addresses: tuple[str, ...] = ()
    """Of a recorder: the cameras it records, by channel."""
    unescaped_ampersand: bool = False
    """It writes `&` as it is into SADP answers."""

    @property
    def is_recorder(self) -> bool:
        """Return whether it is an NVR or DVR."""
        return self.device_type in {"NVR", "DVR"}


def version_numbers(firmware: str) -> tuple[int, ...]:
    """Return the numbers of `V5.5.6`, for comparing generations; empty if it has another form."""
    match = _VERSION.match(firmware)
    return tuple(int(number) for number in match.groups()) if match else ()


def build_number(build: date) -> str:
    """Return a build date the way Hikvision writes it: `180326`."""
    return build.strftime("%y%m%d")
