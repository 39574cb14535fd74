"""What a gateway says: hello, reports (state with a digest), events (a log), and requests for a certificate.

Unknown fields are ignored on reading, so that an older controller can hear a newer agent.
"""

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter, NameAsked
from bartizan.identity.model import Device
from bartizan.ids import Address, BootId, DeviceId, SiteId

DROPS_REPORTED = 500  # those that moved last; a camera that scans the Internet must not make the report as large


NAMES_REPORTED = 500


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first words of every connection: what this gateway holds, so that what is missing can be sent."""

    site: SiteId
    boot: BootId
    capability: int
    agent_version: str
    catalogue: dict[str, int] = {}
    """Version held of each TUF role."""
    estate_orders: int = 0
    """Generation of the estate's order book in force."""
    site_orders: int = 0
    """Generation of this site's order book in force."""
    credentials: int = 0
    """Generation of the credential book held."""
    report_digest: str = ""
    events_pending: int = 0
    sealing_key: str = ""
    """X25519 public key, base64, to which camera credentials are sealed. Only to be compared with the enrolled one."""
    clock: float = 0.0
    """Unix seconds, so that a clock far off is noticed."""


class Will(msgspec.Struct, frozen=True, tag="will"):
    """Published by the broker when a gateway's connection dies."""

    site: SiteId
    boot: BootId


class DevicePosture(msgspec.Struct, frozen=True):
    """What is really enforced for one device, read back from the kernel."""

    device: DeviceId
    wanted: Level
    enforced: Level | None
    """None where nothing in the kernel holds it."""
    explanation: tuple[str, ...] = ()
    dropped_packets: int = 0
    enforceable: bool = True
    not_enforceable_because: str = ""
    harden: dict[str, str] = {}
    """How it stands to each hardening duty that policy gives it: `failed`, `met` or `unknown`."""
    remove_by: float | None = None
    """Unix seconds; when policy wants it gone. None: it may stay."""
    switch: str = ""
    """The port of a managed switch that holds it too, read back from there: `switch sw1 port 7 (vlan 666)`."""


class SelfTest(msgspec.Struct, frozen=True):
    """What came of the last time a gateway tried to get out of its camera segments as a stranger."""

    at: float
    """Unix seconds."""
    outcome: str
    """`blocked`, `not-blocked`, or `not-run`: nothing was tried, so nothing is known."""
    ruleset: str
    """Digest of the ruleset it held for, as `Posture.ruleset_digest`."""
    why: str
    """What made it run: `schedule`, `change`, `order` or `start`."""
    proven: tuple[str, ...] = ()
    """What was seen to be blocked, each as in `cam0 at isolate: IPv4`."""
    failed: tuple[str, ...] = ()
    """What got through, and by which way."""
    untested: tuple[str, ...] = ()
    """What could not be tried, and why."""


class Posture(msgspec.Struct, frozen=True):
    """What the gateway really enforces and holds, as measured there."""

    catalogue: dict[str, int]
    catalogue_expired: bool
    estate_orders: int
    site_orders: int
    ruleset_digest: str
    devices: tuple[DevicePosture, ...]
    drops: tuple[DropCounter, ...] = ()
    """What was tried and dropped, by MAC and destination: all that is kept, or the `DROPS_REPORTED` that moved last."""
    names: tuple[NameAsked, ...] = ()
    """What devices asked the DNS for: the `NAMES_REPORTED` asked for last."""
    policies: tuple[str, ...] = ()
    """The policies in force, as `id@version`."""
    policy: int = 0
    """The version of the policy role in force; 0 from a program that never lets a newer one wait."""
    policy_waits_until: float = 0.0
    """When a newer one that waits is in force at the latest, Unix seconds; 0 where none waits."""
    self_test: SelfTest | None = None
    """The last; None where none was ever made."""
    addresses: tuple[Address, ...] = ()
    """The gateway's own on its camera segments: of two gateways of a site, who has the shared one forwards."""
    disk_full: bool = False
    """Whether the gateway has no room to keep anything: it enforces and obeys, but events are being lost."""
    released: str = ""
    """Why containment is lifted by hand, by whom and until when; empty where it is not."""
    segments_gone: tuple[str, ...] = ()
    """Of each camera segment whose interface is not there under its name: what became of it, in words."""


class Report(msgspec.Struct, frozen=True, tag="report"):
    """Inventory and posture of one site: state, replaced whole. `digest` is over `devices` and `posture`."""

    site: SiteId
    boot: BootId
    taken_at: float
    digest: str
    devices: tuple[Device, ...]
    posture: Posture


class Event(msgspec.Struct, frozen=True):
    """Something that happened. Numbered by the gateway, applied at most once by (site, boot, sequence)."""

    sequence: int
    at: float
    kind: str
    """One of the names in `bartizan.wire.events`."""
    device: DeviceId | None = None
    detail: dict[str, str] = {}


class Events(msgspec.Struct, frozen=True, tag="events"):
    """A run of events, oldest first."""

    site: SiteId
    boot: BootId
    events: tuple[Event, ...]


class RenewCertificate(msgspec.Struct, frozen=True, tag="renew"):
    """Asks for a new certificate. The certificate signing request, PEM, is signed by the gateway's present key."""

    site: SiteId
    csr: str


class StatementMade(msgspec.Struct, frozen=True, tag="statement"):
    """The answer to one `StatementWanted`."""

    site: SiteId
    request: str
    envelope: bytes = b""
    """As `bartizan.trust.statements.seal` makes it; empty where none was made."""
    refused: str = ""
    """Why not."""


Up = Hello | Will | Report | Events | RenewCertificate | StatementMade
