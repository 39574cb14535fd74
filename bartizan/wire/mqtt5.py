"""MQTT 5 where it has to be quick, as bytes in and bytes out. Pure.

A library spends more on a message than all that is done with it: on the controller's side, which hears a whole fleet,
and in a fleet of simulated gateways. This is the part of the standard (OASIS MQTT 5.0, chapters 2 and 3) that carries
messages over a session, and nothing else.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from bartizan.errors import Malformed

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x30, 0x40
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x82, 0x90, 0xC0, 0xD0, 0xE0
KIND = 0xF0  # of a packet: these bits of its first octet
FAILURE = 0x80  # reason codes from here on are refusals
LEAVE_WITH_WILL = 0x04
PING = bytes((PINGREQ, 0))
QOS_1 = 0x02  # among the flags of a publish
LENGTH_OCTETS = 4

_SESSION_EXPIRY, _RECEIVE_MAXIMUM, _MAXIMUM_PACKET = 0x11, 0x21, 0x27
_WILL, _WILL_QOS_1 = 0x04, 0x08


class Session(NamedTuple):
    """What a client says of itself when it connects. Times are seconds."""

    client: str
    will_topic: str
    will: bytes
    keepalive: int
    expiry: int
    receive_maximum: int
    maximum_packet: int


class Raw(NamedTuple):
    """A packet as it came: its first octet, and what follows its length."""

    first: int
    body: bytes


class Packet(NamedTuple):
    """A packet of any kind that carries no message: `kind` is its first octet without flags."""

    kind: int
    reason: int
    """Of several, the worst; 0 where the packet has none."""
    number: int = 0


class Message(NamedTuple):
    """A publish that arrived. `number` is 0 where nobody waits for an acknowledgement."""

    topic: str
    payload: bytes
    number: int


def connect(session: Session) -> bytes:
    """Return a CONNECT that takes up the session which the broker kept."""
    properties = (
        bytes((_SESSION_EXPIRY,))
        + session.expiry.to_bytes(4)
        + bytes((_RECEIVE_MAXIMUM,))
        + session.receive_maximum.to_bytes(2)
        + bytes((_MAXIMUM_PACKET,))
        + session.maximum_packet.to_bytes(4)
    )
    flags = (_WILL | _WILL_QOS_1) if session.will_topic else 0
    will = b"\0" + _text(session.will_topic) + _octets(session.will) if session.will_topic else b""
    head = _text("MQTT") + bytes((5, flags)) + session.keepalive.to_bytes(2)
    return _packet(CONNECT, head + _length(len(properties)) + properties + _text(session.client) + will)


def subscribe(number: int, topics: Iterable[str]) -> bytes:
    """Return a SUBSCRIBE at QoS 1."""
    return _packet(SUBSCRIBE, number.to_bytes(2) + b"\0" + b"".join(_text(topic) + b"\1" for topic in topics))


def publish(number: int, topic: str, payload: bytes) -> bytes:
    """Return a PUBLISH at QoS 1."""
    return _packet(PUBLISH | QOS_1, _text(topic) + number.to_bytes(2) + b"\0" + payload)


def mention(topic: str, payload: bytes) -> bytes:
    """Return a PUBLISH at QoS 0, of which nobody says whether it arrived."""
    return _packet(PUBLISH, _text(topic) + b"\0" + payload)


def acknowledge(number: int) -> bytes:
    """Return the PUBACK of a message."""
    return bytes((PUBACK, 2)) + number.to_bytes(2)


def leave(reason: int = 0) -> bytes:
    """Return a DISCONNECT."""
    return bytes((DISCONNECT, 1, reason))


class Reader:
    """Takes the broker's bytes as they come, and gives packets."""

    def __init__(self, maximum_packet: int) -> None:
        self._maximum = maximum_packet
        self._buffer = bytearray()
        self._needed = 0
        """Octets in the buffer without which nothing more is complete."""

    def feed(self, data: bytes) -> Iterator[Packet | Message]:
        """Yield every packet that is complete with `data`.

        Raises:
            Malformed: These are no packets, or one is too large.
        """
        return map(decode, self.split(data))

    def split(self, data: bytes) -> Iterator[Raw]:
        """Yield every packet that is complete with `data`, without looking into it.

        Raises:
            Malformed: These are no packets, or one is too large.
        """
        if not self._buffer:
            at = yield from self._packets(data)
            self._buffer += data[at:]
            return
        self._buffer += data
        if len(self._buffer) >= self._needed:
            whole = bytes(self._buffer)
            at = yield from self._packets(whole)
            del self._buffer[:at]

    def _packets(self, buffer: bytes) -> Generator[Raw, None, int]:
        """Yield the packets of which all is there; return where the first begins that is not."""
        at, end = 0, len(buffer)
        while at + 2 <= end:
            length = buffer[at + 1]
            start = at + 2
            if length >= 0x80:
                length, start = self._long_length(buffer, at + 1)
            if length > self._maximum:
                raise Malformed(f"a packet of {length} octets; at most {self._maximum} are accepted")
            if start + length > end:
                self._needed = start + length - at
                return at
            packet = Raw(buffer[at], buffer[start : start + length])
            at = start + length
            yield packet
        self._needed = 2
        return at

    def _long_length(self, buffer: bytes, at: int) -> tuple[int, int]:
        """Return a length of several octets, and where it ends. Where it is not all there, the packet is not."""
        try:
            return _read_length(buffer, at)
        except IndexError:
            return 1, len(buffer)
        except ValueError:
            raise Malformed("a packet's length has more than four octets") from None


def decode(packet: Raw) -> Packet | Message:
    """Return what a packet says.

    Raises:
        Malformed: It ends before it says what it must.
    """
    first, body = packet
    kind = first & KIND
    try:
        if kind == PUBLISH:
            return _message(first, body)
        if kind == PUBACK:
            return Packet(kind, body[2] if len(body) > 2 else 0, int.from_bytes(body[:2]))
        if kind == SUBACK:
            properties, start = _read_length(body, 2)
            return Packet(kind, max(body[start + properties :]), int.from_bytes(body[:2]))
        if kind == CONNACK:
            return Packet(kind, body[1])
        return Packet(kind, body[0] if body else 0)
    except (IndexError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise Malformed("a packet ends before it says what it must") from error


def _message(first: int, body: bytes) -> Message:
    at = 2 + int.from_bytes(body[:2])
    topic = body[2:at].decode()
    number = 0
    if first & 0x06:
        number = int.from_bytes(body[at : at + 2])
        at += 2
    properties, at = _read_length(body, at)
    return Message(topic, body[at + properties :], number)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _length(value: int) -> bytes:
    octets = bytearray()
    while True:
        value, low = divmod(value, 0x80)
        octets.append(low | 0x80 if value else low)
        if not value:
            return bytes(octets)


def _read_length(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(LENGTH_OCTETS):
        octet = body[at + index]
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            return value, at + index + 1
    raise ValueError


def _text(text: str) -> bytes:
    return _octets(text.encode())


def _octets(octets: bytes) -> bytes:
    return len(octets).to_bytes(2) + octets
