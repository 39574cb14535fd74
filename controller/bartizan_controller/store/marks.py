"""Single remembered values, by name: how far something has come."""

from sqlalchemy import Connection, select

from bartizan_controller.store import dialect
from bartizan_controller.store.tables import marks


def read(connection: Connection, name: str) -> str:
    """Return a value, empty if none was ever written."""
    return connection.execute(select(marks.c.value).where(marks.c.name == name)).scalar() or ""


def write(connection: Connection, name: str, value: str) -> None:
    """Remember a value."""
    statement = dialect.insert(connection, marks).values(name=name, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
