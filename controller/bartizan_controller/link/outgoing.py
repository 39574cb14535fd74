"""What is committed but not yet taken by the broker: read from the database, so that no crash can lose it."""

import msgspec
import structlog
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan.wire import codec, topics
from bartizan.wire.down import CatalogueBundle, Down, OrdersEnvelope, SealedCredentials
from bartizan_controller.store import books, credentials, marks
from bartizan_controller.store.books import StoredBook
from bartizan_controller.store.credentials import StoredCredentials
from bartizan_controller.wiring import Catalogue

CATALOGUE_MARK = "catalogue-published"
AT_ONCE = 200
TIMESTAMP_PATH = "metadata/timestamp.json"

Message = tuple[str, bytes]
"""Topic and payload."""


log = structlog.get_logger()


class Outgoing(msgspec.Struct, frozen=True):
    """Messages, and what to note once the broker has taken them."""

    messages: tuple[Message, ...]
    books: tuple[StoredBook, ...] = ()
    credentials: tuple[StoredCredentials, ...] = ()
    catalogue: dict[str, int] = {}


def encoded(message: Down, limit: int) -> bytes:
    """Return the payload of a message. A bundle of more than `limit` octets becomes an announcement.

    That is its metadata, or of that the timestamp alone: signed, and enough for a gateway to know that it lacks
    something. It fetches that by HTTPS.
    """
    payload = codec.encode(message)
    if not isinstance(message, CatalogueBundle) or len(payload) <= limit:
        return payload
    metadata = {name: content for name, content in message.files.items() if name.startswith("metadata/")}
    announced = codec.encode(CatalogueBundle(metadata))
    if len(announced) <= limit:
        return announced
    return codec.encode(CatalogueBundle({name: metadata[name] for name in metadata if name == TIMESTAMP_PATH}))


def collect(connection: Connection, catalogue: Catalogue, limit: int) -> Outgoing:
    """Return some of what the broker has not yet taken; nothing in it means that there is no more.

    Args:
        connection: To the database.
        catalogue: What is published.
        limit: Octets of payload that the broker takes.
    """
    waiting_books = books.unpublished(connection, limit=AT_ONCE)
    waiting_credentials = credentials.unpublished(connection, limit=AT_ONCE)
    published = codec.decode(marks.read(connection, CATALOGUE_MARK).encode() or b"{}", dict[str, int])
    messages = [
        _down(gateway, OrdersEnvelope(book.envelope))
        for book in waiting_books
        for gateway in (book.site, *(catalogue.standbys(book.site) if book.site is not None else ()))
    ]
    messages += [_down(each.site, SealedCredentials(each.generation, each.sealed)) for each in waiting_credentials]
    if published != catalogue.versions:
        # First of all: it names the keys by which orders are judged.
        bundle = catalogue.bundle_since(published)
        payload = encoded(bundle, limit)
        messages.insert(0, (topics.ALL_CATALOGUE, payload))
        if payload != codec.encode(bundle):
            log.warning("catalogue too large for the broker, gateways fetch it", limit_octets=limit)
    return Outgoing(
        messages=tuple(messages),
        books=waiting_books,
        credentials=waiting_credentials,
        catalogue=catalogue.versions if published != catalogue.versions else {},
    )


def note_taken(connection: Connection, taken: Outgoing) -> None:
    """Note that the broker has taken all of it."""
    books.note_published(connection, taken.books)
    credentials.note_published(connection, taken.credentials)
    if taken.catalogue:
        marks.write(connection, CATALOGUE_MARK, codec.encode(taken.catalogue).decode())


def _down(site: SiteId | None, message: Down) -> Message:
    return (topics.ALL_ORDERS if site is None else topics.down(site), codec.encode(message))
