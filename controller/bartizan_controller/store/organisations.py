"""Rows of organisations and their sites: the tree that people are scoped to."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, true
from sqlalchemy.exc import IntegrityError

from bartizan.ids import OrganisationId, SiteId
from bartizan_controller.access import Scope
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import organisations, sites


class Organisation(msgspec.Struct, frozen=True):
    """A public body, or a part of one."""

    id: OrganisationId
    name: str
    parent: OrganisationId | None = None
    created_at: float = 0.0


class Site(msgspec.Struct, frozen=True):
    """A place with a gateway. What policy needs to know of it is signed, and in the catalogue."""

    id: SiteId
    organisation: OrganisationId
    name: str
    created_at: float = 0.0


def add_organisation(connection: Connection, organisation: Organisation) -> None:
    """Keep a new organisation.

    Raises:
        Conflict: There is one of that id.
        NotFound: Its parent is unknown.
    """
    if organisation.parent is not None:
        find_organisation(connection, organisation.parent, None)
    try:
        connection.execute(organisations.insert().values(msgspec.structs.asdict(organisation)))
    except IntegrityError as error:
        raise Conflict(f"organisation {organisation.id!r} exists already") from error


def find_organisation(connection: Connection, identifier: OrganisationId, scope: Scope) -> Organisation:
    """Return one organisation.

    Raises:
        NotFound: There is none of that id within `scope`.
    """
    row = connection.execute(select(organisations).where(organisations.c.id == identifier)).mappings().first()
    if row is None or (scope is not None and identifier not in scope):
        raise NotFound(f"there is no organisation {identifier!r}")
    return Organisation(**row)


def all_organisations(connection: Connection, scope: Scope) -> tuple[Organisation, ...]:
    """Return every organisation within `scope`, by id."""
    rows = connection.execute(
        select(organisations).where(_within(organisations.c.id, scope)).order_by(organisations.c.id)
    )
    return tuple(Organisation(**row) for row in rows.mappings())


def descendants(connection: Connection, identifier: OrganisationId) -> frozenset[OrganisationId]:
    """Return an organisation and everything below it; empty if it is unknown."""
    tree = select(organisations.c.id).where(organisations.c.id == identifier).cte("tree", recursive=True)
    # UNION, not UNION ALL: it ends even if a parent loop was written by hand.
    tree = tree.union(select(organisations.c.id).where(organisations.c.parent == tree.c.id))
    return frozenset(OrganisationId(row.id) for row in connection.execute(select(tree.c.id)))


def narrowed(connection: Connection, organisation: OrganisationId | None, scope: Scope) -> Scope:
    """Return what of `scope` lies within an organisation and those below it; all of it if none is named.

    Raises:
        NotFound: The organisation is unknown, or not within `scope`.
    """
    if organisation is None:
        return scope
    find_organisation(connection, organisation, scope)
    below = descendants(connection, organisation)
    return below if scope is None else below & scope


def add_site(connection: Connection, site: Site) -> None:
    """Keep a new site.

    Raises:
        Conflict: There is one of that id.
        NotFound: Its organisation is unknown.
    """
    find_organisation(connection, site.organisation, None)
    try:
        connection.execute(sites.insert().values(msgspec.structs.asdict(site)))
    except IntegrityError as error:
        raise Conflict(f"site {site.id!r} exists already") from error


def find_site(connection: Connection, identifier: SiteId, scope: Scope = None) -> Site:
    """Return one site.

    Raises:
        NotFound: There is none of that id within `scope`.
    """
    row = (
        connection.execute(select(sites).where(sites.c.id == identifier, _within(sites.c.organisation, scope)))
        .mappings()
        .first()
    )
    if row is None:
        raise NotFound(f"there is no site {identifier!r}")
    return Site(**row)


def of_sites(connection: Connection, wanted: Iterable[SiteId]) -> dict[SiteId, OrganisationId]:
    """Return the organisation of each of these sites that there is."""
    rows = dialect.rows_of(connection, _OF_SITES, "of_sites", wanted)
    return {SiteId(row[0]): OrganisationId(row[1]) for row in rows}


def page_of_sites(connection: Connection, scope: Scope, *, after: str = "", limit: int) -> tuple[Site, ...]:
    """Return sites by id, beginning after `after`."""
    query = select(sites).where(sites.c.id > after, _within(sites.c.organisation, scope))
    return tuple(Site(**row) for row in connection.execute(query.order_by(sites.c.id).limit(limit)).mappings())


def all_sites(connection: Connection) -> tuple[SiteId, ...]:
    """Return every site of the estate, by id."""
    return tuple(SiteId(row.id) for row in connection.execute(select(sites.c.id).order_by(sites.c.id)))


def sites_within(scope: Scope) -> Select[tuple[str]]:
    """Return the query of the ids of all sites within `scope`, for use inside other queries."""
    return select(sites.c.id).where(_within(sites.c.organisation, scope))


def _within(column: ColumnElement[str], scope: Scope) -> ColumnElement[bool]:
    return true() if scope is None else column.in_(scope)


_OF_SITES = select(sites.c.id, sites.c.organisation).where(sites.c.id.in_(bindparam("of_sites", expanding=True)))
