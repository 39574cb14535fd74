"""Keeps the controller and its gateways in conversation, whatever happens to the broker or the disk.

Everything that has arrived is committed in one transaction, and then acknowledged to the broker. So a message that was
not committed comes again; while the disk refuses, the broker holds what comes. What a gateway would not ask for again
is answered before it is acknowledged. Committing goes before answering: a gateway can wait for an answer, the next
message should not wait for the disk.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import structlog

from bartizan.ids import SiteId
from bartizan.wire import topics
from bartizan.wire.down import Down, EventsAck, ReportAck
from bartizan.wire.mqtt5 import Message
from bartizan_controller.errors import BrokerAway
from bartizan_controller.link import outgoing
from bartizan_controller.link.committer import CommitState, Committer
from bartizan_controller.link.connection import BrokerLink, Endpoint, connect
from bartizan_controller.link.intake import Outcome, Renew
from bartizan_controller.news import News
from bartizan_controller.statements import Statements
from bartizan_controller.store import gateways
from bartizan_controller.store.database import Database
from bartizan_controller.wiring import Catalogue

BATCH = 1_000
BATCH_OCTETS = 16 * 1024 * 1024
ANSWERED_AT_ONCE = 100
UNANSWERED_AT_MOST = 3_000
"""Committed messages that may wait for quiet to be answered. Whoever is not answered for long says it again."""
RETRY_SECONDS = 0.5
RETRY_SECONDS_AT_MOST = 15.0
TOLD_AT_ONCE = 100
REPEATED_BY_GATEWAYS = (EventsAck, ReportAck)
"""Answers that a gateway will provoke again if they are lost."""

log = structlog.get_logger()


class LinkState(CommitState):
    """How the link is, for people."""

    connected: bool = False
    unheard: int = 0
    """Messages at QoS 0 that came faster than they could be heard."""


class _Committed(NamedTuple):
    """A message that may be answered and acknowledged."""

    arrived: Message
    outcome: Outcome

    @property
    def is_repeated(self) -> bool:
        """Whether its gateway will say it again for as long as it hears no answer."""
        return all(isinstance(answer.message, REPEATED_BY_GATEWAYS) for answer in self.outcome.answers)


class Link:
    """The MQTT side of the controller. `run` it in the composition root's TaskGroup."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        renew: Renew,
        *,
        clock: Callable[[], float],
        news: News,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._news = news
        self._to_send = asyncio.Event()
        self._to_tell: asyncio.Queue[tuple[SiteId, Down]] = asyncio.Queue(TOLD_AT_ONCE)
        self.statements = Statements()
        self.state = LinkState()
        self._committer = Committer(database, catalogue, renew, clock=clock, state=self.state)

    def wake(self) -> None:
        """Something was committed that gateways should hear."""
        self._to_send.set()

    def tell(self, site: SiteId, message: Down) -> None:
        """Say something to one gateway that it need not hear later.

        Raises:
            BrokerAway: Nobody can be told anything now.
        """
        if not self.state.connected or self._to_tell.full():
            raise BrokerAway("gateways cannot be told anything at present: look at `bartizan status`")
        self._to_tell.put_nowait((site, message))

    async def run(self, endpoint: Endpoint, tls: ssl.SSLContext) -> None:
        """Stay connected until cancelled; after a loss try again, each time later and at an uneven moment."""
        wait = RETRY_SECONDS
        while True:
            try:
                async with connect(endpoint, tls, on_unheard=self._note_unheard) as link:
                    wait = RETRY_SECONDS
                    await self._converse(link)
            except* BrokerAway as lost:
                if self.state.connected or wait == RETRY_SECONDS:
                    log.warning("broker away", broker=str(endpoint), reason=_reason(lost))
            self.state.connected = False
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, RETRY_SECONDS_AT_MOST)

    def _note_unheard(self) -> None:
        if not self.state.unheard:
            log.warning(
                "messages at QoS 0 come too fast and go unheard: gateways speak at QoS 1, somebody else is there"
            )
        self.state.unheard += 1

    async def _converse(self, link: BrokerLink) -> None:
        log.info("broker connected")
        if not link.session_kept:
            # What gateways said meanwhile is lost, their wills too. Whoever is there will be heard again.
            await self._committer.persist(lambda: self._database.write(gateways.disconnect_all))
        self.state.connected = True
        self.wake()
        conversation = _Conversation(link, self._committer, self._news, self.statements)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.closed())
            tasks.create_task(conversation.listen())
            tasks.create_task(conversation.answer())
            tasks.create_task(self._send(link))
            tasks.create_task(self._tell(link))

    async def _tell(self, link: BrokerLink) -> None:
        while True:
            site, message = await self._to_tell.get()
            await link.publish([(topics.down(site), outgoing.encoded(message, link.payload_octets))])

    async def _send(self, link: BrokerLink) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while await self._send_some(link):
                pass

    async def _send_some(self, link: BrokerLink) -> bool:
        persist = self._committer.persist
        waiting = await persist(
            lambda: self._database.read(lambda c: outgoing.collect(c, self._catalogue, link.payload_octets))
        )
        if not waiting.messages:
            return False
        await link.publish(waiting.messages)
        await persist(lambda: self._database.write(lambda c: outgoing.note_taken(c, waiting)))
        return True


class _Conversation:
    """What is heard and answered in one connection."""

    def __init__(self, link: BrokerLink, committer: Committer, news: News, statements: Statements) -> None:
        self._link = link
        self._committer = committer
        self._news = news
        self._statements = statements
        self._committed: asyncio.Queue[Sequence[_Committed]] = asyncio.Queue(UNANSWERED_AT_MOST // ANSWERED_AT_ONCE)
        self._is_quiet = asyncio.Event()
        """Set while nothing waits to be committed, or too much to be answered."""

    async def listen(self) -> None:
        """Commit what arrives, without end."""
        while True:
            batch = await self._next_batch()
            outcomes = await self._committer.commit(batch)
            for outcome in outcomes:
                if outcome.made is not None:
                    self._statements.arrived(outcome.made)
            committed = [_Committed(*each) for each in zip(batch, outcomes, strict=True)]
            self._link.acknowledge(each.arrived for each in committed if each.is_repeated)
            for start in range(0, len(committed), ANSWERED_AT_ONCE):
                if self._committed.full():
                    self._is_quiet.set()
                await self._committed.put(committed[start : start + ANSWERED_AT_ONCE])
            self._news.ring()

    async def answer(self) -> None:
        """Answer what is committed, when there is time.

        Raises:
            BrokerAway: The broker went away, or refuses an answer.
        """
        while True:
            committed = await self._committed.get()
            await self._is_quiet.wait()
            self._link.say(self._words(each for each in committed if each.is_repeated))
            certain = [each for each in committed if not each.is_repeated]
            await self._link.publish(list(self._words(certain)))
            self._link.acknowledge(each.arrived for each in certain)
            await asyncio.sleep(0)

    async def _next_batch(self) -> list[Message]:
        if self._link.arrived.is_empty:
            self._is_quiet.set()
        batch = await self._link.arrived.take(BATCH, BATCH_OCTETS)
        self._is_quiet.clear()
        return batch

    def _words(self, committed: Iterable[_Committed]) -> Iterator[tuple[str, bytes]]:
        """Yield the answers, as topic and payload."""
        for each in committed:
            for answer in each.outcome.answers:
                yield topics.down(answer.site), outgoing.encoded(answer.message, self._link.payload_octets)


def _reason(lost: BaseExceptionGroup[BrokerAway]) -> str:
    first = lost.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{first} ({first.__cause__})" if first.__cause__ else str(first)
