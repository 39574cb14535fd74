"""The last good state: catalogue, order books and credentials, as files that are verified again at every start.

What is accepted is written down first and takes effect then, so that a crash in between restarts into it. Orders that
only tighten take effect first. What cannot be written down takes effect all the same and is written at the next
occasion: a full disk must not loosen anything.
What was written and does not verify any more holds nothing up either; it is told as `damaged`, and until its successor
arrives the reconciler lets no level fall (`reconcile.held_up`).
"""

import logging
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bartizan.errors import BartizanError, Refused, Unavailable
from bartizan.ids import SiteId
from bartizan.policy import evaluate
from bartizan.policy.facts import served_by, site_facts
from bartizan.policy.model import SiteFacts
from bartizan.trust import dsse
from bartizan.trust.accept import open_book, read_book, weigh
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.credentials import CredentialBook
from bartizan.trust.orders import PAYLOAD_TYPE, Activate, OrderBook, Raise
from bartizan.trust.push import Because, Waiting
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import SealedCredentials
from bartizan_agent.catalogue import CatalogueClient
from bartizan_agent.durable import Write, replace_file
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_agent.verification import Verify, verify

NO_CATALOGUE = Catalogue(versions={}, expires_at=0.0, director=DirectorKeys({}))
CATALOGUE, CREDENTIALS = "catalogue", "credentials"
NO_CREDENTIALS = CredentialBook(generation=0)

log = logging.getLogger(__name__)


class _Header(msgspec.Struct):
    site: SiteId | None = None


class _Held(msgspec.Struct, frozen=True):
    book: OrderBook
    envelope: bytes
    director: DirectorKeys
    """The keys that it was verified against."""


class LastGood:
    """What this gateway was told and believes."""

    def __init__(
        self,
        places: Places,
        site: SiteId,
        keys: IdentityKeys,
        write: Write = replace_file,
        *,
        verify: Verify = verify,
    ) -> None:
        self.site = site
        self.damaged: dict[str, str] = {}
        """What of the state was lost, by name, and why; taken out when its successor is accepted."""
        self._keys = keys
        self._write = write
        self._places = places
        self._unwritten: dict[Path, bytes] = {}
        self._unwritable: set[Path] = set()
        self._held_back: dict[Path, bytes] = {}
        self._client = CatalogueClient(places.catalogue, site=site, write=self._held_back.__setitem__, verify=verify)
        self._books: dict[SiteId | None, _Held] = {}
        self.credentials = NO_CREDENTIALS

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force; one that holds nothing before the first."""
        return self._client.catalogue or NO_CATALOGUE

    @property
    def books(self) -> tuple[OrderBook, ...]:
        """The order books in force, the estate's first. What was ordered of a standby by its own name is its site's."""
        serves = self.serves
        books = (self._books[scope].book for scope in self._scopes if scope in self._books)
        return tuple(book if book.site in (None, serves) else replace(book, site=serves) for book in books)

    @property
    def serves(self) -> SiteId:
        """The site whose policy and orders this gateway carries out: its own, or the one that it stands by for."""
        return served_by(self.catalogue.sites, self.site)

    @property
    def facts(self) -> SiteFacts:
        """What the catalogue declares of this site; the worst that can be true if it does not."""
        return site_facts(self.catalogue.sites, self.site)

    @property
    def is_site_declared(self) -> bool:
        """Whether the catalogue declares anything of this site: otherwise `facts` are assumed."""
        return any(facts.id == self.site for facts in self.catalogue.sites)

    @property
    def lacks_catalogue(self) -> bool:
        """Whether a catalogue was accepted once and cannot be read any more."""
        return CATALOGUE in self.damaged

    @property
    def lacks_words(self) -> bool:
        """Whether anything that demands levels was accepted once and cannot be read any more."""
        return bool(self.damaged.keys() & {CATALOGUE, *map(self._name, self._scopes)})

    @property
    def policy_in_force(self) -> int:
        """The version of the policy role that is in force; 0 before the first."""
        return self._client.policy_in_force

    @property
    def waiting(self) -> Waiting | None:
        """The newer policy that waits for its turn, if any."""
        return self._client.waiting

    def versions(self) -> dict[str, int]:
        """Return the version held of each role of the catalogue, as in a hello."""
        return self._client.versions()

    def generation(self, scope: SiteId | None) -> int:
        """Return the generation of a scope's order book in force; 0 where there is none."""
        held = self._books.get(scope)
        return held.book.generation if held else 0

    def is_expired(self, now: float) -> bool:
        """Return whether nothing may be flashed by the catalogue."""
        return self._client.is_expired(now)

    def load(self) -> None:
        """Take up what is on disk. What is damaged is left out, and told in `damaged`."""
        self._attempt(CATALOGUE, self._load_catalogue)
        for scope in self._scopes:
            self._attempt(self._name(scope), lambda scope=scope: self._load_book(scope))  # type: ignore[misc]
        self._attempt(CREDENTIALS, self._load_credentials)

    def accept_catalogue(self, files: Mapping[str, bytes], now: float) -> bool:
        """Accept a newer catalogue; return whether it differs from the one in force.

        Raises:
            Refused: It is not accepted; the last good one stands.
            Unavailable: It is incomplete.
        """
        # Tried on a copy, whose file is written only once its policies are known to make sense.
        self._held_back.clear()
        candidate = copy(self._client)
        evaluate.check(candidate.update(files, now, self._activated(now)))
        before, self._client = self.versions(), candidate
        self._keep_held_back()
        self.damaged.pop(CATALOGUE, None)
        return self.versions() != before

    def settle(self, now: float) -> Because | None:
        """Put policy in force that waits no longer; return why, or None if there is none."""
        self._held_back.clear()
        because = self._client.settle(now, self._activated(now))
        self._keep_held_back()
        return because

    def rehearsal(self) -> CatalogueClient:
        """Return a client of the catalogue in force, to try in any thread what an update would bring."""
        return self._client.rehearsal()

    def accept_orders(self, envelope: bytes, now: float) -> OrderBook | None:
        """Accept an order book; return it, or None if it is the one in force.

        Where every raise in force stays in force, it is not written down yet: `write_pending` does that once it is
        carried out. Lost in between by a crash, it comes again.

        Raises:
            Refused: It is not accepted; the one in force stands.
        """
        director = self.catalogue.director
        payload = dsse.verify(envelope, PAYLOAD_TYPE, director.keys)
        told = codec.decode(payload, _Header).site
        scope = told if told in self._scopes else self.site
        held = self._still_signed(scope, director)
        book = weigh(read_book(payload, scope=scope, capability=CAPABILITY), held=held, now=now)
        evaluate.check_orders((book,))
        self.damaged.pop(self._name(scope), None)
        if book is held:
            return None
        before = self._books.get(scope)
        self._unwritten[self._book_file(scope)] = envelope
        if not _only_tightens(before.book if before else None, book):
            self.write_pending()
        self._books[scope] = _Held(book, envelope, director)
        return book

    def accept_credentials(self, sealed: SealedCredentials) -> bool:
        """Accept camera credentials; return whether they differ from those held.

        Raises:
            Refused: They are not for this gateway, or older than those held.
            Unavailable: This gateway's key cannot be read.
        """
        book = self._keys.open_credentials(sealed, self.site, held_generation=self.credentials.generation)
        if book == self.credentials:
            return False
        self._keep(self._places.credentials, codec.encode(sealed))
        self.credentials = book
        self.damaged.pop(CREDENTIALS, None)
        return True

    def write_pending(self) -> None:
        """Write down what could not be written when it was accepted."""
        for path, data in list(self._unwritten.items()):
            self._keep(path, data)

    def _activated(self, now: float) -> frozenset[tuple[int, str]]:
        """Return the versions of policy that orders put in force, with their digests."""
        orders = (order for book in self.books if book.expires_at > now for order in book.orders)
        return frozenset((order.policy, order.digest) for order in orders if isinstance(order, Activate))

    def _keep_held_back(self) -> None:
        for path, data in self._held_back.items():
            self._keep(path, data)

    def _keep(self, path: Path, data: bytes) -> None:
        try:
            self._write(path, data)
        except Unavailable:
            if path not in self._unwritable:
                log.exception("accepted, in force, and not written down: free some disk space")
            self._unwritable.add(path)
            self._unwritten[path] = data
        else:
            self._unwritable.discard(path)
            self._unwritten.pop(path, None)

    def _attempt(self, name: str, load: Callable[[], object]) -> None:
        try:
            load()
        except BartizanError as error:
            log.exception("stored state is damaged", extra={"state": name})
            self.damaged[name] = str(error)

    def _load_catalogue(self) -> None:
        candidate = copy(self._client)
        catalogue = candidate.load()
        if catalogue is not None:
            evaluate.check(catalogue)
        self._client = candidate

    def _load_book(self, scope: SiteId | None) -> None:
        envelope = _read(self._book_file(scope))
        if envelope is not None:
            director = self.catalogue.director
            book = open_book(envelope, director, scope=scope, capability=CAPABILITY)
            evaluate.check_orders((book,))
            self._books[scope] = _Held(book, envelope, director)

    def _load_credentials(self) -> None:
        data = _read(self._places.credentials)
        if data is not None:
            sealed = codec.decode(data, SealedCredentials)
            self.credentials = self._keys.open_credentials(sealed, self.site, held_generation=0)

    def _still_signed(self, scope: SiteId | None, director: DirectorKeys) -> OrderBook | None:
        """Return the book in force if its signer still counts: no thief's generation outlives the thief's key."""
        held = self._books.get(scope)
        if held is None or held.director == director:
            return held.book if held else None
        try:
            dsse.verify(held.envelope, PAYLOAD_TYPE, director.keys)
        except Refused:
            return None
        return held.book

    @property
    def _scopes(self) -> tuple[SiteId | None, ...]:
        """Whose orders count. A standby's own do as well: what was ordered before it was one stands until it ends."""
        serves = self.serves
        return (None, self.site) if serves == self.site else (None, self.site, serves)

    def _book_file(self, scope: SiteId | None) -> Path:
        if scope not in (None, self.site):
            return self._places.orders / f"served-{scope}.dsse.json"
        return self._places.orders / f"{'estate' if scope is None else 'site'}.dsse.json"

    def _name(self, scope: SiteId | None) -> str:
        if scope not in (None, self.site):
            return f"orders of {scope}"
        return "orders of the estate" if scope is None else "orders of the site"


def _only_tightens(before: OrderBook | None, after: OrderBook) -> bool:
    """Return whether everything that one book raises, the next one raises as well."""
    return before is None or _raises(before) <= _raises(after)


def _raises(book: OrderBook) -> frozenset[Raise]:
    return frozenset(order for order in book.orders if isinstance(order, Raise))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read") from error
