"""The agent's configuration: one frozen value, read once from one TOML file. Unknown keys are errors.

The file says where the gateway stands and what it may use up. What it must enforce comes signed, never from here.
"""

import enum
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from bartizan.ids import Address, Network, SiteId, address, network, slug
from bartizan_agent.errors import BadSettings, NotEnrolled
from bartizan_agent.switches import settings as switch_settings
from bartizan_agent.switches.settings import SwitchSettings

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=30 * 86400)]
Octets = Annotated[int, msgspec.Meta(ge=65536)]
Interface = Annotated[str, msgspec.Meta(pattern=r"\A[^\s/]{1,15}\Z")]  # IFNAMSIZ less its zero


class SegmentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network of cameras, as this gateway reaches it."""

    interface: Interface
    """The interface on which the cameras are, or the port of a bridge; of a VLAN, its sub-interface, as in cam0.20."""
    networks: tuple[Network, ...] = ()
    """Its addresses, CIDR; empty: as the interface is configured."""
    ports_isolated: bool = False
    """Whether the switch keeps its ports apart, so that two cameras cannot meet behind the gateway's back."""


class ControllerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the controller is. Who it is, is pinned by the certificate authority kept at enrolment."""

    broker_host: str
    """MQTT broker: host name or address, as in its certificate."""
    images_url: str
    """Base of the gateway port or a mirror, over mutual TLS: images, and the catalogue where MQTT does not bring it."""
    broker_port: Port = 8883
    """MQTT over TLS."""
    keepalive_seconds: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    """Silence after which the broker is asked whether it is there."""
    session_expiry_seconds: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFE)] = 86400
    """How long the broker keeps messages for a gateway that is away."""
    reconnect_seconds: Seconds = 8.0
    """Connect again within this, at a random moment, and as often while nobody is there."""
    reconnect_seconds_at_most: Seconds = 20.0
    """Where a broker is there and does not serve this gateway, the time doubles up to this."""
    confirm_seconds: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 120.0
    """Where a change of containment may have cut the way to the controller, it must answer within this, or its way is
    let through again."""


class Topology(enum.Enum):
    """How packets of cameras cross this gateway."""

    ROUTER = "router"
    BRIDGE = "bridge"


class ContainmentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this gateway stands between its cameras and everything else."""

    topology: Topology = Topology.ROUTER
    """`router`: it routes, and each segment is an interface of its own. `bridge`: it is a transparent bridge, and each
    segment is a port of that bridge."""
    routers: tuple[Address, ...] = ()
    """Of a bridged link: addresses of its routers and DHCP servers, which cameras must find even when isolated; empty:
    the next hops of this gateway's own routes."""
    self_test_seconds: Annotated[float, msgspec.Meta(ge=0, le=30 * 86400)] = 86400.0
    """Between two self-tests by schedule, give or take a tenth; 0: the agent makes none by itself, after changes
    neither."""
    self_test_after_seconds: Seconds = 30.0
    """After a change of what is enforced, once nothing has changed for so long, and after ten times as long in any
    case."""


class EvidenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is heard of what devices try, beside how many packets to where."""

    headers: bool = True
    """Keep the header of one packet to each destination that a device was kept from; never what it carried."""
    dns_names: bool = True
    """Keep which names devices ask the DNS for, of this gateway or of others that they are kept from. What a camera
    asks for may tell something of people: switch it off where that must not be kept."""


NOTHING_HEARD = EvidenceSettings(headers=False, dns_names=False)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent may use up, and how often it looks."""

    events_octets: Octets = 64 * 1024 * 1024
    """Events kept for a controller that is away; older ones are thinned above this."""
    images_octets: Octets = 1024 * 1024 * 1024
    """Firmware images kept."""
    devices: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 5000
    """Devices listed; beyond this new ones are held at the segment's default, unlisted."""
    updates_at_once: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Cameras being updated at the same time."""
    reads_at_once: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Cameras that are asked, logged in, who they are at the same time; each of them one thing at a time."""
    evidence_seconds: Seconds = 5.0
    """Between two readings of the kernel's counters while they move."""
    evidence_seconds_idle: Seconds = 300.0
    """The same while nothing moves."""
    report_seconds: Seconds = 300.0
    """Counters and times of sight alone make a new report this often at most; changes are reported at once."""
    discovery_seconds: Seconds = 900.0
    """Between two full looks at the segments; new neighbours are noticed at once."""
    switch_seconds: Seconds = 60.0
    """Between two looks at managed switches on which nothing changes."""
    discovery_packets_per_second: Annotated[float, msgspec.Meta(ge=10, le=10_000)] = 2000.0
    """Questions, connections and addresses tried, together: lower it where cameras are behind a slow link."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is configured on one gateway."""

    site: SiteId
    """This gateway's site, as in its certificate."""
    controller: ControllerSettings
    segments: tuple[SegmentSettings, ...]
    limits: Limits = Limits()
    containment: ContainmentSettings = ContainmentSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    switches: tuple[SwitchSettings, ...] = ()


def load(path: Path) -> Settings:
    """Return the settings in a file.

    Raises:
        NotEnrolled: There is no such file.
        BadSettings: It is not readable, not TOML, or has an unknown, missing or impossible entry.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotEnrolled(f"{path} does not exist; enrol this gateway with `bartizan-agent enrol`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} cannot be read; run as root, or give another file with --config") from error
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> Settings:
    """Return the settings in TOML text; `source` is where it came from, for messages.

    Raises:
        BadSettings: As for `load`.
    """
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
        slug(settings.site)
        segments = tuple(_canonical(segment) for segment in settings.segments)
        routers = tuple(address(text) for text in settings.containment.routers)
        switches = switch_settings.check(settings.switches)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise BadSettings(f"{source}: {error}") from error
    if len({segment.interface for segment in segments}) != len(segments):
        raise BadSettings(f"{source}: an interface is named in two [[segments]]; keep one of them")
    containment = msgspec.structs.replace(settings.containment, routers=routers)
    return msgspec.structs.replace(settings, segments=segments, containment=containment, switches=switches)


def _canonical(segment: SegmentSettings) -> SegmentSettings:
    return msgspec.structs.replace(segment, networks=tuple(network(text) for text in segment.networks))


def render(settings: Settings) -> str:
    """Return the file that `load` reads back as these settings, with a comment for each entry."""
    controller, limits = settings.controller, settings.limits
    return "\n".join(
        [
            "# Bartizan agent. Written by `bartizan-agent enrol`; restart the agent after a change.",
            "# What is enforced is not configured here: it comes signed from the controller.",
            "",
            "# This gateway's site, as in its certificate.",
            f"site = {_toml(settings.site)}",
            "",
            "[controller]",
            *_entries(controller, _CONTROLLER_COMMENTS),
            "",
            "[containment]",
            *_entries(settings.containment, _CONTAINMENT_COMMENTS),
            *[line for segment in settings.segments for line in _segment_lines(segment)],
            *[line for switch in settings.switches for line in _switch_lines(switch)],
            "",
            "[evidence]",
            *_entries(settings.evidence, _EVIDENCE_COMMENTS),
            "",
            "[limits]",
            *_entries(limits, _LIMIT_COMMENTS),
            "",
        ]
    )


def _segment_lines(segment: SegmentSettings) -> list[str]:
    return ["", "[[segments]]", *_entries(segment, _SEGMENT_COMMENTS)]


def _switch_lines(switch: SwitchSettings) -> list[str]:
    return ["", "[[switches]]", *_entries(switch, switch_settings.COMMENTS)]


def _entries(struct: msgspec.Struct, comments: dict[str, str]) -> list[str]:
    names = struct.__struct_fields__
    return [line for name in names for line in (f"# {comments[name]}", f"{name} = {_toml(getattr(struct, name))}")]


def _toml(value: object) -> str:
    # JSON's strings, numbers, booleans and arrays of strings are TOML's too.
    return msgspec.json.encode(value).decode()


_CONTROLLER_COMMENTS = {
    "broker_host": "MQTT broker: host name or address, as in its certificate.",
    "images_url": "Where images are fetched from, and the catalogue where MQTT does not bring it; mutual TLS.",
    "broker_port": "MQTT over TLS.",
    "keepalive_seconds": "Silence after which the broker is asked whether it is there.",
    "session_expiry_seconds": "How long the broker keeps messages for this gateway while it is away.",
    "reconnect_seconds": "A lost connection is made again within this, at a random moment; and as often until it is.",
    "reconnect_seconds_at_most": "Where a broker is there and does not serve: twice as long each time, up to this.",
    "confirm_seconds": "A change of containment that may have cut the way to the controller is amended after this.",
}
_CONTAINMENT_COMMENTS = {
    "topology": "router: this gateway routes; bridge: it is a transparent bridge, and each segment is a port of it.",
    "routers": "Of a bridged link: its routers and DHCP servers; empty: the next hops of this gateway's own routes.",
    "self_test_seconds": "Between two self-tests; 0: none is made, after changes neither.",
    "self_test_after_seconds": "Quiet after a change before the block is tested again.",
}
_SEGMENT_COMMENTS = {
    "interface": "The interface on which the cameras are, or the port of the bridge; of a VLAN, as in cam0.20.",
    "networks": "The cameras' networks (CIDR); empty: as the interface is configured.",
    "ports_isolated": "true if the switch keeps its ports apart (port isolation, private VLAN).",
}
_EVIDENCE_COMMENTS = {
    "headers": "Keep the header of a packet to each destination that a device was kept from, never what it carried.",
    "dns_names": "Keep which names devices ask the DNS for; false where that must not be kept.",
}
_LIMIT_COMMENTS = {
    "events_octets": "Events kept while the controller is away; beyond this the least important are thinned.",
    "images_octets": "Firmware images kept on this gateway.",
    "devices": "Devices listed at most; beyond this new ones are held at the segment's default, unlisted.",
    "updates_at_once": "Cameras updated at the same time.",
    "reads_at_once": "Cameras asked, logged in, who they are at the same time; each one thing at a time.",
    "evidence_seconds": "Between two readings of the kernel's counters while they move ...",
    "evidence_seconds_idle": "... and while they do not.",
    "report_seconds": "Counters alone make a new report this often at most; changes are reported at once.",
    "discovery_seconds": "Between two full looks at the segments; new neighbours are noticed at once.",
    "switch_seconds": "Between two looks at managed switches on which nothing changes.",
    "discovery_packets_per_second": "Questions, connections and addresses tried at most; lower it for a slow link.",
}
