"""Migrations lead to the tables that the code uses, on an empty database and on one that is there already."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from bartizan_controller.errors import StoreRefuses
from bartizan_controller.store import dialect, migrate, rollouts
from bartizan_controller.store.tables import METADATA

OWNERS = (rollouts,)
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


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "controller.db"
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(StoreRefuses, match="restore it from a backup"):
        migrate.upgrade(dialect.sqlite_url(path))
    assert path.read_bytes() == b"not a database" * 1000
