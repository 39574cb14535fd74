"""What a gateway is told to do: catalogue and orders are verified, kept and told of; policy that waits is settled."""

import logging
from collections.abc import Iterable

from bartizan.errors import Refused, Unavailable
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook, Prove, Raise, Scan
from bartizan.wire import events
from bartizan_agent import changes, release
from bartizan_agent.knowledge import known
from bartizan_agent.notes import note
from bartizan_agent.parts import Parts
from bartizan_agent.refusals import Refusals

log = logging.getLogger(__name__)


class Instructions:
    """Takes in what was signed elsewhere."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._refusals = Refusals(parts.outbox, parts.clock)

    def catalogue(self, files: dict[str, bytes]) -> bool:
        """Take in a catalogue; return whether it is a new one. What is refused is told.

        Raises:
            Unavailable: Files are missing to judge it; they are fetched.
        """
        parts, before = self._parts, self._parts.last_good.catalogue
        try:
            is_new = parts.last_good.accept_catalogue(files, parts.clock.now())
        except Refused as refusal:
            self._refusals.record(events.CATALOGUE_REFUSED, refusal)
            return False
        except Unavailable:
            parts.fetch.lacks()
            raise
        parts.fetch.settled()
        if is_new:
            versions = " ".join(f"{role}={version}" for role, version in sorted(parts.last_good.versions().items()))
            parts.outbox.record(note(events.CATALOGUE_ACCEPTED, versions=versions))
            self._tell_of_waiting()
            self._judge_again(before)
        return is_new

    def orders(self, envelope: bytes, arrived_at: float) -> frozenset[type[Scan | Prove]] | None:
        """Take in an order book, and enforce what it says. What is refused is told.

        Returns:
            The kinds of errand that are new in it; None where it is not a new book.

        Raises:
            Unavailable: It came before the catalogue that names who may give orders.
        """
        parts, before = self._parts, self._parts.last_good.books
        if not parts.last_good.catalogue.director.keys:
            # A broadcast overtook the first catalogue: nobody can tell yet whether it is forged.
            raise Unavailable("orders came before the catalogue that names who may give them")
        try:
            book = parts.last_good.accept_orders(envelope, parts.clock.now())
        except Refused as refusal:
            self._refusals.record(events.ORDERS_REFUSED, refusal)
            return None
        if book is None:
            return None
        self._end_release_by(book)
        # What an order cuts, it cuts before anything is written about it.
        parts.containment.obey(arrived_at)
        parts.last_good.write_pending()
        scope = "estate" if book.site is None else "site"
        parts.outbox.record(note(events.ORDERS_ACCEPTED, scope=scope, generation=book.generation))
        known_before = _ids(before)
        return frozenset(
            type(order) for order in book.orders if isinstance(order, Scan | Prove) and order.id not in known_before
        )

    def settle(self) -> bool:
        """Put policy in force that has waited long enough; return whether there was any."""
        parts, before = self._parts, self._parts.last_good.catalogue
        because = parts.last_good.settle(parts.clock.now())
        if because is None:
            return False
        in_force = parts.last_good.policy_in_force
        parts.outbox.record(note(events.POLICY_ACTIVATED, policy=in_force, because=because.value))
        self._tell_of_waiting()
        self._judge_again(before)
        return True

    def _judge_again(self, before: Catalogue) -> None:
        if known(before) != known(self._parts.last_good.catalogue):
            self._parts.outbox.record(*changes.notes(self._parts.roster.judge_again()))

    def _tell_of_waiting(self) -> None:
        waiting, in_force = self._parts.last_good.waiting, self._parts.last_good.policy_in_force
        if waiting is None:
            self._parts.announcements.once("policy waits", "")
            return
        until, version = f"{waiting.ends_at:.0f}", waiting.push.policy
        told = note(events.POLICY_WAITS, policy=version, in_force=in_force, until=until)
        self._parts.announcements.once("policy waits", f"{version} until {until}", told)

    def _end_release_by(self, book: OrderBook) -> None:
        standing = release.standing(self._parts.places, self._parts.clock.now())
        if standing is None:
            return
        newer = [order for order in book.orders if isinstance(order, Raise) and order.id not in standing.raises]
        if newer:
            log.warning("a release of containment is ended by an order", extra={"order": newer[0].id})
            release.end(self._parts.places)


def _ids(books: Iterable[OrderBook]) -> frozenset[str]:
    return frozenset(order.id for book in books for order in book.orders)
