"""Brings a database to the tables of this version, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from bartizan_controller.store import dialect


def upgrade(url: str, *, to: str = "head") -> None:
    """Bring the database at `url` to the newest step, or to an earlier one; one that is there already is left as it is.

    Raises:
        StoreRefuses: The disk is full, or the database is away or damaged.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = dialect.writing_engine(url)
    try:
        with engine.begin() as connection:
            dialect.check(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    except DBAPIError as error:
        raise dialect.translate(error) from error
    finally:
        engine.dispose()
