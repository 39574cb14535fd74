"""How many devices there are by what: read from counters, whatever the size of the estate."""

import enum
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from bartizan.ids import OrganisationId, SiteId
from bartizan.policy.model import Maker
from bartizan_controller.access import Scope
from bartizan_controller.store import counters, organisations
from bartizan_controller.store.tables import sites


class By(enum.Enum):
    """What devices are counted by."""

    ORGANISATION = "organisation"
    SITE = "site"
    MAKER = "maker"
    JURISDICTION = "jurisdiction"
    KIND = "kind"
    LEVEL = "level"
    ENFORCED = "enforced"
    AGREES = "agrees"
    VULNERABLE = "vulnerable"
    VULNERABILITY = "vulnerability"


class Total(msgspec.Struct, frozen=True):
    """How many devices have one value."""

    value: str
    """Empty: it is not known."""
    devices: int


class Totals(msgspec.Struct, frozen=True):
    """Devices by the values of one thing, most first."""

    by: By
    devices: int
    """All that were counted. A device is open to several vulnerabilities, or to none."""
    items: tuple[Total, ...]


def totals(
    connection: Connection,
    by: By,
    scope: Scope,
    *,
    site: SiteId | None = None,
    organisation: OrganisationId | None = None,
    makers: Iterable[Maker] = (),
) -> Totals:
    """Return how many devices there are, within a site or organisation if one is named.

    Raises:
        NotFound: The site or organisation is unknown, or not within `scope`.
    """
    within = organisations.narrowed(connection, organisation, scope)
    if site is not None:
        organisations.find_site(connection, site, within)
    scopes = _scopes(within, site)
    found = _counted(connection, by, scopes, within, site, makers)
    # A device has several vulnerabilities or none; of everything else it has one.
    every = found if by is not By.VULNERABILITY else counters.by_value(connection, scopes, "devices")
    items = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return Totals(by, sum(every.values()), tuple(Total(value, count) for value, count in items))


def _scopes(within: Scope, site: SiteId | None) -> list[str]:
    if site is not None:
        return [counters.of_site(site)]
    return [counters.ESTATE] if within is None else [counters.of_organisation(each) for each in sorted(within)]


def _counted(
    connection: Connection,
    by: By,
    scopes: list[str],
    within: Scope,
    site: SiteId | None,
    makers: Iterable[Maker],
) -> dict[str, int]:
    if by in {By.SITE, By.ORGANISATION}:
        places = organisations.sites_within(within)
        if site is not None:
            places = places.where(sites.c.id == site)
        if by is By.SITE:
            return counters.by_site(connection, places)
        return counters.by_organisation(connection, select(sites.c.organisation).where(sites.c.id.in_(places)))
    found = counters.by_value(connection, scopes, _DIMENSIONS[by])
    return _by_jurisdiction(found, makers) if by is By.JURISDICTION else found


def _by_jurisdiction(by_maker: dict[str, int], makers: Iterable[Maker]) -> dict[str, int]:
    jurisdictions = {maker.id: maker.jurisdiction for maker in makers}
    found: dict[str, int] = {}
    for maker, count in by_maker.items():
        jurisdiction = jurisdictions.get(maker, "")
        found[jurisdiction] = found.get(jurisdiction, 0) + count
    return found


_DIMENSIONS = {
    By.MAKER: "maker",
    By.JURISDICTION: "maker",
    By.KIND: "kind",
    By.LEVEL: "wanted",
    By.ENFORCED: "enforced",
    By.AGREES: "agrees",
    By.VULNERABLE: "vulnerable",
    By.VULNERABILITY: "vulnerable-to",
}
