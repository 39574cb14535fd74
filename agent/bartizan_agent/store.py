"""The agent's one SQLite file: opened here, its tables owned by the modules that use them."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

CACHE_KIBIBYTES = 512
CHECKPOINT_PAGES = 4096  # far above the default of 1,000, which runs inside commits on the hot path


def open_store(path: Path, schemas: Iterable[str]) -> sqlite3.Connection:
    """Return the store's only connection, in WAL mode, with every module's tables made.

    Transactions are explicit: `with transaction(connection)`.

    Args:
        path: The file; made if missing, readable by its owner only.
        schemas: `CREATE … IF NOT EXISTS` scripts, one per module.

    Raises:
        sqlite3.DatabaseError: The file is not a database, or the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("PRAGMA mmap_size=0")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
        for schema in schemas:
            connection.executescript(schema)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def open_volatile(schemas: Iterable[str]) -> sqlite3.Connection:
    """Return a store that ends with the process: where the disk takes none, containing goes on all the same."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for schema in schemas:
        connection.executescript(schema)
    return connection


def set_aside_if_damaged(path: Path) -> Path | None:
    """Check the store; move a damaged one aside and return where it is now, or None if it is sound.

    A disk that is full or refuses is not damage: such a file stays where it is.
    """
    if not path.exists() or _sound(path):
        return None
    number = next(n for n in range(1, 1000) if not _damaged_name(path, n).exists())
    aside = _damaged_name(path, number)
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or roll all of it back. Inside another transaction, be part of that one.

    Raises:
        sqlite3.OperationalError: The disk is full or refuses.
    """
    joined = connection.in_transaction
    if joined:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself has rolled back when it found the disk full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False


def _damaged_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}")
