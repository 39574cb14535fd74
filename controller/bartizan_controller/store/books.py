"""Rows of orders and of the signed books that carry them. Scope is a site, or empty for the estate."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select, true, update

from bartizan.ids import OrderId, OrganisationId, SiteId
from bartizan.trust.orders import Order
from bartizan.wire import codec
from bartizan_controller.access import Scope
from bartizan_controller.errors import NotFound
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import order_books, orders

ESTATE = ""


class GivenOrder(msgspec.Struct, frozen=True):
    """An order, who gave it, and how it ended."""

    order: Order
    site: SiteId | None
    """None: an order in the estate's book."""
    given_by: str
    given_at: float
    ended_by: str | None = None
    ended_at: float | None = None
    ended_because: str | None = None
    organisation: OrganisationId | None = None
    """Whose order it is, where the estate's book carries it for one organisation."""


class StoredBook(msgspec.Struct, frozen=True):
    """A signed order book, as it is sent."""

    site: SiteId | None
    generation: int
    envelope: bytes
    issued_at: float
    expires_at: float
    published: int = 0
    """The generation that the broker has taken."""


def load(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId | None, StoredBook]:
    """Return the estate's book under None, and those of these sites; scopes without a book are left out."""
    found: dict[SiteId | None, StoredBook] = {}
    for some in dialect.portions([ESTATE, *sites]):
        for row in connection.execute(select(order_books).where(order_books.c.scope.in_(some))).mappings():
            book = _book(row)
            found[book.site] = book
    return found


def lock(connection: Connection, site: SiteId | None) -> StoredBook | None:
    """Return the book of one scope, held until the transaction ends."""
    query = select(order_books).where(order_books.c.scope == (site or ESTATE)).with_for_update()
    row = connection.execute(query).mappings().first()
    return _book(row) if row else None


def save(connection: Connection, book: StoredBook) -> None:
    """Keep the new book of a scope. What was published of the one before stays known."""
    row = {
        "scope": book.site or ESTATE,
        "generation": book.generation,
        "envelope": book.envelope,
        "issued_at": book.issued_at,
        "expires_at": book.expires_at,
    }
    connection.execute(
        dialect.insert(connection, order_books)
        .values(row | {"published": 0})
        .on_conflict_do_update(index_elements=["scope"], set_=row)
    )


def unpublished(connection: Connection, *, limit: int) -> tuple[StoredBook, ...]:
    """Return books that the broker has not yet taken, the estate's first."""
    query = select(order_books).where(order_books.c.published < order_books.c.generation)
    return tuple(_book(row) for row in connection.execute(query.order_by(order_books.c.scope).limit(limit)).mappings())


def note_published(connection: Connection, published: Sequence[StoredBook]) -> None:
    """Note that the broker has taken these books."""
    for book in published:
        connection.execute(
            update(order_books)
            .where(order_books.c.scope == (book.site or ESTATE), order_books.c.published < book.generation)
            .values(published=book.generation)
        )


def expiring(connection: Connection, *, before: float, limit: int) -> tuple[StoredBook, ...]:
    """Return books that expire before a time."""
    query = select(order_books).where(order_books.c.expires_at < before).order_by(order_books.c.expires_at)
    return tuple(_book(row) for row in connection.execute(query.limit(limit)).mappings())


def add_orders(
    connection: Connection,
    site: SiteId | None,
    given: Iterable[Order],
    *,
    given_by: str,
    now: float,
    organisation: OrganisationId | None = None,
) -> None:
    """Keep new standing orders."""
    rows = [
        {
            "id": order.id,
            "scope": site or ESTATE,
            "organisation": organisation,
            "document": codec.encode(order),
            "given_by": given_by,
            "given_at": now,
        }
        for order in given
    ]
    if rows:
        connection.execute(orders.insert(), rows)


def end_orders(
    connection: Connection, site: SiteId | None, ended: Iterable[OrderId], *, ended_by: str, because: str, now: float
) -> int:
    """Note that standing orders of a scope have ended; return how many did."""
    count = 0
    for some in dialect.portions(ended):
        count += connection.execute(
            update(orders)
            .where(orders.c.scope == (site or ESTATE), orders.c.id.in_(some), orders.c.ended_at.is_(None))
            .values(ended_by=ended_by, ended_at=now, ended_because=because)
        ).rowcount
    return count


def standing(connection: Connection, site: SiteId | None) -> tuple[GivenOrder, ...]:
    """Return the orders of a scope that have not ended, in the order they were given."""
    query = select(orders).where(orders.c.scope == (site or ESTATE), orders.c.ended_at.is_(None))
    rows = connection.execute(query.order_by(orders.c.given_at, orders.c.id)).mappings()
    return tuple(_given(row) for row in rows)


def orders_of(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId | None, tuple[Order, ...]]:
    """Return the standing orders of the estate under None, and of these sites; scopes without one are left out."""
    found: dict[SiteId | None, tuple[Order, ...]] = {}
    for some in dialect.portions([ESTATE, *sites]):
        query = select(orders).where(orders.c.scope.in_(some), orders.c.ended_at.is_(None))
        for row in connection.execute(query.order_by(orders.c.given_at, orders.c.id)).mappings():
            given = _given(row)
            found[given.site] = (*found.get(given.site, ()), given.order)
    return found


def all_orders(connection: Connection) -> dict[SiteId | None, tuple[Order, ...]]:
    """Return all standing orders, those of the estate under None."""
    found: dict[SiteId | None, tuple[Order, ...]] = {}
    query = select(orders).where(orders.c.ended_at.is_(None)).order_by(orders.c.given_at, orders.c.id)
    for row in connection.execute(query).mappings():
        given = _given(row)
        found[given.site] = (*found.get(given.site, ()), given.order)
    return found


def find(connection: Connection, identifier: OrderId, organisations: Scope) -> GivenOrder:
    """Return one order, standing or ended.

    Raises:
        NotFound: There is none of that id within `organisations`.
    """
    query = select(orders).where(orders.c.id == identifier)
    query = query.where(_visible(organisations))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"there is no order {identifier!r}")
    return _given(row)


def page(
    connection: Connection,
    organisations: Scope,
    *,
    site: SiteId | None = None,
    ended: bool,
    after: str = "",
    limit: int,
) -> tuple[GivenOrder, ...]:
    """Return orders by id, beginning after `after`: those that stand, or those that have ended.

    People scoped to some organisations see the orders of these and of their sites.
    """
    query = select(orders).where(orders.c.id > after)
    query = query.where(orders.c.ended_at.is_not(None) if ended else orders.c.ended_at.is_(None))
    if site is not None:
        query = query.where(orders.c.scope == site)
    query = query.where(_visible(organisations))
    return tuple(_given(row) for row in connection.execute(query.order_by(orders.c.id).limit(limit)).mappings())


def _visible(organisations: Scope) -> ColumnElement[bool]:
    if organisations is None:
        return true()
    return or_(orders.c.scope.in_(sites_within(organisations)), orders.c.organisation.in_(organisations))


def _book(row: RowMapping) -> StoredBook:
    return StoredBook(
        site=SiteId(row["scope"]) if row["scope"] != ESTATE else None,
        generation=row["generation"],
        envelope=row["envelope"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        published=row["published"],
    )


def _given(row: RowMapping) -> GivenOrder:
    return GivenOrder(
        order=_ORDER.decode(row["document"]),
        site=SiteId(row["scope"]) if row["scope"] != ESTATE else None,
        given_by=row["given_by"],
        given_at=row["given_at"],
        ended_by=row["ended_by"],
        ended_at=row["ended_at"],
        ended_because=row["ended_because"],
        organisation=row["organisation"],
    )


_ORDER = msgspec.json.Decoder(Order)
