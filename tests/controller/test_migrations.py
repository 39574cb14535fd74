"""Migrations lead to the tables that the code uses, on an empty database and on one that is there already."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, Mac, OrganisationId, SiteId
from bartizan.wire import codec
from bartizan.wire.up import DevicePosture
from bartizan_controller import inventory
from bartizan_controller.errors import StoreRefuses
from bartizan_controller.inventory import SeenDevice
from bartizan_controller.store import (
    counters,
    devices,
    dialect,
    history,
    judgements,
    migrate,
    pushes,
    reported,
    rollouts,
)
from bartizan_controller.store.database import Database
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.tables import METADATA

OWNERS = (rollouts, pushes, judgements)
"""Modules that bring tables of their own into the metadata."""


def test_migrations_and_tables_say_the_same(tmp_path: Path) -> None:
    url = dialect.sqlite_url(tmp_path / "new.db")
    migrate.upgrade(url)
    migrate.upgrade(url)

    engine = dialect.reading_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    assert names == {*METADATA.tables, "alembic_version"}


def test_devices_and_their_past_are_carried_over(tmp_path: Path) -> None:
    """From the second step on: what was found, when it changed, and how many there are."""
    url = dialect.sqlite_url(tmp_path / "old.db")
    migrate.upgrade(url, to="0002")
    held = Device(
        DeviceId("serial:A1"),
        Identity(maker="hikvision", kind=Kind.CAMERA, model="DS-2", firmware="V6", serial="A1"),
        "cam0",
        macs=(Mac("00:00:5e:00:53:01"),),
        vulnerabilities=("CVE-2021-36260",),
    )
    posture = DevicePosture(held.id, Level.ISOLATE, Level.WATCH)
    lines = [
        *((100.0, name, "", value) for name, value in inventory.record(SeenDevice(held, posture)).facts.items()),
        (200.0, "firmware", "V6", "V7"),
        (300.0, "firmware", "V7", "V6"),
    ]
    with closing(sqlite3.connect(tmp_path / "old.db")) as old, old:
        old.execute("INSERT INTO organisations VALUES ('council', 'Council', NULL, 0)")
        old.execute("INSERT INTO sites VALUES ('north', 'council', 'North', 0)")
        old.execute(
            "INSERT INTO devices VALUES "
            "('north', ?, 'hikvision', 'camera', 'DS-2', 'V6', 'isolate', 'watch', 0, 1, 5, 0, ?, ?, ?)",
            (held.id, b"x", codec.encode(held), codec.encode(posture)),
        )
        old.executemany(
            "INSERT INTO device_history (site, device, at, field, before, after) VALUES ('north', ?, ?, ?, ?, ?)",
            [(held.id, at, name, before, after) for at, name, before, after in lines],
        )
    migrate.upgrade(url)

    with Database(url) as database:
        found = database.query(lambda c: devices.page(c, Filter(name="a1", vulnerable=True), limit=10))
        assert [placed.state.device.id for placed in found] == [held.id]
        chain = database.query(lambda c: history.of_device(c, SiteId("north"), held.id, limit=10))
        assert [(each.since, each.until, each.facts["firmware"]) for each in chain] == [
            (300.0, None, "V6"),
            (200.0, 300.0, "V7"),
            (100.0, 200.0, "V6"),
        ]
        assert chain[0].facts == inventory.record(SeenDevice(held, posture)).facts
        assert database.query(counters.recount) == ()
        seen = {held.id: SeenDevice(held, posture)}
        database.change(lambda c: reported.replace(c, SiteId("north"), OrganisationId("council"), seen, now=400.0))
        assert len(database.query(lambda c: history.of_device(c, SiteId("north"), held.id, limit=10))) == 3


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "controller.db"
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreRefuses, match="restore it from a backup"):
        migrate.upgrade(dialect.sqlite_url(path))
    assert path.read_bytes() == b"not a database" * 1000
