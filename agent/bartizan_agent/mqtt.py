"""One MQTT connection: aiomqtt, with the few things that it leaves out.

* A publish that the broker refuses raises; aiomqtt returns as if nothing were wrong.
* A message is acknowledged when it was handled, not when it arrived.
* A packet larger than any message may be ends the connection; paho would hold up to 256 MB of it.
* An idle connection wakes the process to ask whether the broker is there, and for its answer; not every second.
* Leaving has the broker publish the will: to the controller, a gateway that stopped is a gateway that is gone.
"""

import asyncio
import errno
import socket
import ssl
import time
from types import TracebackType
from typing import Any, Self

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bartizan.containment.model import ManagementPath
from bartizan.ids import SiteId, address
from bartizan.wire import codec
from bartizan_agent.confirmation import path_between
from bartizan_agent.errors import LinkLost, NobodyThere
from bartizan_agent.settings import ControllerSettings

ANSWER_SECONDS = 30.0  # a report of a large site over a slow mobile link
HANDSHAKE_SECONDS = (
    15.0  # a broker to which thousands come back serves them all at once, each slowly; paho gives up at 5
)
UNACKNOWLEDGED = 16  # messages the broker may have on their way; each is small but a catalogue
SHORTEST_LOOK_SECONDS = 0.5  # at the silence: where it seems due at once and paho has done nothing about it
PACKET_OCTETS = codec.LIMIT + 1024  # topic and properties beside the largest message
_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),  # Nagle makes a publish take 44 ms
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ANSWER_SECONDS * 1000)),
)


class Connection(aiomqtt.Client):
    """A connection to the broker as one site; `async with` it. Raises `aiomqtt.MqttError` where the broker is away.

    The underscored methods replace aiomqtt's own; should it rename them, tests/agent/test_mqtt.py fails.
    """

    def __init__(self, controller: ControllerSettings, site: SiteId, tls: ssl.SSLContext, will: aiomqtt.Will) -> None:
        super().__init__(
            controller.broker_host,
            controller.broker_port,
            identifier=site,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=controller.keepalive_seconds,
            properties=_properties(controller),
            tls_context=tls,
            will=will,
            timeout=ANSWER_SECONDS,
            socket_options=_OPTIONS,
        )
        self._refusal: ReasonCode | None = None
        self.path: ManagementPath | None = None
        """The two ends of the connection, once it is there."""
        self.tls = ""
        """The version of TLS that was agreed on, once it is there."""
        self.too_large = ""
        """Why the connection was ended, in words, if the broker began a packet that is larger than any message."""
        self._one_at_a_time = asyncio.Lock()
        self._client.connect_timeout = HANDSHAKE_SECONDS
        self._client.manual_ack_set(on=True)
        self._unbounded_read = self._client.loop_read
        self._client.loop_read = self._read  # type: ignore[method-assign] # paho has no limit of its own

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            NobodyThere: There is no broker.
            aiomqtt.MqttError: It is not the controller's, is too slow, or refuses.
            LinkLost: It cuts the connection at once.
        """
        cut = self._disconnected
        try:
            await super().__aenter__()
        except aiomqtt.MqttError as error:
            if _is_absence(error.__context__):
                raise NobodyThere("no broker is there") from error
            raise
        finally:
            if cut.done():
                cut.exception()  # seen here, so that asyncio does not log it as unseen
        if cut.done():
            # Between the broker's welcome and this line; aiomqtt forgets it and would wait for ever.
            self._client._sock_close()  # noqa: SLF001
            raise LinkLost("the broker cut the connection at once")
        self.path, self.tls = _path(self._client.socket()), _tls(self._client.socket())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave, and have the broker publish the will."""
        self._client.disconnect(_WITH_WILL)
        try:
            await super().__aexit__(kind, error, traceback)
        finally:
            # Where the farewell could not be written, neither aiomqtt nor paho closes the socket.
            self._client._sock_close()  # noqa: SLF001

    async def listen_to(self, *topics: str) -> None:
        """Subscribe at QoS 1.

        Raises:
            LinkLost: The broker refuses one of them.
            aiomqtt.MqttError: It does not answer.
        """
        codes = await self.subscribe([(topic, 1) for topic in topics], timeout=ANSWER_SECONDS)
        for topic, code in zip(topics, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise LinkLost(f"the broker refuses the subscription to {topic}: {code}")

    async def say(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 and return when the broker has it.

        Raises:
            LinkLost: The broker refuses it.
            aiomqtt.MqttError: It does not answer.
        """
        async with self._one_at_a_time:
            self._refusal = None
            await self.publish(topic, payload, qos=1)
            if self._refusal is not None:
                raise LinkLost(f"the broker refuses what is said on {topic}: {self._refusal}")

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Tell the broker that a message was handled and need not come again."""
        self._client.ack(message.mid, message.qos)

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self._refusal = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)

    async def _misc_loop(self) -> None:
        while self._client.loop_misc() == paho.MQTT_ERR_SUCCESS:  # noqa: ASYNC110 - paho keeps the time, no event does
            await asyncio.sleep(max(SHORTEST_LOOK_SECONDS, self._silence_is_up_at() - time.monotonic()))

    def _silence_is_up_at(self) -> float:
        # As paho has it: it asks when either side was silent for so long, and gives up after as long again.
        last = min(self._client._last_msg_out, self._client._last_bytes_received)  # noqa: SLF001 - the only place
        return last + self._client.keepalive

    def _read(self, max_packets: int = 1) -> MQTTErrorCode:
        code = self._unbounded_read(max_packets)
        if self._client._in_packet["remaining_length"] > PACKET_OCTETS:  # noqa: SLF001 - the only place that knows
            self._client._sock_close()  # noqa: SLF001
            self.too_large = f"the broker sends a packet of more than {PACKET_OCTETS} octets; the connection was ended"
            raise LinkLost(self.too_large)
        return code


def _path(connected: Any) -> ManagementPath | None:
    """Return the ends of paho's socket, which it wraps for TLS."""
    try:
        own, peer = connected.getsockname(), connected.getpeername()
        return path_between(address(own[0]), address(peer[0]), peer[1])
    except (OSError, AttributeError):
        return None  # cut meanwhile


def _tls(connected: Any) -> str:
    return connected.version() or "" if isinstance(connected, ssl.SSLSocket) else ""


def _is_absence(error: BaseException | None) -> bool:
    # Of the system's errors, those that a host or a router on the way gave, or the lack of a way.
    return isinstance(error, OSError) and (
        isinstance(error, (ConnectionRefusedError, socket.gaierror))
        or error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}
    )


def _properties(controller: ControllerSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own omission
    properties.SessionExpiryInterval = controller.session_expiry_seconds
    properties.ReceiveMaximum = UNACKNOWLEDGED
    properties.MaximumPacketSize = PACKET_OCTETS
    return properties
