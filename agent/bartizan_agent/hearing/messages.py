"""The messages of nfnetlink_log (linux/netfilter/nfnetlink_log.h). Pure: octets in, values out, and back.

Whatever a camera sends stands in these messages; the kernel wrote what is around it. Both are read with bounds.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from bartizan.ids import Mac

MESSAGES_AT_MOST = 1000
"""Read of one datagram; the kernel is asked to put fewer into one."""
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_FAMILY = struct.Struct(">BBH")  # nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
_SUBSYSTEM = 4 << 8  # NFNL_SUBSYS_ULOG
_PACKET, _CONFIGURE = _SUBSYSTEM | 0, _SUBSYSTEM | 1
_ERROR = 2  # NLMSG_ERROR
_REQUEST_ACKNOWLEDGED = 0x1 | 0x4
_TIMESTAMP, _SENDER, _PAYLOAD, _PREFIX, _SEQUENCE = 3, 8, 9, 10, 12
_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_COMMAND, _MODE, _BUFFER, _TIMEOUT, _THRESHOLD, _FLAGS = 1, 2, 3, 4, 5, 6
_BIND = 1
_COPY_PACKET = 2
_NUMBERED = 1  # NFULNL_CFG_F_SEQ


class Copied(NamedTuple):
    """One packet as the kernel copied it."""

    mark: str
    """What the rule that copied it calls it."""
    mac: Mac | None
    """Of the sender, where the frame has one."""
    packet: bytes
    """From the header of IP on, as far as it was copied."""
    at: float | None
    """Unix seconds, where the kernel took the time."""
    number: int
    """Rises by one for each packet, those included that found no room."""


class Setup(NamedTuple):
    """How copies are handed over."""

    octets: int
    """Copied of a packet at most."""
    at_once: int
    """Packets that are handed over together ..."""
    within_seconds: float
    """... or as many as there are after this time."""


def packets(datagram: bytes) -> Iterator[Copied]:
    """Yield the packets in what one read gave. What is no whole message ends it; what is no packet is left out."""
    offset = 0
    for _ in range(MESSAGES_AT_MOST):
        if offset + _HEADER.size > len(datagram):
            return
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            return
        if kind == _PACKET:
            found = _packet(datagram[offset + _HEADER.size + _FAMILY.size : offset + length])
            if found is not None:
                yield found
        offset += length + 3 & ~3


def refusal(answer: bytes) -> int | None:
    """Return the error number in the kernel's answer to a request; 0 where it was done, None where it is no answer."""
    if len(answer) < _HEADER.size + 4 or _HEADER.unpack_from(answer)[1] != _ERROR:
        return None
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    return -int(code)


def setup(group: int, wanted: Setup) -> tuple[bytes, ...]:
    """Return the requests that make this socket the listener of a group, each to be acknowledged."""
    mode = struct.pack(">IBx", wanted.octets, _COPY_PACKET)
    return (
        _configure(group, _attribute(_COMMAND, bytes([_BIND]))),
        _configure(group, _attribute(_MODE, mode)),
        _configure(group, _attribute(_THRESHOLD, wanted.at_once.to_bytes(4, "big"))),
        _configure(group, _attribute(_TIMEOUT, round(wanted.within_seconds * 100).to_bytes(4, "big"))),
        _configure(group, _attribute(_FLAGS, _NUMBERED.to_bytes(2, "big"))),
    )


def _packet(attributes: bytes) -> Copied | None:
    mark, mac, payload, at, number = "", None, None, None, 0
    for kind, value in _attributes(attributes):
        if kind == _PREFIX:
            mark = value.rstrip(b"\0").decode("ascii", "replace")
        elif kind == _SENDER and len(value) >= 10 and value[:2] == b"\0\6":
            mac = Mac(value[4:10].hex(":"))
        elif kind == _PAYLOAD:
            payload = value
        elif kind == _TIMESTAMP and len(value) == 16:
            seconds, microseconds = struct.unpack(">QQ", value)
            at = seconds + microseconds / 1e6
        elif kind == _SEQUENCE and len(value) == 4:
            number = int.from_bytes(value, "big")
    return None if payload is None else Copied(mark, mac, payload, at, number)


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, offset)
        if length < _ATTRIBUTE.size or offset + length > len(octets):
            return
        yield kind & _TYPE, octets[offset + _ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3


def _configure(group: int, attributes: bytes) -> bytes:
    size = _HEADER.size + _FAMILY.size + len(attributes)
    return _HEADER.pack(size, _CONFIGURE, _REQUEST_ACKNOWLEDGED, 0, 0) + _FAMILY.pack(0, 0, group) + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) & 3)
