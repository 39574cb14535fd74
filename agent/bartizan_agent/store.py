"""The agent's one SQLite file: opened here, its tables owned by the modules that use them."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

CHECKPOINT_PAGES = 4096  # far above the default of 1,000, which runs inside commits on the hot path


def open_store(path: Path, schemas: Iterable[str]) -> sqlite3.Connection:
    """Return the store's only connection, in WAL mode, with every module's tables made.

    Transactions are explicit (`with connection:` commits or rolls back what follows a `BEGIN`).

    Args:
        path: The file; made if missing, readable by its owner only.
        schemas: `CREATE … IF NOT EXISTS` scripts, one per module.

    Raises:
        sqlite3.DatabaseError: The file is not a database, or the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute("PRAGMA mmap_size=0")
    for schema in schemas:
        connection.executescript(schema)
    return connection
