"""What was seen of a device, and who it is taken to be.

Evidence keeps its source and weight; conflicts stay in the list. "Unknown" is a verdict.
"""

import enum

import msgspec

from bartizan.hardening.model import Hardening
from bartizan.ids import Address, DeviceId, Mac


class Kind(enum.Enum):
    """What sort of thing answers at an address."""

    CAMERA = "camera"
    RECORDER = "recorder"
    OTHER = "other"
    UNKNOWN = "unknown"


class Fact(enum.Enum):
    """What a piece of evidence speaks about."""

    MAKER = "maker"
    BRAND = "brand"
    KIND = "kind"
    MODEL = "model"
    FIRMWARE = "firmware"
    BUILD_DATE = "build-date"
    HARDWARE = "hardware"
    PLATFORM = "platform"
    """The firmware family key: which image the unit takes."""
    SERIAL = "serial"
    MAC = "mac"
    UUID = "uuid"
    OEM_CODE = "oem-code"
    FACTORY_STATE = "factory-state"
    SERVER = "server"
    """What a server calls itself. This and the facts below say nothing by themselves; fingerprints read them."""
    REALM = "realm"
    """What a server asks a login for."""
    TITLE = "title"
    """Of its first page."""
    FAVICON = "favicon"
    """MD5 of the icon of its pages, in hexadecimal."""
    SUBJECT = "subject"
    """Of its TLS certificate: organisation and common name."""
    DEVICE_TYPE = "device-type"
    """Of its UPnP description."""
    VENDOR_CLASS = "vendor-class"
    """DHCP option 60."""
    GREETING = "greeting"
    """The first octets that a port sends unasked, in hexadecimal."""
    SSH = "ssh"
    """`on` or `off`, like the other switches below: settings that hardening looks at."""
    TELNET = "telnet"
    UPNP = "upnp"
    VENDOR_CLOUD = "vendor-cloud"
    VENDOR_UPDATES = "vendor-updates"
    """Whether it installs firmware from its maker's cloud by itself."""
    PLAIN_HTTP = "plain-http"
    """Whether it serves pages without encryption, and not only a redirection."""
    ONVIF = "onvif"
    ONVIF_WITHOUT_LOGIN = "onvif-without-login"
    TIME_SOURCE = "time-source"
    """`NTP <server>`, or another word for another way."""
    RESOLUTION = "resolution"
    """Of its main stream, `1920x1080`."""
    ANALYTICS = "analytics"
    """A recognition of people that it offers."""
    DEFAULT_PASSWORD = "default-password"  # noqa: S105 - the name of a fact
    """Whether its maker's default password was `accepted` or `refused`."""


class Source(enum.Enum):
    """Where a piece of evidence came from."""

    SADP = "sadp"
    WS_DISCOVERY = "ws-discovery"
    DHDISCOVER = "dhdiscover"
    MDNS = "mdns"
    SSDP = "ssdp"
    HANWHA = "hanwha"
    BOSCH = "bosch"
    VIVOTEK = "vivotek"
    SONY = "sony"
    FOSCAM = "foscam"
    PANASONIC = "panasonic"
    UBIQUITI = "ubiquiti"
    VISION360 = "360vision"
    VSTARCAM = "vstarcam"
    NICEVISION = "nice"
    EDEN = "eden"
    OUI = "oui"
    NEIGHBOUR = "neighbour"
    HTTP = "http"
    RTSP = "rtsp"
    TLS = "tls"
    DHCP = "dhcp"
    PORT = "port"
    """A TCP port, by its being open or closed."""
    CONTROL_PORT = "control-port"
    """A vendor's control port that greets, TCP 8000."""
    ISAPI = "isapi"
    DAHUA_CGI = "dahua-cgi"
    VAPIX = "vapix"
    SUNAPI = "sunapi"
    LAPI = "lapi"
    TVT = "tvt"
    """TVT's own interface."""
    ONVIF = "onvif"
    OPERATOR = "operator"


class Evidence(msgspec.Struct, frozen=True, order=True):
    """One statement about a device. `weight` is 0 to 100: how much this source is worth for this fact."""

    fact: Fact
    value: str
    source: Source
    weight: int
    detail: str = ""
    """The field or header it was read from, for people."""


class Observation(msgspec.Struct, frozen=True):
    """All that one look at one device gave, before any judgement."""

    interface: str
    addresses: tuple[Address, ...]
    mac: Mac | None = None
    open_ports: tuple[int, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    problems: tuple[str, ...] = ()
    """What went wrong while looking (a silent port, rubbish in an answer), in words."""


class Identity(msgspec.Struct, frozen=True):
    """Who the device is taken to be. Empty text means unknown."""

    maker: str = ""
    """Identifier of the maker in `makers.yaml`: who really built it."""
    brand: str = ""
    kind: Kind = Kind.UNKNOWN
    model: str = ""
    firmware: str = ""
    build_date: str = ""
    """ISO 8601 date of the firmware's build, where the vendor gives one."""
    hardware: str = ""
    platform: str = ""
    serial: str = ""
    lineage: str = ""
    """How the maker is known where the badge says otherwise, for people."""
    confidence: int = 0
    """0 to 100, for the maker."""
    reasons: tuple[str, ...] = ()
    known_by: tuple[str, ...] = ()
    """What names the maker, strongest first (`ISAPI OEMCode`, `OUI`), for explanations."""


class RecorderChannel(msgspec.Struct, frozen=True):
    """One channel of a recorder, and the camera behind it. What the recorder does not say is empty."""

    number: int
    """As people see it: the first is 1."""
    camera: str = ""
    """Identifier of the device of this site that is recorded there; empty where no known device is that camera."""
    tied_by: str = ""
    """What the two agree in: `serial`, `MAC` or `address`."""
    address: str = ""
    serial: str = ""
    mac: str = ""


class Device(msgspec.Struct, frozen=True):
    """One device of a site as its gateway knows it."""

    id: DeviceId
    identity: Identity
    interface: str
    macs: tuple[Mac, ...] = ()
    addresses: tuple[Address, ...] = ()
    first_seen: float = 0.0
    """Unix seconds, by the gateway's clock."""
    last_seen: float = 0.0
    vulnerabilities: tuple[str, ...] = ()
    """Identifiers of advisories that the firmware is known to be open to."""
    undecided: tuple[str, ...] = ()
    """Identifiers of advisories that it may be open to: its version, build date or model does not tell."""
    driver: str = ""
    """Which driver speaks to it; empty where none does."""
    problems: tuple[str, ...] = ()
    hardening: Hardening = Hardening()
    channels: tuple[RecorderChannel, ...] = ()
    """Of a recorder: what it records, by its own word when it was read last."""
    lost: bool = False
    """Whether it has not been seen for so long that it counts as gone. What was known of it is kept."""
