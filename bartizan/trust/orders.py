"""Orders: online instructions of the controller, which can only tighten.

The director signs whole *order books*. A book replaces the one before it, so a lost, repeated or
reordered message never matters; its generation only rises. There is one book for the estate and one
for each site. What a book can express is the guarantee: a level that is raised, an image of the
catalogue that is assigned, a look or a test that is asked for, policy that two people signed and that waits no
longer. Taking an entry out of a later book returns the device to what policy demands, never below.
"""

from collections.abc import Iterable

import msgspec

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, ImageId, OrderId, RolloutId, SiteId
from bartizan.policy.model import Selector
from bartizan.wire.capability import PUSHES, SCHEDULES, SELF_TESTS

PAYLOAD_TYPE = "application/vnd.bartizan.orders+json"


class Raise(msgspec.Struct, frozen=True, tag="raise", forbid_unknown_fields=True):
    """Hold devices at `level` or tighter."""

    id: OrderId
    level: Level
    reason: str
    by: str
    """Who gave the order, for people and the audit chain."""
    device: DeviceId | None = None
    selector: Selector | None = None
    """Both empty: every device of the book's scope."""


class Install(msgspec.Struct, frozen=True, tag="install", forbid_unknown_fields=True):
    """Install a vetted image on one device. Its name, model and versions are the catalogue's to say."""

    id: OrderId
    rollout: RolloutId
    device: DeviceId
    image: ImageId
    not_before: float = 0.0
    """Unix seconds."""
    not_after: float | None = None
    """Do not begin after this; Unix seconds."""
    attempt: int = 1


class Scan(msgspec.Struct, frozen=True, tag="scan", forbid_unknown_fields=True):
    """Look at the site's segments again."""

    id: OrderId


class Activate(msgspec.Struct, frozen=True, tag="activate", forbid_unknown_fields=True):
    """Put in force policy that two people signed and that waits here for its turn."""

    id: OrderId
    policy: int
    """Version of the policy role."""
    digest: str
    """`Catalogue.policy_digest` of that version."""


class Prove(msgspec.Struct, frozen=True, tag="prove", forbid_unknown_fields=True):
    """Try to get out of the site's camera segments as a stranger, and say what came of it."""

    id: OrderId


Order = Raise | Install | Scan | Activate | Prove


def needed_capability(orders: Iterable[Order]) -> int:
    """Return what a program must understand to read a book of these orders."""
    needs = {Activate: PUSHES, Prove: SELF_TESTS}
    return max((needs.get(type(order), SCHEDULES) for order in orders), default=SCHEDULES)


class OrderBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All standing orders for one scope. The payload of a DSSE envelope."""

    generation: int
    issued_at: float
    expires_at: float
    """A book is not accepted after this; once accepted its raises stand until a later book (never fail open),
    and its installs no longer begin."""
    capability: int
    site: SiteId | None = None
    """None: the estate's book."""
    orders: tuple[Order, ...] = ()
