"""Rows of sealed camera credentials: bytes that only one gateway can open."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, select, update

from bartizan.ids import SiteId
from bartizan_controller.errors import Conflict
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import sealed_credentials


class StoredCredentials(msgspec.Struct, frozen=True):
    """The sealed credential book of one site."""

    site: SiteId
    generation: int
    sealed: bytes
    sealed_to: str
    """The gateway's sealing key when it was given, base64."""
    given_by: str
    given_at: float
    published: int = 0


def load(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, StoredCredentials]:
    """Return what is held for these sites; sites without are left out."""
    found: dict[SiteId, StoredCredentials] = {}
    for some in dialect.portions(sites):
        query = select(sealed_credentials).where(sealed_credentials.c.site.in_(some))
        for row in connection.execute(query).mappings():
            found[SiteId(row["site"])] = _stored(row)
    return found


def save(connection: Connection, credentials: StoredCredentials) -> None:
    """Keep a newer book.

    Raises:
        Conflict: One of this generation or a later one is held.
    """
    held = load(connection, [credentials.site]).get(credentials.site)
    if held is not None and held.generation >= credentials.generation:
        raise Conflict(f"credentials {held.generation} are held: seal a book with a greater generation")
    row = msgspec.structs.asdict(credentials)
    statement = dialect.insert(connection, sealed_credentials).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["site"], set_=row))


def unpublished(connection: Connection, *, limit: int) -> tuple[StoredCredentials, ...]:
    """Return books that the broker has not yet taken."""
    query = select(sealed_credentials).where(sealed_credentials.c.published < sealed_credentials.c.generation)
    query = query.order_by(sealed_credentials.c.site).limit(limit)
    return tuple(_stored(row) for row in connection.execute(query).mappings())


def note_published(connection: Connection, published: Sequence[StoredCredentials]) -> None:
    """Note that the broker has taken these books."""
    for book in published:
        connection.execute(
            update(sealed_credentials)
            .where(sealed_credentials.c.site == book.site, sealed_credentials.c.published < book.generation)
            .values(published=book.generation)
        )


def _stored(row: RowMapping) -> StoredCredentials:
    return StoredCredentials(**row)
