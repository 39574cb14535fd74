"""The link against a real broker over mutual TLS: what gets through, what is refused, and what it survives."""

import asyncio
import os
import random
import resource
import signal
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from bartizan.containment.model import ManagementPath
from bartizan.errors import BadSignature
from bartizan.ids import BootId, SiteId
from bartizan.wire import codec, events
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import EventsAck, OrdersEnvelope, ReportAck, ReportWanted
from bartizan.wire.topics import ALL_CATALOGUE, ALL_ORDERS, down, up
from bartizan.wire.up import Events, Hello, Posture, RenewCertificate, Report, StatementMade, Will
from bartizan_agent import outbox as outbox_module
from bartizan_agent.clock import GatewayClock
from bartizan_agent.link import Instruction, Link
from bartizan_agent.mqtt import PACKET_OCTETS, UNACKNOWLEDGED, Connection
from bartizan_agent.notes import note
from bartizan_agent.outbox import Outbox
from bartizan_agent.settings import ControllerSettings
from bartizan_agent.store import open_store
from tests.agent.estate import ACCESS, Authority, Broker, desk, until

SITE = SiteId("north")
BOOT = BootId("b1")


class Killed(BaseException):
    """Stands for the end of the process in the middle of handling."""


class Agent:
    """An agent reduced to what its link needs: it says what the test put here and keeps what it is told."""

    def __init__(self) -> None:
        self.present: Report | None = None
        self.request: RenewCertificate | None = None
        self.accepted: list[Instruction] = []
        self.answers: list[tuple[ManagementPath, float]] = []
        self.clock_was_set = False

    def hello(self) -> Hello:
        digest = self.present.digest if self.present else ""
        return Hello(SITE, BOOT, CAPABILITY, "0.1.0", report_digest=digest)

    def report(self) -> Report | None:
        return self.present

    def renewal(self) -> RenewCertificate | None:
        request, self.request = self.request, None
        return request

    def statements(self) -> tuple[StatementMade, ...]:
        return ()

    def wants_all_again(self) -> bool:
        wants, self.clock_was_set = self.clock_was_set, False
        return wants

    def linked(self, *, connected: bool, tls: str = "") -> None:
        self.connected, self.tls = connected, tls

    def answered(self, path: ManagementPath, asked_at: float) -> None:
        self.answers.append((path, asked_at))

    def accept(self, instruction: Instruction, arrived_at: float) -> None:  # noqa: ARG002 - `Voice` gives it
        if instruction == OrdersEnvelope(b"forged"):
            raise BadSignature("not signed by a director key")
        if instruction == OrdersEnvelope(b"poison"):
            raise ZeroDivisionError
        self.accepted.append(instruction)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(open_store(tmp_path / "agent.sqlite", [outbox_module.SCHEMA])) as connection:
        yield Outbox(connection, GatewayClock(tmp_path / "clock"), site=SITE, boot=BOOT, limit_octets=10**6)


@asynccontextmanager
async def linked(
    agent: Agent,
    outbox: Outbox,
    broker: Broker,
    authority: Authority,
    controller: ControllerSettings | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> AsyncIterator[asyncio.Event]:
    news = asyncio.Event()
    link = Link(
        controller or broker.settings(),
        site=SITE,
        boot=BOOT,
        tls=tls or (lambda: authority.client_context(SITE)),
        voice=agent,
        outbox=outbox,
        news=news,
        clock=GatewayClock(Path("/nonexistent")),
        chance=random.Random(1),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run())
        try:
            yield news
        finally:
            running.cancel()


def report(digest: str) -> Report:
    posture = Posture({}, catalogue_expired=False, estate_orders=0, site_orders=0, ruleset_digest="", devices=())
    return Report(SITE, BOOT, 0.0, digest, (), posture)


def refusals(outbox: Outbox) -> list[dict[str, str]]:
    head = outbox.head(1000)
    return [event.detail for event in head.events if event.kind == events.MESSAGE_REFUSED] if head else []


async def test_the_first_words_are_hello_and_then_what_is_owed(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    agent.present = report("d1")
    outbox.record(note(events.AGENT_STARTED))
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority):
        await controller.hears(Events)
        await controller.say(SITE, ReportWanted())
        await controller.hears(Report)

        assert isinstance(controller.heard[0][1], Hello)
        assert controller.all(Events)[0].events[0].kind == events.AGENT_STARTED
        assert (agent.connected, agent.tls) == (True, "TLSv1.3")


async def test_events_stay_until_the_controller_has_committed_them(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    outbox.record(*[note(events.DEVICE_FOUND)] * 150)
    async with desk(authority, broker) as controller, linked(Agent(), outbox, broker, authority):
        first = (await controller.hears(Events))[0]
        await controller.say(SITE, EventsAck(BOOT, first.events[-1].sequence))
        second = (await controller.hears(Events, 2))[1]

        assert outbox.pending() == 50
        assert [event.sequence for event in second.events] == list(range(101, 151))
        await controller.say(SITE, EventsAck(BOOT, 150))
        await until(lambda: outbox.pending() == 0)


async def test_what_arrives_while_idle_is_said_at_once(outbox: Outbox, broker: Broker, authority: Authority) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority) as news:
        await controller.hears(Hello)
        outbox.record(note(events.DEVICE_FOUND))
        agent.present = report("d2")
        agent.request = RenewCertificate(SITE, "csr")
        news.set()
        await controller.hears(Events)
        await controller.hears(RenewCertificate)

        assert controller.all(Report)[0].digest == "d2"
        await controller.say(SITE, ReportAck("d2"))


async def test_instructions_reach_the_agent_from_its_own_topic_and_from_the_broadcasts(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority):
        await controller.hears(Hello)
        await controller.say(SITE, OrdersEnvelope(b"for the site"))
        await controller.say(SITE, OrdersEnvelope(b"for the estate"), topic=ALL_ORDERS)
        await until(lambda: len(agent.accepted) == 2)

    assert agent.accepted == [OrdersEnvelope(b"for the site"), OrdersEnvelope(b"for the estate")]


async def test_hostile_messages_are_refused_by_name_and_the_next_good_one_gets_through(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority):
        await controller.hears(Hello)
        await controller.say_bytes(down(SITE), b"")
        await controller.say_bytes(down(SITE), b"\xff" * 1000)
        await controller.say_bytes(down(SITE), b'{"type":"open-the-door"}')
        await controller.say_bytes(down(SITE), b"[" * 200_000)
        await controller.say(SITE, EventsAck(BOOT, 10**9), topic=ALL_CATALOGUE)
        await controller.say(SITE, OrdersEnvelope(b"forged"))
        await controller.say(SITE, OrdersEnvelope(b"poison"))
        await controller.say(SITE, OrdersEnvelope(b"good"))
        await until(lambda: bool(agent.accepted))

    assert agent.accepted == [OrdersEnvelope(b"good")]
    assert [refusal["code"] for refusal in refusals(outbox)] == [
        "malformed", "malformed", "malformed", "malformed", "malformed", "bad-signature", "internal"
    ]  # fmt: skip


async def test_a_flood_of_rubbish_leaves_room_for_other_events(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority):
        await controller.hears(Hello)
        for _ in range(200):
            await controller.say_bytes(down(SITE), b"rubbish")
        await controller.say(SITE, OrdersEnvelope(b"good"))
        await until(lambda: bool(agent.accepted))

    assert len(refusals(outbox)) == 20


async def test_a_packet_that_no_message_needs_ends_the_connection_not_the_process(
    outbox: Outbox, authority: Authority, tmp_path: Path
) -> None:
    """A hostile broker does not honour Maximum Packet Size; paho alone would hold 256 MB of what it sends."""
    connections = 0

    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK
        writer.write(b"\x30\xff\xff\xff\x7f" + bytes(1_000_000))  # PUBLISH of 256 MB
        await writer.drain()
        await reader.read(1000)
        writer.close()

    folder = tmp_path / "hostile"
    folder.mkdir()
    broker = Broker(authority, folder)
    server = await asyncio.start_server(hostile, "127.0.0.1", broker.port, ssl=server_context(authority))
    async with server, linked(Agent(), outbox, broker, authority):
        await until(lambda: connections >= 3)
        told = refusals(outbox)[0]

    assert (told["code"], told["topic"]) == ("too-large", "")
    assert told["reason"] == f"the broker sends a packet of more than {PACKET_OCTETS} octets; the connection was ended"


async def test_a_report_that_nobody_would_take_is_told_and_the_talk_goes_on(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent, small = Agent(), report("d1")
    posture = msgspec.structs.replace(small.posture, released="x" * codec.LIMIT)
    agent.present = msgspec.structs.replace(small, posture=posture)
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority) as news:
        await controller.say(SITE, ReportWanted())
        await until(lambda: bool(refusals(outbox)))
        agent.present = report("d2")
        news.set()
        heard = await controller.hears(Report)

    assert [each.digest for each in heard] == ["d2"]
    told = refusals(outbox)[0]
    assert (told["code"], told["topic"]) == ("too-large", up(SITE, "report"))


async def test_a_broker_that_dies_and_forgets_is_told_everything_again(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with AsyncExitStack() as before, AsyncExitStack() as running:
        controller = await before.enter_async_context(desk(authority, broker))
        patient = broker.settings(reconnect_seconds_at_most=1.0)
        await running.enter_async_context(linked(agent, outbox, broker, authority, patient))
        await controller.hears(Hello)
        await before.aclose()
        broker.stop()
        outbox.record(note(events.DEVICE_FOUND))
        await broker.start()
        async with desk(authority, broker) as controller:
            # Said while nobody sat at the desk, it was lost, and is said again after 5, 15 and 35 seconds.
            said = (await controller.hears(Events, seconds=60))[0]
            await controller.say(SITE, OrdersEnvelope(b"subscribed again"))
            await until(lambda: bool(agent.accepted))

    assert [event.kind for event in said.events] == [events.DEVICE_FOUND]


async def test_a_frozen_broker_is_noticed(
    outbox: Outbox, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Two keepalives and a bit; the kernel's own time limit catches what is unacknowledged in TCP."""
    async with linked(Agent(), outbox, broker, authority, broker.settings(keepalive_seconds=1)):
        async with desk(authority, broker) as controller:
            await controller.hears(Hello)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            await until(lambda: "the controller is away" in caplog.text)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        async with desk(authority, broker) as controller:
            await controller.hears(Hello)


async def test_what_is_not_yet_handled_bounds_what_the_broker_may_send(broker: Broker, authority: Authority) -> None:
    """A flood waits at the broker, not in the gateway's memory; each that is handled lets one more come."""
    here = Connection(broker.settings(), SITE, authority.client_context(SITE), aiomqtt.Will("bz/1/up/00/north/will"))
    async with here as connection, desk(authority, broker) as controller:
        await connection.listen_to(down(SITE))
        for number in range(3 * UNACKNOWLEDGED):
            await controller.say_bytes(down(SITE), bytes([number]))
        arrived = [await anext(connection.messages) for _ in range(UNACKNOWLEDGED)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(connection.messages), 0.5)
        connection.acknowledge(arrived[0])
        arrived.append(await asyncio.wait_for(anext(connection.messages), 5))
        assert [message.payload for message in arrived] == [bytes([number]) for number in range(UNACKNOWLEDGED + 1)]


async def test_an_idle_connection_wakes_the_process_to_ask_the_broker_and_for_nothing_else(
    broker: Broker, authority: Authority
) -> None:
    """Once to ask and once for the answer, in each keepalive."""
    keepalives = 4
    async with Connection(
        broker.settings(keepalive_seconds=1),
        SITE,
        authority.client_context(SITE),
        aiomqtt.Will("bz/1/up/00/north/will"),
    ) as connection:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        await asyncio.sleep(keepalives)
        wakeups = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
        await connection.say("bz/1/up/00/north/hello", b"still here")

    assert keepalives <= wakeups <= 2 * keepalives + 2


async def test_messages_sent_while_away_are_kept_by_the_broker(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller:
        async with linked(agent, outbox, broker, authority):
            await controller.hears(Hello)
        await controller.say(SITE, OrdersEnvelope(b"sent while away"))
        async with linked(agent, outbox, broker, authority):
            await until(lambda: bool(agent.accepted))


async def test_what_a_wrong_clock_refused_is_asked_for_once_the_clock_was_set(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    agent = Agent()
    async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority) as news:
        await controller.hears(Hello)
        await controller.say(SITE, OrdersEnvelope(b"for the site"))
        await until(lambda: len(agent.accepted) == 1)
        agent.clock_was_set = True
        news.set()
        await controller.hears(Hello, 2)


async def test_an_instruction_that_was_not_handled_comes_again(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    """Killed in the middle of handling, the agent had not acknowledged; the broker sends it to the next start."""
    dying = Agent()

    def die(instruction: Instruction, arrived_at: float) -> None:
        raise Killed

    async def live_until_told(agent: Agent) -> None:
        async with linked(agent, outbox, broker, authority):
            await controller.hears(Hello)
            await controller.say(SITE, OrdersEnvelope(b"once"))
            await until(lambda: False)

    dying.accept = die  # type: ignore[method-assign]
    agent = Agent()
    async with desk(authority, broker) as controller:
        with pytest.raises(BaseExceptionGroup) as died:
            await live_until_told(dying)
        assert died.group_contains(Killed)
        async with linked(agent, outbox, broker, authority):
            await until(lambda: bool(agent.accepted))


async def test_leaving_has_the_broker_publish_the_will(outbox: Outbox, broker: Broker, authority: Authority) -> None:
    async with desk(authority, broker) as controller:
        async with linked(Agent(), outbox, broker, authority):
            await controller.hears(Hello)
        will = (await controller.hears(Will))[0]

    assert will == Will(SITE, BOOT)


async def test_a_publish_that_the_broker_refuses_is_not_taken_for_said(
    outbox: Outbox, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "strict"
    folder.mkdir()
    broker = Broker(authority, folder, ACCESS.replace("pattern write bz/1/up/+/%u/#\n", ""))
    await broker.start()
    try:
        async with linked(Agent(), outbox, broker, authority):
            await until(lambda: "the controller is away" in caplog.text)
    finally:
        broker.stop()

    assert "the broker refuses what is said on" in caplog.text


async def test_a_certificate_of_another_authority_gets_no_answer(
    outbox: Outbox, broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The pinned authority is checked in both directions."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    async with linked(Agent(), outbox, broker, Authority(folder)):
        await until(lambda: "the controller is away" in caplog.text)

    assert "certificate verify failed" in caplog.text


async def test_the_same_trouble_is_logged_once_and_once_when_it_is_over(
    outbox: Outbox, broker: Broker, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    async with linked(Agent(), outbox, broker, authority):
        await until(lambda: "away" in caplog.text)
        await asyncio.sleep(0.5)
        await broker.start()
        await until(lambda: "the controller is here" in caplog.text)

    assert caplog.text.count("the controller is away") == 1


async def test_where_nobody_listens_the_link_knocks_in_an_even_rhythm(
    outbox: Outbox, broker: Broker, authority: Authority
) -> None:
    """However long the controller is away, it is found soon after it is back."""
    broker.stop()
    knocks = 0

    def context() -> ssl.SSLContext:
        nonlocal knocks
        knocks += 1
        return authority.client_context(SITE)

    patient = broker.settings(reconnect_seconds_at_most=60.0)
    async with linked(Agent(), outbox, broker, authority, patient, tls=context):
        await until(lambda: knocks > 12)  # 200 s, were each wait twice the one before


async def test_a_full_disk_does_not_end_the_talk(broker: Broker, authority: Authority, tmp_path: Path) -> None:
    agent = Agent()
    with closing(open_store(tmp_path / "full.sqlite", [outbox_module.SCHEMA])) as store:
        outbox = Outbox(store, GatewayClock(tmp_path / "clock"), site=SITE, boot=BOOT, limit_octets=10**6)
        outbox.record(note(events.AGENT_STARTED))
        fill(store)
        async with desk(authority, broker) as controller, linked(agent, outbox, broker, authority):
            await controller.hears(Hello)
            for _ in range(100):
                outbox.record(note(events.DEVICE_FOUND, reason="x" * 1000))
            await controller.say_bytes(down(SITE), b"rubbish")
            await controller.say(SITE, OrdersEnvelope(b"good"))
            await until(lambda: bool(agent.accepted))


def fill(store: sqlite3.Connection) -> None:
    pages = store.execute("PRAGMA page_count").fetchone()[0]
    store.execute(f"PRAGMA max_page_count = {pages}")


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    return context
