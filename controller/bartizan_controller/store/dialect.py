"""What SQLite and PostgreSQL spell differently: the only module that knows which of the two it is."""

import contextlib
import functools
import operator
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Executable,
    Row,
    Table,
    Text,
    case,
    create_engine,
    event,
    literal_column,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from bartizan_controller.errors import SetUpWrong, StoreRefuses

AUTOCHECKPOINT_PAGES = 65_536  # the default of 1,000 checkpoints inside commits on the hot path
LOCK_WAIT_SECONDS = 10
CONNECT_SECONDS = 10
_WRITERS = 0x62617274
"""The number of the advisory lock that whoever writes holds in PostgreSQL."""
READERS = 4
_LIST_SIZES = (1, 25, 500)
PARAMETERS = _LIST_SIZES[-1]  # of one IN list; SQLite's limit for a statement is 32,766

T = TypeVar("T")

_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk gives errors: look at the system's log",
    sqlite3.SQLITE_READONLY: "the database may not be written: check its owner and mount",
    sqlite3.SQLITE_BUSY: "another program holds the database: stop it",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is no database: restore it from a backup",
}
_POSTGRESQL_REASONS = {
    "25006": "it is read only: name the primary, and not a standby",
    "42501": "its user may not: make that user the owner of the database",
    "53100": "the disk is full: free some space",
    "55P03": "another program holds the database: stop it",
}
_LIMIT_EXCEEDED = "54"
"""Class of SQLSTATE: what was to be written is too large for an index. psycopg calls it a matter of the server."""


def sqlite_url(path: Path) -> str:
    """Return the URL of a database in a file."""
    return f"sqlite:///{path}"


def writing_engine(url: str) -> Engine:
    """Return an engine of one connection, whose transactions begin as writers."""
    engine = _engine(url, connections=1)
    if _is_sqlite(url):
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    else:
        event.listen(engine, "begin", _begin_alone)
    return engine


def reading_engine(url: str) -> Engine:
    """Return an engine of a few connections that cannot write."""
    engine = _engine(url, connections=READERS)
    if _is_sqlite(url):
        event.listen(engine, "connect", _set_up_sqlite_reader)
        event.listen(engine, "begin", _begin_deferred)
        return engine
    # As in SQLite, all statements of a query see the same state.
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def check(connection: Connection) -> None:
    """Check that a database can hold what is written to it.

    Raises:
        StoreRefuses: It keeps texts in an encoding that lacks characters.
    """
    if connection.dialect.name == "postgresql":
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding not in {"UTF8", b"UTF8"}:
            raise StoreRefuses("the database is not in UTF-8: make another with ENCODING 'UTF8' TEMPLATE template0")


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def many(
    connection: Connection, statement: Executable, rows: Sequence[Mapping[str, object]], *, prefix: str = ""
) -> None:
    """Execute a statement once for each row, whose values are such as drivers take without conversion.

    Parameters are called as values of the rows, with `prefix` before them: those of an update may not be called as its
    columns.
    """
    if rows:
        names = tuple(rows[0])
        values = [tuple([row[name] for name in names]) for row in rows]
        many_rows(connection, statement, tuple(f"{prefix}{name}" for name in names), values)


def many_rows(
    connection: Connection, statement: Executable, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """As `many`, with rows whose values are in the order of the statement's parameters `names`.

    SQLAlchemy looks at every value of every row, which takes as long as writing the rows does, and makes ready for
    what no statement here needs.
    """
    if rows:
        compiled = _compiled(connection.dialect, statement, tuple(names))
        given: Sequence[Any] = rows
        if not compiled.positional:
            given = [dict(zip(names, row, strict=True)) for row in rows]
        elif compiled.positiontup != list(names):
            in_order = operator.itemgetter(*map(names.index, compiled.positiontup or ()))
            given = [in_order(row) for row in rows]
        with _cursor(connection) as cursor:
            cursor.executemany(str(compiled), given)


def rows_of(
    connection: Connection, statement: Executable, name: str, values: Iterable[str], **more: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a SELECT whose expanding parameter `name` takes these values, as the driver gives them.

    SQLAlchemy writes the statement anew for every list, and looks at every value of every row; a report of a few
    changes would spend more on that than on what it changes.
    """
    for some in portions(values):
        count = next(size for size in _LIST_SIZES if size >= len(some))
        selecting = _selecting(connection.dialect, statement, name, count, tuple(more))
        given = {**selecting.constants, **more}
        given |= zip(selecting.listed, some + some[-1:] * (count - len(some)), strict=True)
        parameters = given if selecting.order is None else tuple(given[each] for each in selecting.order)
        with _cursor(connection) as cursor:
            cursor.execute(selecting.text, parameters)
            yield from cursor.fetchall()


@contextlib.contextmanager
def _cursor(connection: Connection) -> Iterator[DBAPICursor]:
    """Give the driver's own cursor, in the transaction of a connection; its errors become SQLAlchemy's."""
    cursor = connection.connection.cursor()
    failures = connection.dialect.loaded_dbapi.Error
    try:
        yield cursor
    except failures as error:
        raise DBAPIError.instance(None, None, error, failures, dialect=connection.dialect) from error
    finally:
        cursor.close()


def all_rows(connection: Connection, statement: Executable) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the rows of a SELECT without parameters, as the driver gives them: SQLite has no truth values."""
    return connection.exec_driver_sql(str(_compiled(connection.dialect, statement, ()))).all()


def insert_new(connection: Connection, table: Table) -> Executable:
    """Return an INSERT of a row that does nothing where the row is held already."""
    return _insert_new(connection.dialect.name, table)


def upsert(connection: Connection, table: Table, *keys: str) -> Executable:
    """Return an INSERT of a whole row that replaces what is held under these keys."""
    return _upsert(connection.dialect.name, table, keys)


def accumulate(connection: Connection, table: Table, *keys: str, kept: str, summed: str, most: int) -> Executable:
    """Return an INSERT of a whole row that, where these keys are held, leaves `kept` alone and adds to `summed`.

    What is `most` or more is not added to.
    """
    return _accumulate(connection.dialect.name, table, keys, kept, summed, most)


def like(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """Return whether case-folded text may be like a case-folded pattern with `*` and `?` as wildcards."""
    # SQLite refuses patterns of more than 50,000 octets; people write shorter ones.
    escaped = "".join(f"\\{each}" if each in "\\%_" else each for each in pattern)
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def unindexed(column: ColumnElement[T]) -> ColumnElement[T]:
    """Return a column that no index is used for: for conditions that many rows fulfil, and lists in another order.

    Reading a list in its order until a page is full is quicker than finding all that fit and sorting them.
    """
    return column + ("" if isinstance(column.type, Text) else 0)


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists short enough for one statement's parameters."""
    everything = list(values)
    for start in range(0, len(everything), PARAMETERS):
        yield everything[start : start + PARAMETERS]


def checkpoint(engine: Engine) -> None:
    """Move what is committed from the write-ahead log into the file, without waiting for readers.

    Raises:
        StoreRefuses: The disk is full or refuses; what is committed stays in the log.
    """
    if engine.dialect.name == "sqlite":
        # Not through SQLAlchemy, which would begin a transaction: a checkpoint inside one is refused.
        try:
            with contextlib.closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except sqlite3.OperationalError as error:
            raise _refusal(error) from error


def translate(error: DBAPIError) -> StoreRefuses:
    """Return the refusal that a database error means, in words that say what to do."""
    return _refusal(error.orig)


def is_about_a_text(error: DBAPIError) -> bool:
    """Return whether a text has U+0000, which SQLite keeps and PostgreSQL does not."""
    return isinstance(error, DataError) and "NUL (0x00)" in str(error.orig)


def _refusal(error: BaseException | None) -> StoreRefuses:
    code = getattr(error, "sqlite_errorcode", None)
    reason = _POSTGRESQL_REASONS.get(
        getattr(error, "sqlstate", None) or "", "it is not there, or will not write: look at its own log"
    )
    if code is not None:
        # The low octet is the class of the error; the rest is detail.
        reason = _REASONS.get(code & 0xFF, f"SQLite says {getattr(error, 'sqlite_errorname', code)}")
    return StoreRefuses(f"the database refuses; nothing was changed: {reason}")


def is_outage(error: DBAPIError) -> bool:
    """Return whether the database, and not the statement, is the matter."""
    name = type(error).__name__
    if (getattr(error.orig, "sqlstate", None) or "").startswith(_LIMIT_EXCEEDED):
        return False
    return name in {"OperationalError", "InternalError", "InterfaceError"} or (
        name == "DatabaseError" and getattr(error.orig, "sqlite_errorcode", None) is not None
    )


@functools.lru_cache(maxsize=256)
def _compiled(spoken: Dialect, statement: Executable, names: tuple[str, ...]) -> SQLCompiler:
    compiled: SQLCompiler = statement.compile(dialect=spoken, column_keys=list(names))  # type: ignore[attr-defined]
    return compiled


class _Selecting(NamedTuple):
    """A SELECT with a list of a certain length."""

    text: str
    listed: tuple[str, ...]
    """Parameters that stand for the list."""
    constants: dict[str, object]
    order: tuple[str, ...] | None
    """Of all parameters, where the driver wants them in order."""


@functools.lru_cache(maxsize=64)
def _selecting(spoken: Dialect, statement: Executable, name: str, count: int, more: tuple[str, ...]) -> _Selecting:
    compiled: SQLCompiler = statement.compile(dialect=spoken)  # type: ignore[attr-defined]
    marks = [object() for _ in range(count)]
    expanded = compiled.construct_expanded_state({name: marks, **dict.fromkeys(more)})
    listed = {id(value): key for key, value in expanded.parameters.items()}
    names = tuple(listed[id(mark)] for mark in marks)
    constants = {key: value for key, value in expanded.parameters.items() if key not in {*names, *more}}
    order = tuple(expanded.positiontup or ()) if compiled.positional else None
    return _Selecting(expanded.statement, names, constants, order)


@functools.lru_cache(maxsize=64)
def _insert_new(name: str, table: Table) -> Executable:
    statement = sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)
    return statement.on_conflict_do_nothing()


@functools.lru_cache(maxsize=64)
def _upsert(name: str, table: Table, keys: tuple[str, ...]) -> Executable:
    statement = sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


@functools.lru_cache(maxsize=64)
def _accumulate(name: str, table: Table, keys: tuple[str, ...], kept: str, summed: str, most: int) -> Executable:
    statement = sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)
    held = table.c[summed]
    changed: dict[str, ColumnElement[Any]] = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name not in (*keys, kept)
    }
    changed[summed] = case((held < literal_column(str(most)), held + statement.excluded[summed]), else_=held)
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


def _engine(url: str, *, connections: int) -> Engine:
    if _is_sqlite(url):
        return create_engine(url, pool_size=connections, max_overflow=0)
    try:
        return create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"},
        )
    except ModuleNotFoundError as error:
        raise SetUpWrong("psycopg is not installed: install bartizan-controller[postgresql]") from error


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin when SQLAlchemy says so, not when sqlite3 thinks so
    for pragma in (
        f"busy_timeout={LOCK_WAIT_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "mmap_size=0",
        "cache_size=-65536",
        f"wal_autocheckpoint={AUTOCHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_up_sqlite_reader(connection: Any, record: object) -> None:
    _set_up_sqlite(connection, record)
    connection.execute("PRAGMA query_only=ON").close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_alone(connection: Connection) -> None:
    """Wait until nobody else writes, as SQLite does: the audit chain has one end, and events are read by number."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def _begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
