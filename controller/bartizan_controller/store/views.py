"""Rows of saved views: queries that people gave a name, for all who may see the same part of the estate."""

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, select, true

from bartizan.ids import OrganisationId, slug
from bartizan.wire import codec
from bartizan_controller.access import Person
from bartizan_controller.errors import NotFound
from bartizan_controller.search import DeviceQuery, check
from bartizan_controller.store import audit, dialect
from bartizan_controller.store.tables import views


class View(msgspec.Struct, frozen=True):
    """A query with a name."""

    name: str
    organisation: OrganisationId | None
    """Whose view it is; null: the whole estate's."""
    query: DeviceQuery
    saved_by: str
    saved_at: float


def save(connection: Connection, person: Person, name: str, query: DeviceQuery, *, now: float) -> View:
    """Keep a query under a name, in place of what the same organisation had under it.

    Raises:
        PolicyError: The query makes no sense.
        ValueError: The name is no slug, or the query makes no sense.
    """
    check(query)
    view = View(slug(name), person.organisation, query, person.name, now)
    row = {
        "organisation": person.organisation or "",
        "name": view.name,
        "query": codec.encode(query),
        "saved_by": view.saved_by,
        "saved_at": view.saved_at,
    }
    connection.execute(dialect.upsert(connection, views, "organisation", "name"), row)
    audit.record(
        connection, person.name, "view.save", view.name, now=now, detail={"query": codec.encode(query).decode()}
    )
    return view


def visible(connection: Connection, person: Person) -> tuple[View, ...]:
    """Return the views that somebody may see: those of the organisations they may see, by name."""
    rows = connection.execute(select(views).where(_visible_to(person)).order_by(views.c.name, views.c.organisation))
    return tuple(_view(row) for row in rows.mappings())


def find(connection: Connection, person: Person, name: str) -> View:
    """Return a view by its name: one's own organisation's, else the first that one may see.

    Raises:
        NotFound: There is none.
    """
    rows = connection.execute(
        select(views).where(views.c.name == name, _visible_to(person)).order_by(views.c.organisation)
    ).mappings()
    found = [_view(row) for row in rows]
    own = [view for view in found if view.organisation == person.organisation]
    for view in own or found:
        return view
    raise NotFound(f"there is no view {name!r}: see `bartizan view list`")


def forget(connection: Connection, person: Person, name: str, *, now: float) -> None:
    """Delete a view of one's own organisation.

    Raises:
        NotFound: It has none of that name.
    """
    own = (views.c.organisation == (person.organisation or "")) & (views.c.name == name)
    if not connection.execute(delete(views).where(own)).rowcount:
        raise NotFound(f"your organisation has no view {name!r}: see `bartizan view list`")
    audit.record(connection, person.name, "view.delete", name, now=now)


def _visible_to(person: Person) -> ColumnElement[bool]:
    return true() if person.scope is None else views.c.organisation.in_(person.scope)


def _view(row: RowMapping) -> View:
    return View(
        name=row["name"],
        organisation=OrganisationId(row["organisation"]) if row["organisation"] else None,
        query=codec.decode(row["query"], DeviceQuery),
        saved_by=row["saved_by"],
        saved_at=row["saved_at"],
    )
