"""The policy model: selectors over facts, rules with duties, waivers, and the verdict they lead to.

People write YAML (`bartizan.policy.source`); what is signed, sent and evaluated is this, as JSON.
Unknown fields are refused everywhere: ignoring a restriction would weaken isolation.
"""

from __future__ import annotations

import enum

import msgspec

from bartizan.containment.level import Level
from bartizan.ids import Address, DeviceId, Network, OrganisationId, PolicyId, SiteId, WaiverId


class Subject(enum.Enum):
    """A fact that a condition may ask about, spelled as in policy documents."""

    MAKER = "maker"
    JURISDICTION = "maker.jurisdiction"
    SUBJECT_TO = "maker.subject-to"
    LISTED_BY = "maker.listed-by"
    CONFIDENCE = "maker.confidence"
    BRAND = "brand"
    KIND = "kind"
    MODEL = "model"
    FIRMWARE = "firmware"
    VULNERABLE_TO = "vulnerable-to"
    KNOWN_EXPLOITED = "known-exploited"
    HARDENING = "hardening-failed"
    FIRST_SEEN = "first-seen"
    DEVICE_TAG = "tag"
    ZONE = "zone"
    SITE = "site"
    SITE_SENSITIVITY = "site.sensitivity"
    SITE_TAG = "site.tag"
    ORGANISATION = "organisation"


class Operator(enum.Enum):
    """How a fact is compared with a condition's values."""

    IS = "is"
    """Equal to one of the values (text, ignoring case)."""
    MATCHES = "matches"
    """Like one of the values, with `*` and `?` as wildcards."""
    AT_LEAST = "at-least"
    AT_MOST = "at-most"
    BEFORE = "before"
    """Earlier than an ISO 8601 date, or an older firmware than a version."""
    AFTER = "after"
    KNOWN = "known"
    """Known at all (`true`) or unknown (`false`)."""


class Condition(msgspec.Struct, frozen=True, tag="fact", forbid_unknown_fields=True):
    """One fact compared with values."""

    subject: Subject
    operator: Operator
    values: tuple[str, ...]


class All(msgspec.Struct, frozen=True, tag="all", forbid_unknown_fields=True):
    """Every part holds."""

    of: tuple[Selector, ...]


class Any(msgspec.Struct, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one part holds."""

    of: tuple[Selector, ...]


class Not(msgspec.Struct, frozen=True, tag="not", forbid_unknown_fields=True):
    """The part does not hold."""

    of: Selector


Selector = Condition | All | Any | Not


class FirmwareDuty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Firmware must be brought up to what the catalogue holds for the model."""

    within_days: int
    """Counted from when the device was first seen open to what the rule names."""


class HardeningDuty(enum.Enum):
    """A setting that a device must have, as in NCSC and vendor hardening guides. Read, never changed.

    Each is the identifier of a check in `bartizan.hardening.checks`.
    """

    NO_DEFAULT_PASSWORD = "no-default-password"  # noqa: S105 - the name of a duty
    NO_VENDOR_CLOUD = "no-vendor-cloud"
    NO_UPNP = "no-upnp"
    NO_TELNET = "no-telnet"
    NO_SSH = "no-ssh"
    HTTPS_ONLY = "https-only"
    ONVIF_LOGIN = "onvif-login"
    TIME_SOURCE = "time-source"
    NO_VENDOR_UPDATES = "no-vendor-updates"
    NO_UNKNOWN_PORTS = "no-unknown-ports"
    RESOLUTION = "resolution-1080p"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """If `when` holds of a device, its duties apply.

    What is not demanded is left out when written, so that programs of an older capability still read the rest.
    """

    name: str
    when: Selector
    because: str
    """The reason in a sentence, as operators and auditors will read it."""
    contain: Level | None = None
    firmware: FirmwareDuty | None = None
    harden: tuple[HardeningDuty, ...] = ()
    starts_at: float | None = None
    """Unix seconds; before that the rule demands nothing. None: it is in force at once."""
    remove_by: float | None = None
    """Unix seconds; by then the device must be gone from the site."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy document. Rules do not shadow each other: the tightest level of all that match wins."""

    id: PolicyId
    title: str
    version: int
    needs_capability: int
    rules: tuple[Rule, ...]
    source: str = ""
    """The statement, law or standard it carries out."""


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time-boxed exception: devices it selects are held at `level` at most by the policies it names."""

    id: WaiverId
    owner: str
    reason: str
    compensating_control: str
    starts_at: float
    expires_at: float
    """Unix seconds; from then on policy holds again, by itself."""
    policies: tuple[PolicyId, ...]
    level: Level
    device: DeviceId | None = None
    selector: Selector | None = None


class Sensitivity(enum.Enum):
    """Whether a site is one of those that the ministers' statement calls sensitive."""

    SENSITIVE = "sensitive"
    ORDINARY = "ordinary"


class SegmentFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera segment of a site: the gateway's interface, its zone, and what unknown devices may do there."""

    interface: str
    zone: str = ""
    default_level: Level = Level.ISOLATE


class SiteFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is declared of a site. Signed, because a lie here would loosen: an unlisted site counts as sensitive."""

    id: SiteId
    organisation: OrganisationId
    sensitivity: Sensitivity = Sensitivity.SENSITIVE
    tags: tuple[str, ...] = ()
    timezone: str = "Europe/London"
    estate_networks: tuple[Network, ...] = ()
    """CIDR; where `block-egress` devices may still go."""
    recorders: tuple[Address, ...] = ()
    """Addresses of the site's recorders, reachable at `isolate`."""
    segments: tuple[SegmentFacts, ...] = ()
    device_tags: dict[str, tuple[str, ...]] = {}
    """Tags by device id."""
    default_password_check: bool = False
    """Whether each camera may be tried once with its maker's default password."""
    standby_for: SiteId | msgspec.UnsetType = msgspec.UNSET
    """This is no place of its own but a second gateway of that site, ready to take over: it enforces the same.

    Left out of the document where it says nothing, so that programs which do not know it read the others.
    """


class Maker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A company that builds cameras, who sells them under which badge, and which laws and lists name it."""

    id: str
    name: str
    jurisdiction: str
    """ISO 3166-1 alpha-2 of where it is incorporated; empty if not known."""
    source: str
    brands: tuple[str, ...] = ()
    subject_to: tuple[str, ...] = ()
    listed_by: tuple[str, ...] = ()
    oui: tuple[str, ...] = ()
    """MAC prefixes, 6, 7 or 9 hexadecimal digits."""


class Reason(msgspec.Struct, frozen=True):
    """Why a verdict is what it is: one rule, waiver or order that took part."""

    kind: str
    """`rule`, `waiver`, `order`, `default`."""
    id: str
    level: Level | None
    text: str


class Verdict(msgspec.Struct, frozen=True):
    """What is demanded of one device, and why."""

    level: Level
    reasons: tuple[Reason, ...]
    firmware: FirmwareDuty | None = None
    harden: tuple[HardeningDuty, ...] = ()
    remove_by: float | None = None
    """Unix seconds; the earliest of what the rules say. None: it may stay."""
    explanation: str = ""
    """One sentence a person can read."""
