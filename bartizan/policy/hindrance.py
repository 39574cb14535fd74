"""What keeps a site from enforcing a change, or from doing so yet: as far as its gateway told."""

import enum
from collections.abc import Iterator, Sequence

import msgspec

from bartizan.ids import OrganisationId, SiteId


class Hindrance(enum.Enum):
    """Why a site does not enforce what would be demanded, or not yet."""

    NO_GATEWAY = "no-gateway"
    """None was enrolled: nothing is seen or held there."""
    AWAY = "away"
    """It enforces what it holds, and takes up the change when it is back."""
    TOO_OLD = "too-old"
    """Its agent does not understand the change: it refuses all of it and keeps what it has."""
    RELEASED = "released"
    """Somebody lifted containment there by hand."""
    NOT_ENFORCEABLE = "not-enforceable"
    """It measured that it cannot hold some devices."""


class HinderedSite(msgspec.Struct, frozen=True):
    """A site that does not enforce all of it."""

    site: SiteId
    organisation: OrganisationId
    why: Hindrance
    detail: str


class GatewayState(msgspec.Struct, frozen=True):
    """What is known of a site's gateway."""

    connected: bool
    capability: int
    last_seen: float | None = None
    released: str = ""
    """Why containment is lifted there by hand; empty where it is not."""


def is_fit(gateway: GatewayState | None, needed: int) -> bool:
    """Return whether nothing that is known of a gateway itself keeps it from enforcing a change at once."""
    return gateway is not None and gateway.connected and gateway.capability >= needed and not gateway.released


def hindrances(
    site: SiteId, organisation: OrganisationId, gateway: GatewayState | None, beyond: Sequence[str], needed: int
) -> Iterator[HinderedSite]:
    """Yield what keeps a site from enforcing a change.

    Args:
        site: The site.
        organisation: Whose it is.
        gateway: What is known of its gateway.
        beyond: Of each device that would be held and cannot be: why.
        needed: The capability that the change needs.
    """
    if gateway is None:
        yield HinderedSite(site, organisation, Hindrance.NO_GATEWAY, "no gateway is enrolled")
        return
    if not gateway.connected:
        detail = "its gateway is away: it enforces what it holds until it is back"
        yield HinderedSite(site, organisation, Hindrance.AWAY, detail)
    if gateway.capability < needed:
        detail = f"its agent has capability {gateway.capability}, {needed} is needed: it keeps what it has"
        yield HinderedSite(site, organisation, Hindrance.TOO_OLD, detail)
    if gateway.released:
        yield HinderedSite(site, organisation, Hindrance.RELEASED, gateway.released)
    if beyond:
        reasons = "; ".join(dict.fromkeys(beyond[:3]))
        detail = f"{counted(len(beyond), 'device', 'devices')}: {reasons}"
        yield HinderedSite(site, organisation, Hindrance.NOT_ENFORCEABLE, detail)


def counted(count: int, one: str, many: str) -> str:
    """Return a number with what it counts."""
    return f"{count} {one if count == 1 else many}"
