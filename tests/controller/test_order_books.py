"""Orders: one book per scope, generations that only rise, and nothing forgotten after a restart."""

import pytest

from bartizan.containment.level import Level
from bartizan.ids import OrderId, SiteId
from bartizan.trust.orders import OrderBook, Raise, Scan
from bartizan.wire import codec
from bartizan_controller import orders
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.orders import Change
from bartizan_controller.store import audit, books, migrate
from bartizan_controller.store.books import StoredBook
from bartizan_controller.store.database import Database

NORTH = SiteId("north")


def order(name: str, level: Level = Level.ISOLATE) -> Raise:
    return Raise(OrderId(name), level, "it calls home", "soc")


def change(database: Database, wanted: Change, *, now: float = 1000.0) -> StoredBook:
    return database.change(lambda c: orders.apply(c, codec.encode, wanted, by="soc", now=now))


def content(book: StoredBook) -> OrderBook:
    return codec.decode(book.envelope, OrderBook)


def test_a_book_holds_what_stands_and_its_generation_rises(database: Database) -> None:
    first = change(database, Change(NORTH, give=(order("a"), order("b"))))
    second = change(database, Change(NORTH, end=(OrderId("a"),), because="it was the clock"))

    assert [each.id for each in content(first).orders] == ["a", "b"]
    assert [each.id for each in content(second).orders] == ["b"]
    assert second.generation == first.generation + 1
    assert content(second).site == NORTH


def test_generations_do_not_fall_behind_the_clock(database: Database) -> None:
    """A controller restored from a backup must not use a generation again that gateways have seen."""
    assert change(database, Change(NORTH, give=(order("a"),)), now=1000.0).generation == 1000
    assert change(database, Change(NORTH, give=(order("b"),)), now=1000.0).generation == 1001
    assert change(database, Change(NORTH, give=(order("c"),)), now=500.0).generation == 1002
    assert change(database, Change(NORTH, give=(order("d"),)), now=5000.0).generation == 5000


def test_the_estate_and_each_site_have_books_of_their_own(database: Database) -> None:
    change(database, Change(None, give=(order("a"),)))
    change(database, Change(NORTH, give=(order("b"),)))

    held = database.query(lambda c: books.load(c, [NORTH, SiteId("south")]))
    assert {site: [each.id for each in content(book).orders] for site, book in held.items()} == {
        None: ["a"],
        NORTH: ["b"],
    }


def test_ending_what_does_not_stand_changes_nothing(database: Database) -> None:
    before = change(database, Change(NORTH, give=(order("a"),)))
    for wanted in (
        Change(NORTH, end=(OrderId("z"),)),
        Change(None, end=(OrderId("a"),)),
        Change(NORTH, give=(order("b"),), end=(OrderId("z"),)),
    ):
        with pytest.raises(NotFound):
            change(database, wanted)

    assert database.query(lambda c: books.load(c, [NORTH]))[NORTH] == before


def test_an_order_that_demands_nothing_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="demands nothing"):
        change(database, Change(NORTH, give=(order("a", Level.WATCH),)))


def test_a_book_has_a_limit(database: Database) -> None:
    too_many = tuple(order(f"o{n}") for n in range(orders.ORDERS_AT_MOST + 1))
    with pytest.raises(Conflict, match="at most 5000"):
        change(database, Change(NORTH, give=too_many))

    assert database.query(lambda c: books.standing(c, NORTH)) == ()


def test_if_signing_fails_nothing_was_ordered(database: Database) -> None:
    def refuse(_book: OrderBook) -> bytes:
        raise ValueError("the envelope would be too large")

    with pytest.raises(ValueError, match="too large"):
        database.change(lambda c: orders.apply(c, refuse, Change(NORTH, give=(order("a"),)), by="soc", now=1.0))

    assert database.query(lambda c: books.standing(c, NORTH)) == ()
    assert database.query(lambda c: audit.page(c, after=0, limit=10)) == ()


def test_a_scan_takes_the_place_of_the_one_before(database: Database) -> None:
    for name in ("s1", "s2"):
        book = database.change(
            lambda c, name=name: orders.ask_for(  # type: ignore[misc]
                c, codec.encode, Scan(OrderId(name)), NORTH, by="estates", now=1000.0
            )
        )

    assert [each.id for each in content(book).orders] == ["s2"]


def test_books_are_signed_again_before_they_expire(database: Database) -> None:
    first = change(database, Change(NORTH, give=(order("a"),)), now=1000.0)

    assert database.change(lambda c: orders.renew(c, codec.encode, now=1000.0 + 6 * 86400)) == 0
    assert database.change(lambda c: orders.renew(c, codec.encode, now=1000.0 + 8 * 86400)) == 1
    renewed = database.query(lambda c: books.load(c, [NORTH]))[NORTH]
    assert renewed.generation > first.generation
    assert renewed.expires_at == 1000.0 + 22 * 86400
    assert content(renewed).orders == content(first).orders


def test_nothing_is_forgotten_by_a_restart(database_url: str) -> None:
    with Database(database_url) as first:
        book = change(first, Change(NORTH, give=(order("a"),)))
    migrate.upgrade(database_url)
    with Database(database_url) as second:
        assert second.query(lambda c: books.load(c, [NORTH])) == {NORTH: book}
        assert second.query(lambda c: books.unpublished(c, limit=10)) == (book,)
        second.change(lambda c: books.note_published(c, [book]))
        assert second.query(lambda c: books.unpublished(c, limit=10)) == ()


def test_a_book_published_late_does_not_hide_a_newer_one(database: Database) -> None:
    """What is noted as taken is the generation that was sent, not the one that exists by then."""
    old = change(database, Change(NORTH, give=(order("a"),)))
    new = change(database, Change(NORTH, give=(order("b"),)))
    database.change(lambda c: books.note_published(c, [old]))

    assert [book.generation for book in database.query(lambda c: books.unpublished(c, limit=10))] == [new.generation]
