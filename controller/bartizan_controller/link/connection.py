"""One connection to the broker: the only module that knows the MQTT library.

aiomqtt leaves to its user what matters here. A publish that the broker refuses returns as if it had gone well; a
message is acknowledged before anybody has read it; a refused subscription raises nothing. So the inner paho client's
callbacks are taken over for publishing and receiving, and aiomqtt keeps connecting, subscribing and closing.

A fleet's answers come by the thousand at once, and paho takes ten times as long over a message as the rest of the
controller. So messages, acknowledgements and what may be lost pass it by: its socket is read, and its queue written, in
packets of our own. Whatever else the broker says, paho hears as ever.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import cast

import aiomqtt
import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bartizan.errors import Malformed
from bartizan.wire import codec, mqtt5, topics
from bartizan.wire.mqtt5 import Message
from bartizan_controller.errors import BrokerAway
from bartizan_controller.link.inbox import Inbox

RECEIVE_AT_MOST = 2_000  # messages that the broker may send ahead of our acknowledgements
SEND_AT_MOST = 1_000  # of ours that may wait for the broker's, if it allows as many
SESSION_SECONDS = 7 * 86_400  # how long the broker keeps what gateways say while the controller is away
KEEPALIVE_SECONDS = 15
ANSWER_SECONDS = 20.0
PACKET_OCTETS = 16 * 1024 * 1024
AROUND_PAYLOAD = 1024  # octets of a packet: header, topic, properties
READ_OCTETS = 64 * 1024
READS_AT_ONCE = 100
"""Before other tasks have their turn. A broker writes each message by itself, and each takes a read."""


class Endpoint(msgspec.Struct, frozen=True):
    """Which broker, and as whom."""

    host: str
    port: int
    client: str = "bartizan-controller"
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port})"


class BrokerLink:
    """An open connection. Made by `connect`."""

    def __init__(self, client: aiomqtt.Client, receiving: "_Receiving") -> None:
        self._client = client
        self._window = max(1, min(SEND_AT_MOST, receiving.allowed) // 2)
        self._paho = client._client  # noqa: SLF001 - aiomqtt offers no way to acknowledge or to see refusals
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.arrived = receiving.arrived
        self.payload_octets = receiving.packet_octets - AROUND_PAYLOAD
        """Largest payload that the broker takes."""
        self.session_kept = receiving.session_kept
        """Whether the broker still knew what the controller had subscribed to."""
        self._paho.on_publish = self._on_publish

    async def subscribe(self) -> None:
        """Ask for what gateways say.

        Raises:
            BrokerAway: The broker went away or would not have it.
        """
        with _translated():
            codes = await self._client.subscribe(topics.up_filter(), qos=1, timeout=ANSWER_SECONDS)
        refused = [code for code in codes if isinstance(code, ReasonCode) and code.is_failure]
        if refused:
            raise BrokerAway(f"the broker refuses to let the controller hear the gateways: {refused[0]}")

    def acknowledge(self, arrived: Iterable[Message]) -> None:
        """Tell the broker that it may forget these messages. It waits for nothing of those without a number."""
        self._write(b"".join(mqtt5.acknowledge(message.number) for message in arrived if message.number))

    def say(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send what its receiver will ask for again if it is lost. Does not wait."""
        self._write(b"".join(mqtt5.mention(topic, payload) for topic, payload in messages))

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages in their order and wait until the broker has taken them all.

        Raises:
            BrokerAway: It went away, did not answer in time, or refused one of them.
        """
        for start in range(0, len(messages), self._window):
            sent = [self._publish(topic, payload) for topic, payload in messages[start : start + self._window]]
            done, late = await asyncio.wait(sent, timeout=ANSWER_SECONDS)
            for future in late:
                future.cancel()
            refusals = [error for error in (future.exception() for future in done) if error is not None]
            if refusals or late:
                raise BrokerAway("the broker did not take all that was published") from next(iter(refusals), None)

    async def closed(self) -> None:
        """Wait until the connection is lost.

        Raises:
            BrokerAway: It is.
        """
        with _translated():
            # Nothing comes out: `on_message` is ours. The iterator ends when the connection does.
            async for _ in self._client.messages:
                pass
        raise BrokerAway("the connection to the broker ended")

    def _write(self, packets: bytes) -> None:
        if packets:
            # As an acknowledgement: of those paho keeps no account.
            self._paho._packet_queue(mqtt5.PUBACK, packets, 0, 0)  # noqa: SLF001

    def _publish(self, topic: str, payload: bytes) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        info = self._paho.publish(topic, payload, qos=1)
        if info.rc not in {paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_QUEUE_SIZE}:
            future.set_exception(BrokerAway("the connection to the broker is lost"))
        else:
            self._waiting[info.mid] = future
        return future

    def _on_publish(
        self, _client: paho.Client, _data: object, number: int, reason: ReasonCode, _properties: object
    ) -> None:
        future = self._waiting.pop(number, None)
        if future is None or future.done():
            return
        if reason.is_failure:
            future.set_exception(BrokerAway(f"the broker refuses what the controller publishes: {reason}"))
        else:
            future.set_result(None)


@contextlib.asynccontextmanager
async def connect(
    endpoint: Endpoint, tls: ssl.SSLContext, *, on_unheard: Callable[[], None]
) -> AsyncIterator[BrokerLink]:
    """Connect with the session that the broker kept, and subscribe.

    Args:
        endpoint: Where.
        tls: With the controller's certificate.
        on_unheard: Is called for each message that came at QoS 0 and found no room.

    Raises:
        BrokerAway: It is not there, not the one expected, or refuses us.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it so
    properties.SessionExpiryInterval = SESSION_SECONDS
    properties.ReceiveMaximum = RECEIVE_AT_MOST
    properties.MaximumPacketSize = PACKET_OCTETS
    client = aiomqtt.Client(
        endpoint.host,
        endpoint.port,
        identifier=endpoint.client,
        username=endpoint.username,
        password=endpoint.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        tls_context=tls,
        keepalive=KEEPALIVE_SECONDS,
        timeout=ANSWER_SECONDS,
        # Nagle's algorithm would hold small packets back for 40 ms.
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    receiving = _Receiving(client, Inbox(on_unheard))
    with _translated():
        async with client:
            link = BrokerLink(client, receiving)
            await link.subscribe()
            yield link


class _Receiving:
    """What the library's callbacks leave behind."""

    def __init__(self, client: aiomqtt.Client, arrived: Inbox) -> None:
        self.arrived = arrived
        self.allowed = SEND_AT_MOST
        """How many messages the broker is willing to have unacknowledged."""
        self.packet_octets = codec.LIMIT + AROUND_PAYLOAD
        """Largest packet that the broker takes, and gateways."""
        self.session_kept = False
        self._reader = mqtt5.Reader(PACKET_OCTETS)
        self._paho = inner = client._client  # noqa: SLF001 - as above
        # paho types a callback for every version of its interface; this is aiomqtt's.
        self._aiomqtt_on_connect = cast("Callable[..., None]", inner.on_connect)
        inner.max_inflight_messages_set(0)
        inner.on_connect = self._on_connect
        inner._packet_read = self._read  # type: ignore[method-assign] # noqa: SLF001

    def _on_connect(
        self,
        client: paho.Client,
        data: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.allowed = getattr(properties, "ReceiveMaximum", SEND_AT_MOST)
        self.packet_octets = min(self.packet_octets, getattr(properties, "MaximumPacketSize", self.packet_octets))
        self.session_kept = flags.session_present
        self._aiomqtt_on_connect(client, data, flags, reason, properties)

    def _read(self) -> MQTTErrorCode:
        """Read all that is there, in place of one packet octet by octet."""
        for _ in range(READS_AT_ONCE):
            try:
                data = self._paho._sock_recv(READ_OCTETS)  # noqa: SLF001
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_AGAIN
            except OSError:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            if not data:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            try:
                code = self._hear(data)
            except (Malformed, MalformedPacket):
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hear(self, data: bytes) -> MQTTErrorCode:
        # By this paho knows whether the broker is still there.
        self._paho._last_bytes_received = time.monotonic()  # noqa: SLF001
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        for packet in self._reader.split(data):
            if packet.first & mqtt5.KIND == mqtt5.PUBLISH:
                said = mqtt5.decode(packet)
                assert isinstance(said, Message)
                self.arrived.put(said)
                continue
            self._paho._in_packet |= {  # noqa: SLF001
                "command": packet.first,
                "packet": bytearray(packet.body),
                "remaining_length": len(packet.body),
                "pos": 0,
            }
            code = self._paho._packet_handle()  # noqa: SLF001
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        return code


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiomqtt.MqttError as error:
        raise BrokerAway("the broker is not there, or would not have the controller") from error
