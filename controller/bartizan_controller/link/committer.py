"""Gets what gateways said into the database: all of a batch or, if one message spoils it, all but that one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from bartizan.errors import Malformed, Refused
from bartizan.wire.mqtt5 import Message
from bartizan_controller.errors import StoreRefuses
from bartizan_controller.link import intake
from bartizan_controller.link.intake import Outcome, Renew
from bartizan_controller.link.parse import Said, parse
from bartizan_controller.link.refusals import Refusals
from bartizan_controller.store import events
from bartizan_controller.store.database import Database
from bartizan_controller.wiring import Catalogue

RETRY_SECONDS = 0.5
RETRY_SECONDS_AT_MOST = 15.0

T = TypeVar("T")

log = structlog.get_logger()


class CommitState(msgspec.Struct):
    """How committing goes, for people."""

    store_refuses: str = ""
    """Why nothing can be committed at present; empty if all is well."""
    committed: int = 0
    refused: int = 0


class _Understood(NamedTuple):
    """A message that was read, or why it was not."""

    arrived: Message
    said: Said | None
    refused: Refused | None


class Committer:
    """Commits batches, one after the other."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        renew: Renew,
        *,
        clock: Callable[[], float],
        state: CommitState,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._renew = renew
        self._clock = clock
        self._refusals = Refusals()
        self.state = state

    async def commit(self, batch: Sequence[Message]) -> list[Outcome]:
        """Return what became of each message, once all that can be kept is kept. Waits while the disk refuses."""
        understood = [_understand(arrived) for arrived in batch]
        outcomes = await self.persist(lambda: self._commit(understood))
        self.state.committed += len(outcomes)
        now = self._clock()
        refused = [
            (arrived.topic, outcome.refused)
            for arrived, outcome in zip(batch, outcomes, strict=True)
            if outcome.refused is not None
        ]
        self.state.refused += len(refused)
        told = [self._refusals.event(topic, reason, now=now) for topic, reason in refused]
        if any(told):
            kept = [event for event in told if event is not None]
            await self.persist(lambda: self._database.write(lambda c: events.add(c, kept)))
        return outcomes

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again until the database takes it, and tell people once that it does not, and once that it does."""
        wait = RETRY_SECONDS
        while True:
            try:
                result = await attempt()
            except StoreRefuses as refused:
                if not self.state.store_refuses:
                    log.error("nothing can be committed; gateways keep what they have to say", reason=str(refused))  # noqa: TRY400 - the reason is the message
                self.state.store_refuses = str(refused)
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_SECONDS_AT_MOST)
            else:
                if self.state.store_refuses:
                    log.info("the database takes changes again")
                self.state.store_refuses = ""
                return result

    async def _commit(self, understood: Sequence[_Understood]) -> list[Outcome]:
        try:
            return await self._commit_together(understood)
        except StoreRefuses:
            raise
        except Exception:  # one message must not stop the fleet: find it, refuse it, keep the rest
            log.exception("a batch could not be committed; trying its messages one by one", messages=len(understood))
            return [await self._commit_alone(each) for each in understood]

    async def _commit_alone(self, understood: _Understood) -> Outcome:
        try:
            return (await self._commit_together([understood]))[0]
        except StoreRefuses:
            raise
        except Exception:
            log.exception("a message was refused", topic=understood.arrived.topic)
            return Outcome(refused=Malformed("it could not be kept; the controller's log says why"))

    async def _commit_together(self, understood: Sequence[_Understood]) -> list[Outcome]:
        now = self._clock()
        said = [each.said for each in understood if each.said is not None]

        def change(connection: Connection) -> list[Outcome]:
            return intake.commit(connection, said, catalogue=self._catalogue, renew=self._renew, now=now)

        heard = iter(await self._database.write(change))
        return [next(heard) if each.said is not None else Outcome(refused=each.refused) for each in understood]


def _understand(arrived: Message) -> _Understood:
    try:
        return _Understood(arrived, parse(arrived.topic, arrived.payload), None)
    except Refused as refused:
        return _Understood(arrived, None, refused)
