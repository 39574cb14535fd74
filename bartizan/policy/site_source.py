"""Facts of sites as people write them, in YAML, read into the model."""

import enum
import re

from msgspec import UNSET

from bartizan.containment.level import Level
from bartizan.ids import Network, OrganisationId, SiteId, address, network
from bartizan.policy.document import Mapping, Node, Place, read_document
from bartizan.policy.fields import Faults, Fields, items, text_of
from bartizan.policy.model import SegmentFacts, Sensitivity, SiteFacts

SITE_FIELDS = (
    "site",
    "organisation",
    "sensitivity",
    "tags",
    "timezone",
    "estate-networks",
    "recorders",
    "segments",
    "device-tags",
    "default-password-check",
    "standby-for",
)
SEGMENT_FIELDS = ("interface", "zone", "default-level")

_TIMEZONE = re.compile(r"\A(?:UTC|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+){1,2})\Z")
_INTERFACE = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}\Z")
_WIDEST = {4: 8, 6: 7}
"""The shortest prefixes accepted as an estate's own: 10.0.0.0/8 and fc00::/7 are the widest private networks."""


class Switch(enum.Enum):
    """Whether something is done at a site."""

    ON = "on"
    OFF = "off"


def read_sites(text: str, file: str) -> tuple[SiteFacts, ...]:
    """Return the sites in a YAML document (`sites:` and a list).

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "document", ("sites",))
    listed = fields.required("sites")
    nodes = items(listed, faults, "sites") if listed else ()
    sites: dict[SiteId, SiteFacts] = {}
    for node in nodes:
        site = _site(node, faults)
        if site.id and site.id in sites:
            faults.add(node.place, f"site {site.id!r} stands twice")
        sites[site.id] = site
    faults.finish()
    return tuple(sites.values())


def _site(node: Node, faults: Faults) -> SiteFacts:
    fields = Fields(node, faults, "site", SITE_FIELDS)
    tags = fields.node("device-tags")
    return SiteFacts(
        id=SiteId(fields.name("site")),
        organisation=OrganisationId(fields.name("organisation")),
        sensitivity=fields.choice("sensitivity", Sensitivity, Sensitivity.SENSITIVE),
        tags=fields.texts("tags"),
        timezone=_timezone(fields),
        estate_networks=fields.converted("estate-networks", _estate_network),
        recorders=fields.converted("recorders", address),
        segments=_segments(fields),
        device_tags=_device_tags(tags, faults) if tags else {},
        default_password_check=fields.choice("default-password-check", Switch, Switch.OFF) is Switch.ON,
        standby_for=SiteId(fields.name("standby-for")) if fields.node("standby-for") else UNSET,
    )


def _timezone(fields: Fields) -> str:
    name = fields.text("timezone", "Europe/London")
    if not _TIMEZONE.match(name):
        fields.faults.add(fields.place_of("timezone"), f"{name!r} is no time zone: write Europe/London or UTC")
    return name


def _estate_network(text: str) -> Network:
    """Return a network that may be an estate's own: one that holds half the Internet would undo `block-egress`."""
    found = network(text)
    version, prefix = (6 if ":" in found else 4), int(found.rpartition("/")[2])
    if prefix < _WIDEST[version]:
        raise ValueError(f"{text!r} is too wide to be an estate's own: block-egress would let everything pass")
    return found


def _segments(fields: Fields) -> tuple[SegmentFacts, ...]:
    node = fields.node("segments")
    if node is None:
        return ()
    segments: dict[str, SegmentFacts] = {}
    for item in items(node, fields.faults, "segments"):
        segment, place = _segment(item, fields.faults)
        if segment.interface and segment.interface in segments:
            fields.faults.add(place, f"interface {segment.interface!r} stands twice")
        segments[segment.interface] = segment
    return tuple(segments.values())


def _segment(node: Node, faults: Faults) -> tuple[SegmentFacts, Place]:
    fields = Fields(node, faults, "segment", SEGMENT_FIELDS)
    interface = fields.text("interface")
    if interface and not _INTERFACE.match(interface):
        faults.add(
            fields.place_of("interface"), f"{interface!r} is no interface: 15 characters at most, such as eth1.20"
        )
    level = fields.choice("default-level", Level, Level.ISOLATE)
    return SegmentFacts(interface, fields.text("zone", ""), level), node.place


def _device_tags(node: Node, faults: Faults) -> dict[str, tuple[str, ...]]:
    if not isinstance(node, Mapping):
        faults.add(node.place, "device-tags must be a mapping of device ids to lists of tags")
        return {}
    tags: dict[str, tuple[str, ...]] = {}
    for key, value in node.entries:
        if key.text in tags:
            faults.add(key.place, f"device {key.text!r} stands twice")
        found = (text_of(item, faults, "a tag") for item in items(value, faults, f"the tags of {key.text}"))
        tags[key.text] = tuple(dict.fromkeys(found))
    return tags
