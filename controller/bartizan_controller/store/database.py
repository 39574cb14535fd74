"""Opens the database: one writer thread with one connection, a few readers.

Changes and queries are plain functions of a connection. A change runs in one transaction, commits when the function
returns and is rolled back when it raises. SQLite before 3.51.3 can damage a write-ahead log that two connections
write or checkpoint at the same instant: here only the writer does either.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bartizan_controller.store import dialect

T = TypeVar("T")


class Database:
    """The store of one controller. Close it, or use it as a context manager."""

    def __init__(self, url: str) -> None:
        self._writing = dialect.writing_engine(url)
        self._reading = dialect.reading_engine(url)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(dialect.READERS, "store-reader")
        self._queued = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def change(self, change: Callable[[Connection], T]) -> T:
        """Run a change in one transaction, and return what it returns once it is committed.

        Raises:
            StoreRefuses: The disk is full or the database is away; nothing was changed.
            ValueError: The database cannot keep a text.
        """
        with _translated(), self._writing.begin() as connection:
            return change(connection)

    def query(self, query: Callable[[Connection], T]) -> T:
        """Run a query on one consistent state of the database.

        Raises:
            StoreRefuses: The database is away.
            ValueError: The database cannot hold a text that is asked for.
        """
        with _translated(), self._reading.begin() as connection:
            return query(connection)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run a change on the writer's thread; as `change`."""
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self.change, change)
        finally:
            self._queued -= 1

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a reader's thread; as `query`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.query, query)

    async def checkpoint_when_idle(self) -> None:
        """Shorten the write-ahead log, unless somebody waits to write."""
        if not self._queued:
            await asyncio.get_running_loop().run_in_executor(self._writer, dialect.checkpoint, self._writing)

    def close(self) -> None:
        """Let what runs finish, then close every connection."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if dialect.is_outage(error):
            raise dialect.translate(error) from error
        if dialect.is_about_a_text(error):
            raise ValueError("a text has the character U+0000, which PostgreSQL does not keep") from error
        raise
