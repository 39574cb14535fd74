"""Counters of devices: kept with every change instead of counted, by scope, dimension and value."""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, delete, func, literal, select

from bartizan.ids import OrganisationId, SiteId
from bartizan_controller.inventory import Counts
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import counters, device_advisories, devices, sites

ESTATE = "estate"
_SITE, _ORGANISATION = "site/", "organisation/"

Key = tuple[str, str, str]
"""Scope, dimension, value."""


class Miscount(msgspec.Struct, frozen=True):
    """A counter that does not say what counting says."""

    scope: str
    dimension: str
    value: str
    kept: int
    counted: int


def of_site(site: SiteId) -> str:
    """Return the scope of a site."""
    return f"{_SITE}{site}"


def of_organisation(organisation: OrganisationId) -> str:
    """Return the scope of an organisation, without what is below it."""
    return f"{_ORGANISATION}{organisation}"


def scopes_of(site: SiteId, organisation: OrganisationId) -> tuple[str, ...]:
    """Return every scope that counts the devices of a site."""
    return ESTATE, of_organisation(organisation), of_site(site)


def add(connection: Connection, scopes: Iterable[str], difference: Counts) -> None:
    """Add to the counters of these scopes, in the transaction of the change that is counted."""
    rows = [
        {"scope": scope, "dimension": dimension, "value": value, "count": by}
        for scope in scopes
        for (dimension, value), by in difference.items()
        if by
    ]
    if rows:
        statement = dialect.insert(connection, counters)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["scope", "dimension", "value"],
                set_={"count": counters.c.count + statement.excluded.count},
            ),
            rows,
        )


def counted(connection: Connection, scopes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return how many devices there are by dimension and value, summed over scopes."""
    found: dict[str, dict[str, int]] = {}
    for (dimension, value), count in _summed(connection, scopes, None).items():
        found.setdefault(dimension, {})[value] = count
    return found


def counted_at(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, dict[str, dict[str, int]]]:
    """Return how many devices there are by dimension and value, at each of these sites that has any."""
    found: dict[SiteId, dict[str, dict[str, int]]] = {}
    for scope, dimension, value, count in dialect.rows_of(connection, _AT_SITES, "scopes", map(of_site, sites)):
        found.setdefault(SiteId(scope.removeprefix(_SITE)), {}).setdefault(dimension, {})[value] = count
    return found


def by_value(connection: Connection, scopes: Iterable[str], dimension: str) -> dict[str, int]:
    """Return how many devices there are by the values of one dimension, summed over scopes."""
    return {value: count for (_, value), count in _summed(connection, scopes, dimension).items()}


def by_site(connection: Connection, wanted: Select[tuple[str]]) -> dict[str, int]:
    """Return how many devices there are at each of the sites that a query names; sites without any are left out."""
    named = wanted.subquery()
    return _by_scope(connection, _SITE, select(literal(_SITE).concat(named.c[0])))


def by_organisation(connection: Connection, wanted: Select[tuple[str]]) -> dict[str, int]:
    """Return how many devices there are in each of the organisations that a query names, without those below it."""
    named = wanted.subquery()
    return _by_scope(connection, _ORGANISATION, select(literal(_ORGANISATION).concat(named.c[0])))


def recount(connection: Connection) -> tuple[Miscount, ...]:
    """Return every counter that is wrong, after counting everything. Takes seconds for a million devices."""
    kept = {(row.scope, row.dimension, row.value): row.total for row in connection.execute(_KEPT)}
    true = _count_all(connection)
    return tuple(
        Miscount(key[0], key[1], key[2], kept.get(key, 0), true.get(key, 0))
        for key in sorted(kept.keys() | true.keys())
        if kept.get(key, 0) != true.get(key, 0)
    )


def repair(connection: Connection) -> tuple[Miscount, ...]:
    """Make every counter right, forget those that count nothing, and return what was wrong."""
    wrong = recount(connection)
    statement = dialect.insert(connection, counters)
    rows = [
        {"scope": each.scope, "dimension": each.dimension, "value": each.value, "count": each.counted} for each in wrong
    ]
    if rows:
        upsert = statement.on_conflict_do_update(
            index_elements=["scope", "dimension", "value"], set_={"count": statement.excluded.count}
        )
        connection.execute(upsert, rows)
    connection.execute(delete(counters).where(counters.c.count == 0))
    return wrong


def _summed(connection: Connection, scopes: Iterable[str], dimension: str | None) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for some in dialect.portions(scopes):
        query = _SUMMED if dimension is None else _SUMMED_BY_VALUE
        for row in connection.execute(query, {"scopes": some, "of_dimension": dimension}).all():
            key = (row.dimension, row.value)
            found[key] = found.get(key, 0) + int(row.total)
    return found


def _by_scope(connection: Connection, prefix: str, scopes: Select[tuple[str]]) -> dict[str, int]:
    query = (
        select(counters.c.scope, counters.c.count.label("total"))
        .where(counters.c.dimension == "devices", counters.c.value == "", counters.c.count != 0)
        .where(counters.c.scope.in_(scopes))
        .order_by(counters.c.scope)
    )
    return {row.scope.removeprefix(prefix): row.total for row in connection.execute(query)}


def _count_all(connection: Connection) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for dimension, value in _DIMENSIONS.items():
        _count(connection, found, dimension, select(devices.c.site, value.label("value"), func.count().label("total")))
    advisory = device_advisories.c.advisory
    _count(
        connection,
        found,
        "vulnerable-to",
        select(device_advisories.c.site, advisory.label("value"), func.count().label("total")),
    )
    return found


def _count(connection: Connection, found: dict[Key, int], dimension: str, query: Select[tuple[str, str, int]]) -> None:
    per_site = query.group_by("site", "value").subquery()
    joined = select(sites.c.organisation, per_site).join(per_site, per_site.c.site == sites.c.id)
    for row in connection.execute(joined):
        for scope in scopes_of(row.site, row.organisation):
            key = (scope, dimension, row.value)
            found[key] = found.get(key, 0) + row.total


def _truth(column: ColumnElement[bool]) -> ColumnElement[str]:
    return case((column, "true"), else_="false")


# Made once: building a statement takes longer than running it.
_SUMMED = (
    select(counters.c.dimension, counters.c.value, func.sum(counters.c.count).label("total"))
    .where(counters.c.scope.in_(bindparam("scopes", expanding=True)), counters.c.count != 0)
    .group_by(counters.c.dimension, counters.c.value)
    .order_by(counters.c.dimension, counters.c.value)
)
_AT_SITES = select(counters.c.scope, counters.c.dimension, counters.c.value, counters.c.count).where(
    counters.c.scope.in_(bindparam("scopes", expanding=True)), counters.c.count != 0
)
_SUMMED_BY_VALUE = _SUMMED.where(counters.c.dimension == bindparam("of_dimension"))
_KEPT = select(counters.c.scope, counters.c.dimension, counters.c.value, counters.c.count.label("total"))
_DIMENSIONS: Mapping[str, ColumnElement[str]] = {
    "devices": literal(""),
    "maker": devices.c.maker,
    "kind": devices.c.kind,
    "wanted": devices.c.wanted,
    "enforced": devices.c.enforced,
    "agrees": _truth(devices.c.agrees),
    "vulnerable": _truth(devices.c.vulnerable),
}
