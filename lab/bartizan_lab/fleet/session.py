"""One simulated gateway's connections: made, kept, lost, and made again at uneven moments."""

import asyncio
import contextlib
import random
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bartizan.errors import Malformed
from bartizan.wire import codec, mqtt5, topics
from bartizan.wire.mqtt5 import Message, Packet
from bartizan.wire.up import Will
from bartizan_agent.mqtt import PACKET_OCTETS, UNACKNOWLEDGED
from bartizan_agent.reconnect import Reconnect
from bartizan_lab.fleet import channel
from bartizan_lab.fleet.channel import Channel
from bartizan_lab.fleet.gateway import Gateway

ANSWER_SECONDS = 60.0
PINGS_PER_KEEPALIVE = 2
SUBSCRIPTION = 1
"""Number of the SUBSCRIBE; publishes count on from it."""


@dataclass(frozen=True)
class Manner:
    """How the gateways of a fleet behave on the network. The defaults are the agent's."""

    keepalive_seconds: int = 60
    session_expiry_seconds: int = 86400
    reconnect_seconds: float = 8.0
    reconnect_seconds_at_most: float = 20.0
    handshakes_at_once: int = 64
    """Of one process; more at once take longer in total."""


class BrokerSaysNo(Exception):
    """The broker refuses the connection, a subscription or a message, or ends the session."""


class Session:
    """Keeps one gateway connected. `run` it."""

    def __init__(
        self, gateway: Gateway, address: tuple[str, int], tls: ssl.SSLContext, manner: Manner, gate: asyncio.Semaphore
    ) -> None:
        self._gateway = gateway
        self._address = address
        self._tls = tls
        self._manner = manner
        self._gate = gate
        self._reader = mqtt5.Reader(PACKET_OCTETS)
        self._number = SUBSCRIPTION
        self._timer: asyncio.TimerHandle | None = None
        self._channel: Channel | None = None
        self._answer: asyncio.Future[Packet] | None = None
        self.connected = False
        self.connections = 0
        """Made so far."""
        self.refusals = 0
        """How often the broker said no."""

    async def run(self) -> NoReturn:
        """Be connected, or try again, until cancelled."""
        manner = self._manner
        reconnect = Reconnect(manner.reconnect_seconds, manner.reconnect_seconds_at_most, random.Random())
        while True:
            wait = reconnect.after_failure
            try:
                await self._be_connected()
            except* BrokerSaysNo:
                self.refusals += 1
            except* ConnectionRefusedError:
                wait = reconnect.after_absence
            except* (OSError, TimeoutError, Malformed):
                pass
            finally:
                self._end()
            if self.connected:
                wait = reconnect.after_loss
            self.connected = False
            await asyncio.sleep(wait())

    async def _be_connected(self) -> None:
        async with self._gate:
            self._channel = await channel.connect(self._address, self._tls)
            self._reader = mqtt5.Reader(PACKET_OCTETS)
            self._channel.listen(self._hear)
            await self._ask(mqtt5.connect(self._introduction()))
            site = self._gateway.site
            own = (topics.ALL_CATALOGUE, topics.ALL_ORDERS, topics.down(site))
            await self._ask(mqtt5.subscribe(SUBSCRIPTION, own))
        self.connected = True
        self.connections += 1
        self._gateway.begin(time.time())
        self._speak(b"")
        async with asyncio.TaskGroup() as tasks:
            pinging = tasks.create_task(self._ping(self._channel))
            try:
                await self._channel.closed
            finally:
                pinging.cancel()

    async def _ask(self, question: bytes) -> Packet:
        assert self._channel is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._channel.send(question)
        async with asyncio.timeout(ANSWER_SECONDS):
            over: set[asyncio.Future[Any]] = {self._answer, self._channel.closed}
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        if not self._answer.done():
            self._channel.closed.result()
            raise BrokerSaysNo
        answer = self._answer.result()
        if answer.reason >= mqtt5.FAILURE:
            raise BrokerSaysNo
        return answer

    async def _ping(self, open_channel: Channel) -> None:
        while True:
            await asyncio.sleep(self._manner.keepalive_seconds / PINGS_PER_KEEPALIVE)
            open_channel.send(mqtt5.PING)

    def _introduction(self) -> mqtt5.Session:
        gateway, manner = self._gateway, self._manner
        return mqtt5.Session(
            client=gateway.site,
            will_topic=topics.up(gateway.site, "will"),
            will=codec.encode(Will(gateway.site, gateway.boot)),
            keepalive=manner.keepalive_seconds,
            expiry=manner.session_expiry_seconds,
            receive_maximum=UNACKNOWLEDGED,
            maximum_packet=PACKET_OCTETS,
        )

    def _hear(self, data: bytes) -> None:
        acknowledgements = b""
        heard = False
        for packet in self._reader.feed(data):
            if isinstance(packet, Message):
                heard = True
                self._gateway.hear(packet.topic, packet.payload, time.time())
                if packet.number:
                    acknowledgements += mqtt5.acknowledge(packet.number)
            else:
                self._note(packet)
        if heard:
            self._speak(acknowledgements)

    def _note(self, packet: Packet) -> None:
        if packet.kind in {mqtt5.CONNACK, mqtt5.SUBACK}:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(packet)
        elif packet.kind == mqtt5.DISCONNECT or packet.reason >= mqtt5.FAILURE:
            raise BrokerSaysNo

    def _speak(self, first: bytes) -> None:
        """Send `first` and whatever is due, in one write; come back when the next is due."""
        assert self._channel is not None
        loop = asyncio.get_running_loop()
        out = [first] if first else []
        if self.connected:
            for topic, payload in self._gateway.words(loop.time(), time.time()):
                self._number = self._number % 0xFFFF + 1
                out.append(mqtt5.publish(self._number, topic, payload))
            self._set_timer(self._gateway.due_at())
        if out:
            self._channel.send(b"".join(out))

    def _set_timer(self, due_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due_at is not None:
            self._timer = asyncio.get_running_loop().call_at(due_at, self._speak, b"")

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._channel is not None:
            self._channel.close()
            with contextlib.suppress(Exception):
                # Seen here, so that asyncio does not log as unseen what was noticed elsewhere first.
                self._channel.closed.result()
            self._channel = None


def tls_context(folder: Path, site: str, ca: str) -> ssl.SSLContext:
    """Return the context with a gateway's certificate; `ca` is PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    context.load_cert_chain(folder / f"{site}.pem")
    return context
