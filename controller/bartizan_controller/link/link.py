"""Keeps the controller and its gateways in conversation, whatever happens to the broker or the disk.

Everything that has arrived is committed in one transaction, then answered, then acknowledged to the broker. So a
message that was not committed comes again; while the disk refuses, the broker holds what comes. Committing goes
before answering: a gateway can wait for an answer, the next message should not wait for the disk.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from bartizan.wire import codec, topics
from bartizan.wire.down import EventsAck, ReportAck
from bartizan_controller.errors import BrokerAway
from bartizan_controller.link import outgoing
from bartizan_controller.link.committer import CommitState, Committer
from bartizan_controller.link.connection import Arrived, BrokerLink, Endpoint, connect
from bartizan_controller.link.intake import Outcome, Renew
from bartizan_controller.news import News
from bartizan_controller.store import gateways
from bartizan_controller.store.database import Database
from bartizan_controller.wiring import Catalogue

BATCH = 1_000
BATCH_OCTETS = 16 * 1024 * 1024
ANSWERED_AT_ONCE = 100
RETRY_SECONDS = 0.5
RETRY_SECONDS_AT_MOST = 15.0
REPEATED_BY_GATEWAYS = (EventsAck, ReportAck)
"""Answers that a gateway will provoke again if they are lost."""

log = structlog.get_logger()


class LinkState(CommitState):
    """How the link is, for people."""

    connected: bool = False


class _Committed(NamedTuple):
    """A message that may be answered and acknowledged."""

    arrived: Arrived
    outcome: Outcome


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
        self.state = LinkState()
        self._committer = Committer(database, catalogue, renew, clock=clock, state=self.state)

    def wake(self) -> None:
        """Something was committed that gateways should hear."""
        self._to_send.set()

    async def run(self, endpoint: Endpoint, tls: ssl.SSLContext) -> None:
        """Stay connected until cancelled; after a loss try again, each time later and at an uneven moment."""
        wait = RETRY_SECONDS
        while True:
            try:
                async with connect(endpoint, tls) as link:
                    wait = RETRY_SECONDS
                    await self._converse(link)
            except* BrokerAway as lost:
                if self.state.connected or wait == RETRY_SECONDS:
                    log.warning("broker away", broker=str(endpoint), reason=_reason(lost))
            self.state.connected = False
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, RETRY_SECONDS_AT_MOST)

    async def _converse(self, link: BrokerLink) -> None:
        log.info("broker connected")
        if not link.session_kept:
            # What gateways said meanwhile is lost, their wills too. Whoever is there will be heard again.
            await self._committer.persist(lambda: self._database.write(gateways.disconnect_all))
        self.state.connected = True
        self.wake()
        conversation = _Conversation(link, self._committer, self._news)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.closed())
            tasks.create_task(conversation.listen())
            tasks.create_task(conversation.answer())
            tasks.create_task(self._send(link))

    async def _send(self, link: BrokerLink) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while await self._send_some(link):
                pass

    async def _send_some(self, link: BrokerLink) -> bool:
        persist = self._committer.persist
        waiting = await persist(lambda: self._database.read(lambda c: outgoing.collect(c, self._catalogue)))
        if not waiting.messages:
            return False
        await link.publish(waiting.messages)
        await persist(lambda: self._database.write(lambda c: outgoing.note_taken(c, waiting)))
        return True


class _Conversation:
    """What is heard and answered in one connection."""

    def __init__(self, link: BrokerLink, committer: Committer, news: News) -> None:
        self._link = link
        self._committer = committer
        self._news = news
        self._committed: asyncio.Queue[Sequence[_Committed]] = asyncio.Queue()
        self._is_quiet = asyncio.Event()
        """Set while nothing waits to be committed. The broker stops sending before long if nothing is acknowledged."""

    async def listen(self) -> None:
        """Commit what arrives, without end."""
        while True:
            batch = await self._next_batch()
            outcomes = await self._committer.commit(batch)
            committed = [_Committed(*each) for each in zip(batch, outcomes, strict=True)]
            for start in range(0, len(committed), ANSWERED_AT_ONCE):
                self._committed.put_nowait(committed[start : start + ANSWERED_AT_ONCE])
            self._news.ring()

    async def answer(self) -> None:
        """Answer and acknowledge what is committed, when there is time.

        Raises:
            BrokerAway: The broker went away, or refuses an answer.
        """
        while True:
            committed = await self._committed.get()
            await self._is_quiet.wait()
            await self._link.publish(self._speak([each.outcome for each in committed]))
            self._link.acknowledge([each.arrived for each in committed])
            await asyncio.sleep(0)

    async def _next_batch(self) -> list[Arrived]:
        arrived = self._link.arrived
        if arrived.empty():
            self._is_quiet.set()
        batch = [await arrived.get()]
        self._is_quiet.clear()
        octets = len(batch[0].payload)
        while len(batch) < BATCH and octets < BATCH_OCTETS and not arrived.empty():
            batch.append(arrived.get_nowait())
            octets += len(batch[-1].payload)
        return batch

    def _speak(self, outcomes: Sequence[Outcome]) -> list[tuple[str, bytes]]:
        """Say what will be asked for again if it is lost; return what the broker must confirm."""
        certain: list[tuple[str, bytes]] = []
        for answers in (outcome.answers for outcome in outcomes):
            encoded = [(topics.down(answer.site), codec.encode(answer.message)) for answer in answers]
            if all(isinstance(answer.message, REPEATED_BY_GATEWAYS) for answer in answers):
                for topic, payload in encoded:
                    self._link.say(topic, payload)
            else:
                certain += encoded
        return certain


def _reason(lost: BaseExceptionGroup[BrokerAway]) -> str:
    first = lost.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{first} ({first.__cause__})" if first.__cause__ else str(first)
