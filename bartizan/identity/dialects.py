"""What vendors' own ways of speaking say about who built a device: tables, no judgement."""

import enum
import re

from bartizan.firmware import versions
from bartizan.identity.model import Kind, Source


class Tier(enum.IntEnum):
    """How close evidence is to the silicon. Evidence of a higher tier decides against any amount of a lower one."""

    BADGE = 0
    """What is printed on it or typed into it."""
    ADDRESS = 1
    """Who registered its MAC prefix."""
    ANSWER = 2
    """How its servers introduce themselves."""
    OPERATOR = 3
    """What a person on site declared; it cannot overrule the device's own protocols."""
    PROTOCOL = 4
    """A vendor's own discovery protocol."""
    FIRMWARE = 5
    """A vendor's own interface, or the form of its firmware versions."""


TIERS: dict[Source, Tier] = {
    Source.ISAPI: Tier.FIRMWARE,
    Source.DAHUA_CGI: Tier.FIRMWARE,
    Source.VAPIX: Tier.FIRMWARE,
    Source.SUNAPI: Tier.FIRMWARE,
    Source.LAPI: Tier.FIRMWARE,
    Source.TVT: Tier.FIRMWARE,
    Source.SADP: Tier.PROTOCOL,
    Source.DHDISCOVER: Tier.PROTOCOL,
    Source.HANWHA: Tier.PROTOCOL,
    Source.BOSCH: Tier.PROTOCOL,
    Source.VIVOTEK: Tier.PROTOCOL,
    Source.SONY: Tier.PROTOCOL,
    Source.FOSCAM: Tier.ANSWER,  # others' cameras of the same origin speak it, too
    Source.PANASONIC: Tier.PROTOCOL,
    Source.UBIQUITI: Tier.PROTOCOL,
    Source.VISION360: Tier.PROTOCOL,
    Source.VSTARCAM: Tier.ANSWER,  # sold under many badges
    Source.NICEVISION: Tier.PROTOCOL,
    Source.EDEN: Tier.PROTOCOL,
    Source.OPERATOR: Tier.OPERATOR,
    Source.HTTP: Tier.ANSWER,
    Source.RTSP: Tier.ANSWER,
    Source.TLS: Tier.ANSWER,
    Source.PORT: Tier.ANSWER,
    Source.CONTROL_PORT: Tier.ANSWER,
    Source.MDNS: Tier.ANSWER,
    Source.SSDP: Tier.ANSWER,
    Source.DHCP: Tier.ANSWER,
    Source.WS_DISCOVERY: Tier.ANSWER,
    Source.ONVIF: Tier.ANSWER,
    Source.OUI: Tier.ADDRESS,
    Source.NEIGHBOUR: Tier.ADDRESS,
}

NAMES: dict[Source, str] = {
    Source.ISAPI: "ISAPI",
    Source.DAHUA_CGI: "Dahua CGI",
    Source.VAPIX: "VAPIX",
    Source.SUNAPI: "SUNAPI",
    Source.LAPI: "LAPI",
    Source.TVT: "TVT's interface",
    Source.SADP: "SADP",
    Source.DHDISCOVER: "DHDiscover",
    Source.HANWHA: "Hanwha discovery",
    Source.BOSCH: "Bosch discovery",
    Source.VIVOTEK: "Vivotek discovery",
    Source.SONY: "Sony discovery",
    Source.FOSCAM: "Foscam discovery",
    Source.PANASONIC: "Panasonic discovery",
    Source.UBIQUITI: "Ubiquiti discovery",
    Source.VISION360: "360 Vision discovery",
    Source.VSTARCAM: "VStarcam discovery",
    Source.NICEVISION: "NiceVision discovery",
    Source.EDEN: "Eden Optima discovery",
    Source.OPERATOR: "operator",
    Source.HTTP: "HTTP",
    Source.RTSP: "RTSP",
    Source.TLS: "TLS certificate",
    Source.PORT: "TCP port",
    Source.CONTROL_PORT: "control port",
    Source.MDNS: "mDNS",
    Source.SSDP: "SSDP",
    Source.DHCP: "DHCP",
    Source.WS_DISCOVERY: "WS-Discovery",
    Source.ONVIF: "ONVIF",
    Source.OUI: "OUI",
    Source.NEIGHBOUR: "neighbour table",
}

SPOKEN_BY: dict[Source, tuple[str, int, str]] = {
    Source.ISAPI: (versions.HIKVISION, 90, "ISAPI dialect"),
    Source.DAHUA_CGI: (versions.DAHUA, 90, "Dahua CGI dialect"),
    Source.VAPIX: (versions.AXIS, 90, "VAPIX dialect"),
    Source.SUNAPI: (versions.HANWHA, 90, "SUNAPI dialect"),
    Source.LAPI: (versions.UNIVIEW, 90, "LAPI dialect"),
    Source.SADP: (versions.HIKVISION, 85, "SADP"),
    Source.DHDISCOVER: (versions.DAHUA, 85, "DHDiscover"),
    Source.HANWHA: (versions.HANWHA, 80, "Hanwha discovery"),
    Source.BOSCH: ("bosch", 80, "Bosch discovery"),
    Source.VIVOTEK: ("vivotek", 80, "Vivotek discovery"),
    Source.SONY: ("sony", 80, "Sony discovery"),
    Source.PANASONIC: ("panasonic", 80, "Panasonic discovery"),
    Source.UBIQUITI: ("ubiquiti", 80, "Ubiquiti discovery"),
}
"""Interfaces that only one maker's firmware has: the maker, the weight of hearing it at all, and its name."""

OEM_CODE_WEIGHT = 92
OUI_WEIGHT = 60
BADGE_WEIGHT = 30

NO_BADGE = frozenset(
    {"", "general", "private", "n/a", "none", "null", "unknown", "onvif", "ip camera", "ipcamera", "network camera"}
)
"""What neutral units say in place of a badge."""

GENERIC_MODEL = re.compile(
    r"\A(?:ip[ -]?camera|ip ?dome|ipc|nvr|dvr|camera|network (?:camera|video recorder))\Z", re.IGNORECASE
)

PLACEHOLDER_SERIAL = re.compile(
    r"\A(?:(.)\1*|.{1,3}|0?123456789?0?|n/?a|none|null|unknown|default|serial ?(?:number)?)\Z", re.IGNORECASE
)
"""Serial numbers that whole production runs share, so that they name nothing."""

KIND_WORDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("camera", "ipcamera", "ipc", "ipdome", "ipzoom", "dome", "ptz", "nwc", "networkvideotransmitter"), Kind.CAMERA
    ),
    **dict.fromkeys(("recorder", "nvr", "dvr", "xvr", "hvr", "hcvr", "hybrid"), Kind.RECORDER),
    **dict.fromkeys(("unknown", ""), Kind.UNKNOWN),
}
"""What sources call kinds; any other word (printer, switch, phone) is some other thing."""
