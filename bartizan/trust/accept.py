"""When an order book is accepted: its bytes are verified, then parsed, then weighed against what is held.

Whose clock decides? A book's `issued_at` is for people only. A gateway whose clock is behind sees every book as
issued in its future; as a book can only tighten, obeying it is the safe side, so the future is no reason to refuse.
`expires_at` does count, against replay to a gateway that holds no book; a clock that is ahead therefore refuses
books, keeps what it holds, and says so.
"""

import msgspec

from bartizan.errors import Expired, Loosens, Malformed, Refused, Stale, TooNew
from bartizan.firmware.model import Image
from bartizan.ids import SiteId
from bartizan.trust import dsse
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import PAYLOAD_TYPE, Install, OrderBook
from bartizan.wire import codec

GENERATION_LIMIT = 2**53  # exact in every JSON reader, and fits SQLite's integer

LOOSENING_KINDS = frozenset({"lower", "release", "allow", "exempt", "waive", "unblock", "remove"})
LOOSENING_LEVELS = frozenset({"none", "off", "open", "allow", "release"})


def accept(
    envelope: bytes,
    director: DirectorKeys,
    *,
    held: OrderBook | None,
    scope: SiteId | None,
    now: float,
    capability: int,
) -> OrderBook:
    """Return the order book that is in force after `envelope` arrived.

    That is `held` itself if the same book came again. Where the key that signed `held` has been taken out of the
    catalogue, pass no `held`: a thief's high generation must not outlive the thief's key.

    Args:
        envelope: DSSE envelope, JSON.
        director: The keys whose orders count, from the verified catalogue.
        held: The book in force for this scope.
        scope: This gateway's site, or None for the estate's book.
        now: Unix seconds.
        capability: What this program understands.

    Raises:
        BadSignature: Not signed by a director key.
        TooNew: It needs a greater capability.
        Loosens: It holds an entry that would lower a level; none can be expressed, so somebody made it by hand.
        Malformed: Another scope, or content that no director writes.
        Stale: An older generation, or the same generation with other content.
        Expired: Its time is over.
    """
    return weigh(open_book(envelope, director, scope=scope, capability=capability), held=held, now=now)


def weigh(book: OrderBook, *, held: OrderBook | None, now: float) -> OrderBook:
    """Return the order book that is in force after `book` arrived, verified and read; see `accept`.

    Raises:
        Stale: An older generation, or the same generation with other content.
        Expired: Its time is over.
    """
    if held is not None:
        if book == held:
            return held
        if book.generation < held.generation:
            raise Stale(f"order book {book.generation} came after {held.generation}")
        if book.generation == held.generation:
            raise Stale(f"order book {book.generation} came again with other content")
    if book.expires_at <= now:
        raise Expired(f"order book {book.generation} expired {now - book.expires_at:.0f} s ago by this clock")
    return book


def open_book(envelope: bytes, director: DirectorKeys, *, scope: SiteId | None, capability: int) -> OrderBook:
    """Return the book in an envelope, verified and parsed but not weighed: for one that was accepted earlier.

    Raises:
        BadSignature: Not signed by a director key.
        TooNew: It needs a greater capability.
        Loosens: It holds an entry that would lower a level.
        Malformed: Another scope, or content that no director writes.
    """
    return read_book(dsse.verify(envelope, PAYLOAD_TYPE, director.keys), scope=scope, capability=capability)


def read_book(payload: bytes, *, scope: SiteId | None, capability: int) -> OrderBook:
    """Return the book in the payload of an envelope that was verified.

    Raises:
        TooNew: It needs a greater capability.
        Loosens: It holds an entry that would lower a level.
        Malformed: Another scope, or content that no director writes.
    """
    needed = codec.decode(payload, _Header, dsse.LIMIT).capability
    if needed > capability:
        raise TooNew(f"the order book needs capability {needed}; this program has {capability}: update it")
    book = _parse(payload)
    if not 0 < book.generation < GENERATION_LIMIT:
        raise Malformed(f"generation {book.generation} is impossible")
    if book.site != scope:
        raise Malformed(f"the order book is for {_scope(book.site)}, not for {_scope(scope)}")
    return book


def vetted_image(order: Install, catalogue: Catalogue, now: float) -> Image:
    """Return the image that an order names, as two people vetted it.

    Raises:
        Expired: The catalogue is too old to flash by.
        Refused: The catalogue does not hold the image, or has recalled it.
    """
    if catalogue.expires_at <= now:
        raise Expired("the catalogue has expired: nothing is flashed until a newer one is accepted")
    image = next((image for image in catalogue.images if image.id == order.image), None)
    if image is None:
        raise Refused(f"order {order.id!r} names {order.image!r}, which the catalogue does not hold")
    if image.recalled:
        raise Refused(f"order {order.id!r} names {image.file_name!r}, which was recalled")
    return image


class _Header(msgspec.Struct):
    """What is read of a book before all else, by programs of every age."""

    capability: int


class _LooseEntry(msgspec.Struct):
    type: str = ""
    level: str = ""


class _LooseBook(msgspec.Struct):
    orders: tuple[_LooseEntry, ...] = ()


def _parse(payload: bytes) -> OrderBook:
    try:
        return codec.decode(payload, OrderBook, dsse.LIMIT)
    except Malformed as malformed:
        attempt = _loosening(payload)
        if attempt:
            raise Loosens(f"the order book tries to {attempt}; orders only tighten") from malformed
        raise


def _loosening(payload: bytes) -> str:
    """Return what a book that cannot be parsed tries to lower, or nothing if that cannot be told."""
    try:
        entries = codec.decode(payload, _LooseBook, dsse.LIMIT).orders
    except Malformed:
        return ""
    for entry in entries:
        if entry.type in LOOSENING_KINDS:
            return entry.type
        if entry.level in LOOSENING_LEVELS:
            return f"set level {entry.level!r}"
    return ""


def _scope(site: SiteId | None) -> str:
    return "the estate" if site is None else f"site {site!r}"
