"""What the controller is promised by its database, whichever of the two it is."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from bartizan.ids import BootId, DeviceId, OrganisationId, SiteId
from bartizan.wire import codec, topics
from bartizan.wire.mqtt5 import Message
from bartizan_controller import inventory
from bartizan_controller.errors import SetUpWrong, StoreRefuses
from bartizan_controller.link.committer import CommitState, Committer
from bartizan_controller.store import audit, devices, events, gateways, marks, migrate, organisations, reported
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter, Position
from bartizan_controller.store.events import EventFilter, RecordedEvent
from bartizan_controller.store.organisations import Organisation, Site
from tests.controller.gateway import Gateway, device, report
from tests.controller.test_attempts import Empty, nobody
from tests.postgresql import Cluster, run_program

NORTH, COUNCIL = SiteId("north"), OrganisationId("council")
UNINDEXABLE = "".join(map(chr, range(1000, 9000)))
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """Another process's way to the same database."""
    with Database(database_url) as opened:
        yield opened


def test_a_query_sees_one_state_whatever_is_written_meanwhile(database: Database) -> None:
    database.change(lambda c: marks.write(c, "mark", "before"))

    def look(connection: Connection) -> tuple[str, str]:
        first = marks.read(connection, "mark")
        database.change(lambda c: marks.write(c, "mark", "after"))
        return first, marks.read(connection, "mark")

    assert database.query(look) == ("before", "before")
    assert database.query(lambda c: marks.read(c, "mark")) == "after"


def test_lists_are_in_the_order_of_characters_page_by_page(database: Database) -> None:
    """Whatever language a PostgreSQL database was made for."""
    names = ("serial:B", "serial:a", "serial:_", "serial:-", "serial:é", "serial:z")
    found = tuple(msgspec.structs.replace(device(1), id=DeviceId(name)) for name in names)
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    database.change(lambda c: organisations.add_site(c, Site(NORTH, COUNCIL, "North")))
    said = report(Gateway(NORTH, Path(), BootId("b")), found)
    seen = inventory.join(said.devices, said.posture)
    database.change(lambda c: reported.replace(c, NORTH, COUNCIL, seen, now=1.0))

    listed: list[str] = []
    after: Position | None = None
    while page := database.query(lambda c, after=after: devices.page(c, Filter(), after=after, limit=1)):  # type: ignore[misc]
        listed += [placed.state.device.id for placed in page]
        after = page[-1].position
    assert listed == sorted(names)


def test_a_query_cannot_write(database: Database) -> None:
    with pytest.raises(StoreRefuses, match=r"read only|may not be written"):
        database.query(lambda c: marks.write(c, "mark", "x"))


def test_whoever_writes_waits_for_whoever_does(database: Database, other: Database) -> None:
    """Else two would add to the audit chain at the same place, and an event might show after a later one."""
    writing, goes_on = threading.Event(), threading.Event()

    def record(connection: Connection, who: str) -> None:
        audit.record(connection, who, "did", "it", now=1.0)
        writing.set()
        assert goes_on.wait(10)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(database.change, lambda c: record(c, "first"))
        assert writing.wait(10)
        second = threads.submit(other.change, lambda c: record(c, "second"))
        threading.Timer(0.2, goes_on.set).start()
        first.result()
        second.result()

    assert [each.who for each in database.query(lambda c: audit.page(c, after=0, limit=9))] == ["first", "second"]


@on_postgresql
def test_a_program_that_does_not_let_go_of_the_database_is_told_of(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bartizan_controller.store.dialect.LOCK_WAIT_SECONDS", 1)

    def hold(_connection: Connection) -> None:
        other.change(lambda c: marks.write(c, "mark", "x"))

    with pytest.raises(StoreRefuses, match="another program holds the database"):
        database.change(hold)


@on_postgresql
def test_what_is_too_large_for_an_index_is_no_outage(database: Database) -> None:
    """Who waited for it to pass would wait for ever: one gateway would stop all others."""
    told = RecordedEvent(NORTH, 1.0, 1.0, UNINDEXABLE, {}, boot=BootId("b"), sequence=1)

    with pytest.raises(Exception, match="index row") as raised:
        database.change(lambda c: events.add(c, [told]))
    assert not isinstance(raised.value, StoreRefuses)


@on_postgresql
async def test_a_message_that_cannot_be_kept_is_refused_and_the_others_are_kept(database: Database) -> None:
    database.change(lambda c: organisations.add_organisation(c, Organisation(COUNCIL, "Council")))
    database.change(lambda c: organisations.add_site(c, Site(NORTH, COUNCIL, "North")))
    database.change(lambda c: gateways.enrol(c, gateways.Gateway(NORTH, "00", "key", 1.0)))
    gateway = Gateway(NORTH, Path(), BootId("b"))
    committer = Committer(database, Empty(), nobody, clock=lambda: 1.0, state=CommitState())
    said = (gateway.events(1, 1), gateway.events(2, 1, kind=UNINDEXABLE), gateway.events(3, 1))
    topic = topics.up(NORTH, "events")
    async with asyncio.timeout(10):
        outcomes = await committer.commit([Message(topic, codec.encode(each), 0) for each in said])

    assert [outcome.refused is None for outcome in outcomes] == [True, False, True]
    kept = database.query(lambda c: events.page(c, EventFilter(kind="device.found"), after=0, limit=9))
    assert [each.sequence for each in kept] == [1, 3]


@on_postgresql
def test_a_text_that_the_database_cannot_keep_is_a_mistake_of_who_wrote_it(database: Database) -> None:
    with pytest.raises(ValueError, match="U\\+0000"):
        database.change(lambda c: marks.write(c, "mark", "a\0b"))
    with pytest.raises(ValueError, match="U\\+0000"):
        database.query(lambda c: marks.read(c, "a\0b"))


@on_postgresql
def test_a_connection_that_was_cut_is_made_again(database: Database, postgresql: Cluster) -> None:
    database.change(lambda c: marks.write(c, "mark", "before"))

    def cut(connection: Connection) -> None:
        marks.write(connection, "mark", "lost")
        postgresql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'")
        marks.write(connection, "mark", "lost as well")

    with pytest.raises(StoreRefuses, match="nothing was changed"):
        database.change(cut)
    assert database.query(lambda c: marks.read(c, "mark")) == "before"
    database.change(lambda c: marks.write(c, "mark", "after"))
    assert database.query(lambda c: marks.read(c, "mark")) == "after"


@on_postgresql
def test_a_dump_is_restored_with_what_was_in_it(
    database: Database, database_url: str, postgresql: Cluster, tmp_path: Path
) -> None:
    """By the guide's commands, and numbers go on where they were."""
    told = [RecordedEvent(NORTH, 1.0, 1.0, "kind", {}, boot=BootId("b"), sequence=number) for number in (1, 2)]
    database.change(lambda c: events.add(c, told[:1]))
    dump = str(tmp_path / "bartizan.dump")
    run_program("pg_dump", "--format", "custom", "--file", dump, database_url.replace("+psycopg", ""))
    with postgresql.database() as url:
        into = ("--dbname", url.replace("+psycopg", ""))
        run_program("pg_restore", "--no-owner", "--exit-on-error", *into, dump)
        migrate.upgrade(url)
        with Database(url) as restored:
            restored.change(lambda c: events.add(c, told[1:]))
            kept = restored.query(lambda c: events.page(c, EventFilter(), after=0, limit=9))
    assert [(each.number, each.sequence) for each in kept] == [(1, 1), (2, 2)]


def test_a_database_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(StoreRefuses, match="it is not there"):
        migrate.upgrade(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")


def test_a_driver_that_is_missing_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SetUpWrong, match=r"install bartizan-controller\[postgresql\]"):
        migrate.upgrade(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")


def test_a_database_that_lacks_characters_is_refused(postgresql: Cluster) -> None:
    options = "ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with postgresql.database(options) as url, pytest.raises(StoreRefuses, match="not in UTF-8"):
        migrate.upgrade(url)


def test_a_database_of_somebody_else_is_refused(postgresql: Cluster) -> None:
    with postgresql.database() as url:
        name = url.partition("@/")[2].partition("?")[0]
        postgresql.execute(f"ALTER DATABASE {name} OWNER TO postgres")
        with pytest.raises(StoreRefuses, match="owner of the database"):
            migrate.upgrade(url)
