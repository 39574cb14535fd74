"""Giving and ending orders: every change makes one new signed book of its scope, kept before anybody sends it."""

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.ids import OrderId, OrganisationId, SiteId
from bartizan.trust.orders import Order, OrderBook, Prove, Raise, Scan, needed_capability
from bartizan.wire import codec
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.store import audit, books
from bartizan_controller.store.books import StoredBook

LIFETIME_SECONDS = 14 * 86400.0
"""A book is not accepted after this. It only bounds replay: what was accepted stands until a later book."""
RENEW_SECONDS = 7 * 86400.0
"""Left to live when a book is signed again, so that a gateway that comes back always finds a valid one."""
ORDERS_AT_MOST = 5_000
SITES_AT_MOST = 20_000

Sign = Callable[[OrderBook], bytes]
"""Returns a book as a DSSE envelope, signed by the director key."""


class Change(msgspec.Struct, frozen=True):
    """What is to become of one scope's orders, all at once."""

    site: SiteId | None
    """None: the estate's book."""
    give: tuple[Order, ...] = ()
    end: tuple[OrderId, ...] = ()
    because: str = ""
    """Why orders end, for the audit chain."""
    organisation: OrganisationId | None = None
    """Whose orders these are, where the estate's book carries them for one organisation."""


def apply(connection: Connection, sign: Sign, change: Change, *, by: str, now: float) -> StoredBook:
    """Give and end orders; return the new book. It is kept, and will be sent by the link.

    Raises:
        NotFound: An order that should end does not stand in this scope.
        Conflict: The book would hold more than `ORDERS_AT_MOST` orders.
        ValueError: An order demands nothing.
    """
    _check(change.give)
    held = books.lock(connection, change.site)
    ended = books.end_orders(connection, change.site, change.end, ended_by=by, because=change.because, now=now)
    if ended != len(change.end):
        raise NotFound("an order that should end does not stand: it has ended already, or is of another scope")
    books.add_orders(connection, change.site, change.give, given_by=by, now=now, organisation=change.organisation)
    book = _issue(connection, sign, change.site, held, now=now)
    detail = {
        "generation": str(book.generation),
        "given": codec.encode(change.give).decode(),
        "ended": " ".join(change.end),
        "because": change.because,
    }
    audit.record(connection, by, "orders.change", change.site or "estate", now=now, detail=detail)
    return book


def ask_for(
    connection: Connection, sign: Sign, look: Scan | Prove, site: SiteId | None, *, by: str, now: float
) -> StoredBook:
    """Ask a scope for another look or test. It takes the place of an earlier one, which has been heard by then."""
    earlier = tuple(given.order.id for given in books.standing(connection, site) if type(given.order) is type(look))
    change = Change(site, give=(look,), end=earlier, because=f"superseded by {look.id}")
    return apply(connection, sign, change, by=by, now=now)


def renew(connection: Connection, sign: Sign, *, now: float, limit: int = 500) -> int:
    """Sign books again that would expire soon; return how many. Call again while there are any."""
    expiring = books.expiring(connection, before=now + RENEW_SECONDS, limit=limit)
    for book in expiring:
        _issue(connection, sign, book.site, book, now=now)
    return len(expiring)


def _check(given: Iterable[Order]) -> None:
    for order in given:
        if isinstance(order, Raise) and order.level is Level.WATCH:
            raise ValueError("an order to `watch` demands nothing: give a tighter level")


def _issue(
    connection: Connection, sign: Sign, site: SiteId | None, held: StoredBook | None, *, now: float
) -> StoredBook:
    given = books.standing(connection, site)
    if len(given) > ORDERS_AT_MOST:
        raise Conflict(f"a book holds at most {ORDERS_AT_MOST} orders: end some, or use one selector for many devices")
    # Not below the clock: a controller restored from a backup must not reuse generations that gateways have seen.
    generation = max(held.generation + 1 if held else 1, int(now))
    standing = tuple(each.order for each in given)
    book = OrderBook(
        generation=generation,
        issued_at=now,
        expires_at=now + LIFETIME_SECONDS,
        capability=needed_capability(standing),
        site=site,
        orders=standing,
    )
    stored = StoredBook(site, generation, sign(book), book.issued_at, book.expires_at)
    books.save(connection, stored)
    return stored
