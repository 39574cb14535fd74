"""The link to the controller: connect, say what `conversation` decides, hand on what arrives, connect again.

Whatever the broker or the controller do, the link stays alive, and nothing that arrives is trusted for having arrived.
"""

import asyncio
import logging
import random
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

import aiomqtt

from bartizan.containment.model import ManagementPath
from bartizan.errors import Refused, Unavailable
from bartizan.ids import BootId, SiteId
from bartizan.wire import codec, events
from bartizan.wire.down import (
    CatalogueBundle,
    Certificate,
    Down,
    EventsAck,
    OrdersEnvelope,
    ReportAck,
    ReportWanted,
    SealedCredentials,
    StatementWanted,
)
from bartizan.wire.topics import ALL_CATALOGUE, ALL_ORDERS, down, up
from bartizan.wire.up import Events, Hello, RenewCertificate, Report, StatementMade, Will
from bartizan_agent.clock import Clock
from bartizan_agent.conversation import Conversation, check_place
from bartizan_agent.errors import LinkLost, NobodyThere
from bartizan_agent.mqtt import Connection
from bartizan_agent.outbox import Outbox
from bartizan_agent.reconnect import Reconnect
from bartizan_agent.refusals import Refusals
from bartizan_agent.settings import ControllerSettings

LONGEST_SILENCE_SECONDS = 3600.0  # so that what comes due by the calendar, as a renewal, is said within an hour

Instruction = CatalogueBundle | OrdersEnvelope | SealedCredentials | Certificate | StatementWanted

log = logging.getLogger(__name__)


class Voice(Protocol):
    """The agent as its link sees it."""

    def hello(self) -> Hello:
        """Return what this gateway holds."""

    def report(self) -> Report | None:
        """Return the present report, or None before the first look."""

    def renewal(self) -> RenewCertificate | None:
        """Return the request for a new certificate if it is time to ask."""

    def statements(self) -> tuple[StatementMade, ...]:
        """Return, once, the statements that were asked for. One that is lost on its way is asked for again."""

    def wants_all_again(self) -> bool:
        """Return, once, whether what was refused before may be acceptable now: hello is said, and all of it comes."""

    def linked(self, *, connected: bool, tls: str = "") -> None:
        """Take note that the controller can be reached, by this version of TLS, or no longer can."""

    def answered(self, path: ManagementPath, asked_at: float) -> None:
        """Take note that the broker answered, by this path, to what was asked at this monotonic time."""

    def accept(self, instruction: Instruction, arrived_at: float) -> None:
        """Verify what arrived at this monotonic time, keep it, and have it carried out.

        Raises:
            Refused: It is not accepted; the last good state stands.
            Unavailable: It is of no use without more; hello must be said again.
        """


class Link:
    """One gateway's link, for as long as the process lives."""

    def __init__(  # noqa: PLR0913 - built once, by the composition root, all by keyword
        self,
        controller: ControllerSettings,
        *,
        site: SiteId,
        boot: BootId,
        tls: Callable[[], ssl.SSLContext],
        voice: Voice,
        outbox: Outbox,
        news: asyncio.Event,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        """Take up the link.

        Args:
            controller: Where the controller is.
            site: Whose link it is.
            boot: This start of the agent.
            tls: Makes a context for a connection, with the certificate of that moment.
            voice: The agent.
            outbox: Its events.
            news: Set by whoever has something new to say.
            clock: What time it is.
            chance: Spreads reconnections over time.
        """
        self._controller = controller
        self._site = site
        self._will = aiomqtt.Will(up(site, "will"), codec.encode(Will(site, boot)), qos=1)
        self._tls = tls
        self._voice = voice
        self._outbox = outbox
        self._clock = clock
        self._reconnect = Reconnect(controller.reconnect_seconds, controller.reconnect_seconds_at_most, chance)
        self._conversation = Conversation()
        self._news = news
        self._refusals = Refusals(outbox, clock)
        self._connected: bool | None = None

    async def run(self) -> NoReturn:
        """Be connected, or try again, until cancelled."""
        while True:
            began = self._clock.monotonic()
            wait = self._reconnect.after_failure
            lost: BaseExceptionGroup[Exception] | None = None
            try:
                await self._be_connected()
            except* NobodyThere as group:
                lost, wait = group, self._reconnect.after_absence
            except* (aiomqtt.MqttError, LinkLost, OSError) as group:
                lost = group
                if self._clock.monotonic() - began > self._controller.reconnect_seconds_at_most:
                    wait = self._reconnect.after_loss
            # Here and not above: until Python 3.11.4, what is raised in an `except*` block comes out in a group.
            _heed_cancellation()
            if lost is not None:
                self._log_away(lost)
            await asyncio.sleep(wait())

    async def _be_connected(self) -> None:
        connecting = Connection(self._controller, self._site, self._tls(), self._will)
        try:
            async with connecting as connection, asyncio.TaskGroup() as tasks:
                # Listening comes first: of the two, only it notices at once that the connection is cut.
                tasks.create_task(self._listen(connection), name="link listens")
                await self._speak(connection)
        finally:
            if connecting.too_large:
                self._refuse_size("", connecting.too_large)

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.messages:
            self._hear(message.topic.value, bytes(message.payload), self._clock.monotonic())
            connection.acknowledge(message)
            self._news.set()

    async def _speak(self, connection: Connection) -> None:
        await connection.listen_to(ALL_CATALOGUE, ALL_ORDERS, down(self._site))
        self._conversation.begin()
        while True:
            _heed_cancellation()
            self._news.clear()
            if self._voice.wants_all_again():
                self._conversation.missed()
            report, head = self._voice.report(), self._outbox.head()
            words = self._conversation.speak(self._clock.monotonic(), self._voice.hello, report, head)
            for word in (*words, self._voice.renewal(), *self._voice.statements()):
                if word is not None:
                    await self._say(connection, up(self._site, _KINDS[type(word)]), codec.encode(word))
            self._log_back(connection.tls)
            digest = report.digest if report else ""
            await self._until(self._conversation.due_at(digest, events_pending=head is not None))

    async def _say(self, connection: Connection, topic: str, payload: bytes) -> None:
        if len(payload) > codec.LIMIT:
            # The broker would end the connection, or the controller refuse it, each time it is said again.
            self._refuse_size(topic, f"the agent has {len(payload)} octets to say; at most {codec.LIMIT} are accepted")
            return
        began = self._clock.monotonic()
        await connection.say(topic, payload)
        if connection.path is not None:
            self._voice.answered(connection.path, began)

    def _refuse_size(self, topic: str, reason: str) -> None:
        log.warning("a message is too large", extra={"topic": topic, "reason": reason})
        self._refusals.record_code(events.MESSAGE_REFUSED, "too-large", reason, topic=topic)

    async def _until(self, due_at: float | None) -> None:
        wait = LONGEST_SILENCE_SECONDS if due_at is None else max(0.0, due_at - self._clock.monotonic())
        with suppress(TimeoutError):
            async with asyncio.timeout(min(wait, LONGEST_SILENCE_SECONDS)):
                await self._news.wait()

    def _hear(self, topic: str, payload: bytes, arrived_at: float) -> None:
        try:
            message = codec.decode_down(payload)
            check_place(topic, down(self._site), message)
            self._take(message, arrived_at)
        except Refused as refusal:
            self._refusals.record(events.MESSAGE_REFUSED, refusal, topic=topic)
        except Unavailable as unavailable:
            log.warning("not enough to go by; saying hello again", extra={"topic": topic, "reason": str(unavailable)})
            self._conversation.missed()
        except Exception:
            # One message, however it was made, must not deafen the gateway to the next.
            log.exception("a message could not be handled", extra={"topic": topic})
            reason = "the agent failed on this message; its log says where"
            self._refusals.record_code(events.MESSAGE_REFUSED, "internal", reason, topic=topic)

    def _take(self, message: Down, arrived_at: float) -> None:
        self._conversation.heard(message)
        match message:
            case EventsAck(boot, through):
                with suppress(sqlite3.OperationalError):  # a full disk: the events are sent and acknowledged again
                    self._outbox.acknowledge(boot, through)
            case ReportAck() | ReportWanted():
                pass
            case _:
                self._voice.accept(message, arrived_at)

    def _log_away(self, reasons: BaseExceptionGroup[Exception]) -> None:
        if self._connected is not False:
            self._connected = False
            self._voice.linked(connected=False)
            log.warning("the controller is away; what was last accepted stays in force", exc_info=reasons)

    def _log_back(self, tls: str) -> None:
        if not self._connected:
            self._connected = True
            self._voice.linked(connected=True, tls=tls)
            log.warning("the controller is here", extra={"tls": tls})


def _heed_cancellation() -> None:
    # Before Python 3.12, `wait_for` (which aiomqtt awaits) forgets a cancellation that arrives together with its
    # result, and a task group one that arrives together with an error.
    if (task := asyncio.current_task()) and task.cancelling():
        raise asyncio.CancelledError


_KINDS: dict[type[Hello | Report | Events | RenewCertificate | StatementMade], str] = {
    Hello: "hello",
    Report: "report",
    Events: "events",
    RenewCertificate: "renew",
    StatementMade: "statement",
}
