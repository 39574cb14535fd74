"""Migrations lead to the tables that the code uses, on an empty database and on one that is there already."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Column, Connection, LargeBinary, MetaData, Table, Text, func, inspect, select, text

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import BootId, DeviceId, Mac, OrganisationId, SiteId
from bartizan.wire import codec
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.errors import StoreRefuses
from bartizan_controller.inventory import SeenDevice
from bartizan_controller.store import (
    counters,
    devices,
    dialect,
    events,
    history,
    judgements,
    migrate,
    pushes,
    reported,
    rollouts,
    standbys,
)
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.tables import METADATA
from tests.conftest import SORTS

OWNERS = (rollouts, pushes, judgements, standbys)
"""Modules that bring tables of their own into the metadata."""


STEPS = [each.revision for each in ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).walk_revisions()]
NORTH, COUNCIL = SiteId("north"), OrganisationId("council")
HELD = Device(
    DeviceId("serial:A1"),
    Identity(maker="hikvision", kind=Kind.CAMERA, model="DS-2", firmware="V6", serial="A1"),
    "cam0",
    macs=(Mac("00:00:5e:00:53:01"),),
    vulnerabilities=("CVE-2021-36260",),
)
POSTURE = DevicePosture(HELD.id, Level.ISOLATE, Level.WATCH)
FACTS = inventory.record(SeenDevice(HELD, POSTURE)).facts


@pytest.fixture(params=SORTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield dialect.sqlite_url(tmp_path / "old.db")
        return
    with request.getfixturevalue("postgresql").database() as made:
        yield made


def test_migrations_and_tables_say_the_same(url: str) -> None:
    migrate.upgrade(url)
    migrate.upgrade(url)

    engine = dialect.reading_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    assert names == {*METADATA.tables, "alembic_version"}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_no_text_is_in_the_order_of_a_language(url: str) -> None:
    """Lists go on behind a text that Python compares as well; and that order changes with the system's libraries."""
    migrate.upgrade(url)
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    )
    with Database(url) as database:
        assert database.query(lambda c: c.execute(query).all()) == []


@pytest.mark.parametrize("step", STEPS)
def test_what_any_step_held_is_held_by_the_newest(url: str, step: str) -> None:
    """And can be added to: numbers go on, devices are reported again."""
    migrate.upgrade(url, to=step)
    with Database(url) as old:
        filled = old.change(fill)
    migrate.upgrade(url)

    with Database(url) as database:
        counted = {
            table.name: database.query(lambda c, it=table: c.execute(select(func.count()).select_from(it)).scalar_one())  # type: ignore[misc]
            for table in METADATA.sorted_tables
        }
        assert [name for name in filled if not counted.get(name)] == []
        (found,) = database.query(lambda c: devices.page(c, Filter(), limit=10))
        assert found.state.device.identity == HELD.identity
        told = RecordedEvent(NORTH, 1.0, 1.0, "kind", {}, boot=BootId("b"), sequence=2)
        database.change(lambda c: events.add(c, [told]))
        database.change(lambda c: reported.replace(c, NORTH, COUNCIL, {}, now=400.0))
        newest, *_ = database.query(lambda c: history.of_device(c, NORTH, HELD.id, limit=10))
        assert (newest.since, newest.facts) == (400.0, {})
        database.change(counters.repair)
        assert database.query(counters.recount) == ()


def fill(connection: Connection) -> list[str]:
    """Put a row into every table that there is; return their names."""
    held = MetaData()
    held.reflect(connection, resolve_fks=True)
    tables = [table for table in held.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        row = {column.name: value(table, column) for column in table.columns}
        if table.name in {"device_history", "events"}:
            del row["number"]
        connection.execute(table.insert().values(row))
    return [table.name for table in tables]


def value(table: Table, column: Column[object]) -> object:
    """Return something that the column holds, the same for the same thing in every table."""
    if column.nullable:
        return None
    if isinstance(column.type, LargeBinary):
        documents = {"device": HELD, "posture": POSTURE, "facts": FACTS}
        return codec.encode(documents.get(column.name, {}))
    if isinstance(column.type, Text):
        ids = {"organisations": COUNCIL, "sites": NORTH, "devices": HELD.id, "device_documents": HELD.id}
        texts = {"site": NORTH, "organisation": COUNCIL, "device": HELD.id, "id": ids.get(table.name, "x")}
        return texts.get(column.name, "x")
    return True if isinstance(column.type, Boolean) else 1


def test_devices_and_their_past_are_carried_over(url: str) -> None:
    """From the second step on: what was found, when it changed, and how many there are."""
    migrate.upgrade(url, to="0002")
    lines = [
        *((100.0, name, "", value) for name, value in FACTS.items()),
        (200.0, "firmware", "V6", "V7"),
        (300.0, "firmware", "V7", "V6"),
    ]

    def put(connection: Connection) -> None:
        connection.execute(text("INSERT INTO organisations VALUES ('council', 'Council', NULL, 0)"))
        connection.execute(text("INSERT INTO sites VALUES ('north', 'council', 'North', 0)"))
        connection.execute(
            text(
                "INSERT INTO devices VALUES ('north', :id, 'hikvision', 'camera', 'DS-2', 'V6', 'isolate', 'watch',"
                " false, true, 5, 0, :digest, :device, :posture)"
            ),
            {"id": HELD.id, "digest": b"x", "device": codec.encode(HELD), "posture": codec.encode(POSTURE)},
        )
        connection.execute(
            text(
                "INSERT INTO device_history (site, device, at, field, before, after)"
                " VALUES ('north', :id, :at, :field, :before, :after)"
            ),
            [dict(zip(("id", "at", "field", "before", "after"), (HELD.id, *line), strict=True)) for line in lines],
        )

    with Database(url) as old:
        old.change(put)
    migrate.upgrade(url)

    with Database(url) as database:
        found = database.query(lambda c: devices.page(c, Filter(name="a1", vulnerable=True), limit=10))
        assert [placed.state.device.id for placed in found] == [HELD.id]
        chain = database.query(lambda c: history.of_device(c, NORTH, HELD.id, limit=10))
        assert [(each.since, each.until, each.facts["firmware"]) for each in chain] == [
            (300.0, None, "V6"),
            (200.0, 300.0, "V7"),
            (100.0, 200.0, "V6"),
        ]
        assert chain[0].facts == FACTS
        assert database.query(counters.recount) == ()
        seen = {HELD.id: SeenDevice(HELD, POSTURE)}
        database.change(lambda c: reported.replace(c, NORTH, COUNCIL, seen, now=400.0))
        assert len(database.query(lambda c: history.of_device(c, NORTH, HELD.id, limit=10))) == 3


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "controller.db"
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreRefuses, match="restore it from a backup"):
        migrate.upgrade(dialect.sqlite_url(path))
    assert path.read_bytes() == b"not a database" * 1000
