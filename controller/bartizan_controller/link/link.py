"""Keeps the controller and its gateways in conversation, whatever happens to the broker or the disk.

One batch at a time: everything that has arrived is committed in one transaction, then answered, then acknowledged to
the broker. So a message that was not committed comes again, and while the disk refuses, the broker holds what comes.
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from bartizan.errors import Malformed, Refused
from bartizan.wire import codec, topics
from bartizan.wire.down import EventsAck, ReportAck
from bartizan_controller.errors import BrokerAway, StoreRefuses
from bartizan_controller.link import intake, outgoing
from bartizan_controller.link.connection import Arrived, BrokerLink, Endpoint, connect
from bartizan_controller.link.intake import Outcome, Renew
from bartizan_controller.link.parse import Said, parse
from bartizan_controller.link.refusals import Refusals
from bartizan_controller.news import News
from bartizan_controller.store import events, gateways
from bartizan_controller.store.database import Database
from bartizan_controller.wiring import Catalogue

BATCH = 1_000
BATCH_OCTETS = 16 * 1024 * 1024
RETRY_SECONDS = 0.5
RETRY_SECONDS_AT_MOST = 15.0
REPEATED_BY_GATEWAYS = (EventsAck, ReportAck)
"""Answers that a gateway will provoke again if they are lost."""

T = TypeVar("T")

log = structlog.get_logger()


class LinkState(msgspec.Struct):
    """How the link is, for people."""

    connected: bool = False
    store_refuses: str = ""
    """Why nothing can be committed at present; empty if all is well."""
    committed: int = 0
    refused: int = 0


class Understood(NamedTuple):
    """A message that was read, or why it was not."""

    arrived: Arrived
    said: Said | None
    refused: Refused | None


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
        self._renew = renew
        self._clock = clock
        self._news = news
        self._refusals = Refusals()
        self._to_send = asyncio.Event()
        self.state = LinkState()

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
            await self._persist(lambda: self._database.write(gateways.disconnect_all))
        self.state.connected = True
        self.wake()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.closed())
            tasks.create_task(self._listen(link))
            tasks.create_task(self._send(link))

    async def _listen(self, link: BrokerLink) -> None:
        while True:
            batch = [await link.arrived.get()]
            octets = len(batch[0].payload)
            while len(batch) < BATCH and octets < BATCH_OCTETS and not link.arrived.empty():
                batch.append(link.arrived.get_nowait())
                octets += len(batch[-1].payload)
            await self._take(link, batch)

    async def _take(self, link: BrokerLink, batch: Sequence[Arrived]) -> None:
        understood = [_understand(arrived) for arrived in batch]
        outcomes = await self._persist(lambda: self._commit(understood))
        certain: list[tuple[str, bytes]] = []
        for answers in (outcome.answers for outcome in outcomes):
            encoded = [(topics.down(answer.site), codec.encode(answer.message)) for answer in answers]
            if all(isinstance(answer.message, REPEATED_BY_GATEWAYS) for answer in answers):
                for topic, payload in encoded:
                    link.say(topic, payload)
            else:
                certain += encoded
        await link.publish(certain)
        link.acknowledge(batch)

    async def _commit(self, understood: Sequence[Understood]) -> list[Outcome]:
        try:
            outcomes = await self._commit_together(understood)
        except StoreRefuses:
            raise
        except Exception:  # one message must not stop the fleet: find it, refuse it, keep the rest
            log.exception("a batch could not be committed; trying its messages one by one", messages=len(understood))
            outcomes = [await self._commit_alone(each) for each in understood]
        self.state.committed += len(outcomes)
        self._news.ring()
        return outcomes

    async def _commit_alone(self, understood: Understood) -> Outcome:
        try:
            return (await self._commit_together([understood]))[0]
        except StoreRefuses:
            raise
        except Exception:
            log.exception("a message was refused", topic=understood.arrived.topic)
            refused = Malformed("it could not be kept; the controller's log says why")
            return (await self._commit_together([Understood(understood.arrived, None, refused)]))[0]

    async def _commit_together(self, understood: Sequence[Understood]) -> list[Outcome]:
        now = self._clock()

        def change(connection: Connection) -> list[Outcome]:
            said = [each.said for each in understood if each.said is not None]
            heard = iter(intake.commit(connection, said, catalogue=self._catalogue, renew=self._renew, now=now))
            outcomes = [next(heard) if each.said is not None else Outcome(refused=each.refused) for each in understood]
            self._tell_of_refusals(connection, understood, outcomes, now)
            return outcomes

        return await self._database.write(change)

    def _tell_of_refusals(
        self, connection: Connection, understood: Sequence[Understood], outcomes: Sequence[Outcome], now: float
    ) -> None:
        told = []
        for each, outcome in zip(understood, outcomes, strict=True):
            if outcome.refused is not None:
                self.state.refused += 1
                told.append(self._refusals.event(each.arrived.topic, outcome.refused, now=now))
        events.add(connection, [event for event in told if event is not None])

    async def _send(self, link: BrokerLink) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while await self._send_some(link):
                pass

    async def _send_some(self, link: BrokerLink) -> bool:
        waiting = await self._persist(lambda: self._database.read(lambda c: outgoing.collect(c, self._catalogue)))
        if not waiting.messages:
            return False
        await link.publish(waiting.messages)
        await self._persist(lambda: self._database.write(lambda c: outgoing.note_taken(c, waiting)))
        return True

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until the database takes it."""
        wait = RETRY_SECONDS
        while True:
            try:
                result = await attempt()
            except StoreRefuses as refused:
                if not self.state.store_refuses:
                    log.error("nothing can be committed; gateways keep what they have to say", reason=str(refused))  # noqa: TRY400
                self.state.store_refuses = str(refused)
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS_AT_MOST)
            else:
                if self.state.store_refuses:
                    log.info("the database takes changes again")
                self.state.store_refuses = ""
                return result


def _understand(arrived: Arrived) -> Understood:
    try:
        return Understood(arrived, parse(arrived.topic, arrived.payload), None)
    except Refused as refused:
        return Understood(arrived, None, refused)


def _reason(lost: BaseExceptionGroup[BrokerAway]) -> str:
    first = lost.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{first} ({first.__cause__})" if first.__cause__ else str(first)
