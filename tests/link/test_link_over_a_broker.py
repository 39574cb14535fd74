"""Controller and gateways over a real broker with mutual TLS: what is said arrives, once, whatever dies."""

import asyncio
import base64
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import aiomqtt
import httpx
import pytest
import pytest_asyncio
import structlog

from bartizan.containment.level import Level
from bartizan.ids import BootId, SiteId
from bartizan.trust import dsse
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook
from bartizan.wire import codec, events, topics
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import (
    CatalogueBundle,
    Certificate,
    EventsAck,
    OrdersEnvelope,
    ReportAck,
    ReportWanted,
    SealedCredentials,
)
from bartizan.wire.up import RenewCertificate
from bartizan_controller.access import Role
from bartizan_controller.config import Config
from bartizan_controller.link.inbox import UNCONFIRMED_AT_MOST
from bartizan_controller.store import devices, gateways, history
from bartizan_controller.store import events as event_rows
from bartizan_controller.store.events import EventFilter, RecordedEvent
from tests.controller.gateway import SEALING_KEY, Gateway, csr, device, report
from tests.controller.running import ORGANISATION, Running, copy_of, run, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    template: Path, configured: Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("link") / "controller"), configured) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with running.caller(Role.ADMIN) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(running: Running, admin: httpx.AsyncClient, tmp_path: Path) -> Gateway:
    return await enrolled(admin, tmp_path)


async def test_a_first_hello_is_answered_with_all_that_is_missing(gateway: Gateway, running: Running) -> None:
    """The catalogue, no orders as there are none, and an answer in any case."""
    async with gateway.connect() as line:
        await line.say(gateway.hello(sealing_key=SEALING_KEY))

        bundle = await line.hear(CatalogueBundle)
        assert {"metadata/1.root.json", "metadata/timestamp.json"} <= bundle.files.keys()
        assert await line.hear(EventsAck) == EventsAck(gateway.boot, 0)
    known = running.parts.database.query(lambda c: gateways.find(c, gateway.site))
    assert (known.boot, known.capability, known.sealing_key) == (gateway.boot, CAPABILITY, SEALING_KEY)


async def test_a_gateway_that_lacks_nothing_is_only_told_so(gateway: Gateway, running: Running) -> None:
    """A reconnect storm moves no catalogues."""
    async with gateway.connect() as line:
        await line.say(gateway.hello(catalogue=running.parts.publication.versions))

        first = await anext(aiter(line.client.messages))
        assert codec.decode_down(bytes(first.payload)) == EventsAck(gateway.boot, 0)


async def test_events_are_committed_once_and_then_acknowledged(gateway: Gateway, running: Running) -> None:
    """Repeated, overlapping and reordered runs leave each event exactly once."""
    async with gateway.connect() as line:
        for first, number in ((1, 3), (1, 3), (2, 4), (1, 2)):
            await line.say(gateway.events(first, number))
            assert await line.hear(EventsAck) == EventsAck(gateway.boot, first + number - 1)

    assert [event.sequence for event in heard_from(running, gateway)] == [1, 2, 3, 4, 5]


async def test_the_same_numbers_of_another_start_are_other_events(gateway: Gateway, running: Running) -> None:
    """An agent that starts again counts from one again."""
    async with gateway.connect() as line:
        await line.say(gateway.events(1, 2))
        await line.hear(EventsAck)
        gateway.boot = BootId("boot-2")
        await line.say(gateway.events(1, 2))
        assert await line.hear(EventsAck) == EventsAck(BootId("boot-2"), 2)

    assert [(event.boot, event.sequence) for event in heard_from(running, gateway)] == [
        ("boot-1", 1),
        ("boot-1", 2),
        ("boot-2", 1),
        ("boot-2", 2),
    ]


async def test_a_report_becomes_the_inventory_and_the_next_one_its_history(gateway: Gateway, running: Running) -> None:
    """State is replaced whole; what changed is told field by field."""
    old = report(gateway, (device(1), device(2)))
    new = report(gateway, (device(1, firmware="5.5.89"), device(3)), level=Level.ISOLATE, enforced=Level.WATCH)
    async with gateway.connect() as line:
        for each in (old, new, new):
            await line.say(each)
            assert await line.hear(ReportAck) == ReportAck(each.digest)

    page = running.parts.database.query(lambda c: devices.page(c, devices.Filter(site=gateway.site), limit=10))
    states = [state for _, state in page]
    assert [(state.device.id, state.device.identity.firmware, state.agrees) for state in states] == [
        ("serial:0001", "5.5.89", False),
        ("serial:0003", "5.5.0", False),
    ]
    told = running.parts.database.query(lambda c: history.changes_of(c, gateway.site, states[0].device.id, limit=10))
    assert {(each.field, each.before, each.after) for each in told if each.before} == {
        ("firmware", "5.5.0", "5.5.89"),
        ("wanted", "watch", "isolate"),
    }


async def test_a_report_that_the_controller_lacks_is_asked_for(gateway: Gateway) -> None:
    """A controller restored from a backup finds out what it missed."""
    async with gateway.connect() as line:
        await line.say(gateway.hello(report_digest="0" * 64))
        assert await line.hear(ReportWanted) == ReportWanted()
        sent = report(gateway, (device(1),))
        await line.say(sent)
        await line.hear(ReportAck)
        await line.say(gateway.hello(report_digest=sent.digest))
        assert await line.hear(ReportAck) == ReportAck(sent.digest)


async def test_an_order_reaches_those_who_listen_and_those_who_come_later(
    gateway: Gateway, running: Running, admin: httpx.AsyncClient
) -> None:
    """One broadcast; the same envelope again for a hello that lacks it."""
    async with gateway.connect() as line:
        await line.say(gateway.hello())
        await line.hear(EventsAck)
        given = await admin.post(
            "orders", json={"site": gateway.site, "level": "quarantine", "reason": "it calls home"}
        )
        assert given.status_code == 201
        live = await line.hear(OrdersEnvelope)

    async with gateway.connect() as line:
        await line.say(gateway.hello())
        late = await line.hear(OrdersEnvelope)
    assert late == live
    book = opened(running, live)
    assert (book.site, book.orders[0].reason) == (gateway.site, "it calls home")  # type: ignore[union-attr]

    async with gateway.connect() as line:
        await line.say(gateway.hello(site_orders=book.generation))
        await line.hear(EventsAck)
        await admin.delete(f"orders/{book.orders[0].id}", params={"reason": "it was the clock"})
        after = opened(running, await line.hear(OrdersEnvelope))
    assert after.generation > book.generation
    assert after.orders == ()


async def test_sealed_credentials_are_forwarded_unopened(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    """The controller has bytes and a generation, nothing else."""
    body = {"generation": 7, "sealed": "AAEC", "sealed_to": SEALING_KEY}
    async with gateway.connect() as line:
        assert (await admin.put(f"sites/{gateway.site}/credentials", json=body)).status_code == 204
        assert await line.hear(SealedCredentials) == SealedCredentials(7, b"\x00\x01\x02")
    assert (await admin.put(f"sites/{gateway.site}/credentials", json=body)).status_code == 409


async def test_a_hello_cannot_change_the_key_that_credentials_are_sealed_to(gateway: Gateway, running: Running) -> None:
    """A thief of the broker would read what operators give next. The gateway is answered, and operators are told."""
    thief = base64.b64encode(b"t" * 32).decode()
    async with gateway.connect() as line:
        await line.say(gateway.hello(sealing_key=thief))
        await line.hear(EventsAck)

    known = running.parts.database.query(lambda c: gateways.find(c, gateway.site))
    assert known.sealing_key == SEALING_KEY
    await until(lambda: bool(heard_from(running, gateway)))
    (told,) = heard_from(running, gateway)
    assert (told.kind, told.detail["code"]) == (events.MESSAGE_REFUSED, "foreign")


async def test_a_certificate_renews_itself_for_the_same_key_only(gateway: Gateway) -> None:
    """A thief of the connection cannot have one for a key of their own."""
    stranger = Gateway(gateway.site, gateway.folder)
    async with gateway.connect() as line:
        await line.say(RenewCertificate(gateway.site, csr(stranger.key)))
        await line.say(RenewCertificate(gateway.site, csr(gateway.key)))
        renewed = await line.hear(Certificate)
    gateway.write(renewed.pem)
    async with gateway.connect() as line:
        await line.say(gateway.hello())
        await line.hear(EventsAck)


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        ("hello", b"\xff\xfe", "malformed"),
        ("hello", b'{"type":"report"}', "malformed"),
        (
            "events",
            b'{"type":"events","site":"other","boot":"b","events":[{"sequence":1,"at":1,"kind":"k"}]}',
            "foreign",
        ),
        ("events", b'{"type":"events","site":"SITE","boot":"b","events":[]}', "malformed"),
        (
            "events",
            b'{"type":"events","site":"SITE","boot":"b","events":[{"sequence":9999999999999999999,"at":1,"kind":"k"}]}',
            "malformed",
        ),
        ("report", b'{"type":"report","site":"SITE","boot":"b","taken_at":1,"digest":"1","devices":[]}', "malformed"),
        ("report", b"[" * 5_000_000, "malformed"),
    ],
    ids=["no-json", "another-kind", "another-site", "no-events", "number-too-great", "half-a-report", "too-large"],
)
async def test_what_cannot_be_accepted_is_shown_to_operators_and_stops_nothing(
    gateway: Gateway, running: Running, kind: str, payload: bytes, code: str
) -> None:
    """Refused, told, and the next message is heard."""
    async with gateway.connect() as line:
        await line.shout(topics.up(gateway.site, kind), payload.replace(b"SITE", gateway.site.encode()))
        await line.say(gateway.hello())
        await line.hear(EventsAck)

    refused = [event for event in heard_from(running, gateway) if event.kind == events.MESSAGE_REFUSED]
    assert [event.detail["code"] for event in refused] == [code]
    assert refused[0].detail["topic"] == topics.up(gateway.site, kind)


async def test_a_message_that_nobody_waits_for_is_heard_and_breaks_nothing(gateway: Gateway, running: Running) -> None:
    """At QoS 0 a message has no number; to acknowledge it would have the broker cut the controller off."""
    topic = topics.up(gateway.site, "events")
    with structlog.testing.capture_logs() as logs:
        async with gateway.connect() as line:
            for number in range(1, 4):
                await line.shout(topic, codec.encode(gateway.events(number, 1)), qos=0)
                assert await line.hear(EventsAck) == EventsAck(gateway.boot, number)
            await line.say(gateway.events(4, 1))
            await line.hear(EventsAck)

    assert [event.sequence for event in heard_from(running, gateway)] == [1, 2, 3, 4]
    assert [line["event"] for line in logs if "broker" in line["event"]] == []


async def test_messages_that_nobody_waits_for_do_not_pile_up(gateway: Gateway, running: Running) -> None:
    """A few are kept while the database is slow; the rest goes unheard, is counted, and costs no other message."""
    topic, sent = topics.up(gateway.site, "events"), 3 * UNCONFIRMED_AT_MOST
    database, before = running.parts.database, running.parts.link.state.unheard
    slow = threading.Event()
    async with asyncio.TaskGroup() as tasks, gateway.connect() as line:
        tasks.create_task(database.write(lambda _: slow.wait(20)))
        for number in range(1, sent + 1):
            await line.shout(topic, codec.encode(gateway.events(number, 1)), qos=0)
        try:
            # One batch is on its way to the database; behind it there is room for as many as are kept.
            await until(lambda: running.parts.link.state.unheard - before >= sent - 2 * UNCONFIRMED_AT_MOST)
            await line.say(gateway.events(sent + 1, 1))
        finally:
            slow.set()
        while (await line.hear(EventsAck)).through <= sent:
            pass

    kept = running.parts.database.query(lambda c: event_rows.last_sequences(c, {gateway.site: gateway.boot}))
    assert kept == {gateway.site: sent + 1}
    heard = sent - (running.parts.link.state.unheard - before)
    assert UNCONFIRMED_AT_MOST <= heard <= 2 * UNCONFIRMED_AT_MOST


async def test_a_gateway_can_neither_write_as_another_nor_to_the_estate(
    gateway: Gateway, running: Running, admin: httpx.AsyncClient, tmp_path: Path
) -> None:
    """The broker refuses by the certificate's name, before the controller sees anything."""
    victim = await enrolled(admin, tmp_path)
    forged = codec.encode(victim.hello())
    async with victim.connect() as ear, gateway.connect() as line:
        for topic in (
            topics.up(victim.site, "hello"),
            topics.down(victim.site),
            topics.ALL_ORDERS,
            topics.ALL_CATALOGUE,
        ):
            await line.shout(topic, forged)
        assert line.refused == ["Not authorized"] * 4
        assert await ear.hears_nothing(0.3)
    assert heard_from(running, victim) == []


async def test_a_gateway_cannot_read_what_is_meant_for_another(
    gateway: Gateway, admin: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Whatever it subscribes to, only its own topic and the broadcasts are delivered."""
    spy = await enrolled(admin, tmp_path)
    async with spy.connect(listen=False) as ear, gateway.connect() as line:
        for topic in ("#", "bz/1/up/#", "bz/1/site/+/down", topics.down(gateway.site)):
            await ear.client.subscribe(topic, qos=1)
        await line.say(gateway.hello())
        await line.hear(EventsAck)
        assert await ear.hears_nothing(0.3)


async def test_a_broker_that_is_killed_comes_back_and_nothing_is_lost(gateway: Gateway, running: Running) -> None:
    """Kill -9 in the middle: the supervisor starts it again, the link resubscribes, the gateway repeats itself."""
    before = running.parts.broker_pid()
    assert before is not None
    async with gateway.connect() as line:
        await line.say(gateway.events(1, 5))
        await line.hear(EventsAck)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(aiomqtt.MqttError):
            await line.hear(EventsAck)
    await until(lambda: running.parts.broker_pid() not in {None, before} and running.parts.link.state.connected)
    known = running.parts.database.query(lambda c: gateways.find(c, gateway.site))
    assert not known.connected

    async with gateway.connect() as line:
        await line.say(gateway.hello())
        assert await line.hear(EventsAck) == EventsAck(gateway.boot, 5)
        await line.say(gateway.events(6, 5))
        assert await line.hear(EventsAck) == EventsAck(gateway.boot, 10)
    assert len(heard_from(running, gateway)) == 10


async def test_a_gateway_that_is_gone_is_known_to_be_gone(gateway: Gateway, running: Running) -> None:
    """Its will says so, but not if a later start has spoken since."""
    async with gateway.connect() as line:
        await line.say(gateway.hello())
        await line.hear(EventsAck)
        assert running.parts.database.query(lambda c: gateways.find(c, gateway.site)).connected
        line.client._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        await until(lambda: not running.parts.database.query(lambda c: gateways.find(c, gateway.site)).connected)


async def test_a_gateway_that_is_shut_out_is_deaf_and_dumb_at_once(
    gateway: Gateway, running: Running, admin: httpx.AsyncClient
) -> None:
    """The connection it has is worth nothing, a new one is refused, and a new enrolment lets it in again."""
    async with gateway.connect() as line:
        assert (await admin.post(f"sites/{gateway.site}/revoke")).status_code == 204

        async def is_dumb() -> bool:
            await line.say(gateway.hello())
            return "Not authorized" in line.refused

        await until(is_dumb)
    with pytest.raises(aiomqtt.MqttError):
        # TLS 1.3 tells a client only after the handshake that its certificate is not wanted; aiomqtt does not listen.
        async with gateway.connect(seconds=0.5):
            pass
    with pytest.raises(httpx.HTTPError):
        await fetch(gateway, "/catalogue/metadata/1.root.json")

    token = (await admin.post(f"sites/{gateway.site}/enrolment-token")).json()["token"]
    async with running.client() as nobody:
        assert (await gateway.enrol(nobody, token)).is_success

    async def is_heard() -> bool:
        async with gateway.connect() as line:
            await line.say(gateway.hello())
            return not line.refused

    await until(is_heard)


async def enrolled(admin: httpx.AsyncClient, folder: Path) -> Gateway:
    """Return a gateway of a new site."""
    gateway = Gateway(SiteId(f"site-{next(NUMBERS)}"), folder / "gateway")
    (await admin.post("sites", json={"id": gateway.site, "organisation": ORGANISATION})).raise_for_status()
    gateway.folder = folder / gateway.site
    token = (await admin.post(f"sites/{gateway.site}/enrolment-token")).raise_for_status().json()["token"]
    (await gateway.enrol(admin, token)).raise_for_status()
    return gateway


def heard_from(running: Running, gateway: Gateway) -> list[RecordedEvent]:
    """Return what is kept of a gateway's events."""
    wanted = EventFilter(site=gateway.site)
    return list(running.parts.database.query(lambda c: event_rows.page(c, wanted, after=0, limit=100)))


def opened(running: Running, envelope: OrdersEnvelope) -> OrderBook:
    """Return the book in an envelope, verified with the catalogue's director keys."""
    keys = running.parts.publication.catalogue.director.keys
    return codec.decode(dsse.verify(envelope.envelope, PAYLOAD_TYPE, keys), OrderBook)


async def fetch(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    """Return what the gateway port answers to this gateway."""
    assert gateway.enrolment
    async with httpx.AsyncClient(verify=gateway.tls(), trust_env=False) as client:
        return await client.get(f"{gateway.enrolment.gateway_url}{path}", headers=headers)
