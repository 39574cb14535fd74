"""The director signs order books with its online key. What a book can say only tightens, whoever holds the key."""

from bartizan.trust import dsse
from bartizan.trust.content import DirectorKeys
from bartizan.trust.keys import SigningKey
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook
from bartizan.wire import codec


class Director:
    """Signs with one key; it counts where the catalogue's `trust/director.json` names it."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def counts(self, director: DirectorKeys) -> bool:
        """Return whether gateways with this catalogue will obey."""
        return self._key.id in director.keys

    def sign(self, book: OrderBook) -> bytes:
        """Return the book as a DSSE envelope, JSON.

        Raises:
            ValueError: No gateway would accept it: too large, expired when issued, or without a generation.
        """
        if book.generation < 1 or book.expires_at <= book.issued_at:
            raise ValueError("an order book needs a generation of at least 1, and must expire after it is issued")
        return dsse.sign(codec.encode(book), PAYLOAD_TYPE, [self._key])
