"""Bytes to messages and back, with a bound on size and a reason for every refusal.

Encoding is canonical (keys sorted, no spaces), so that equal values have equal digests.
"""

import hashlib
from typing import TypeVar

import msgspec

from bartizan.errors import Malformed
from bartizan.identity.model import Device
from bartizan.wire.down import Down
from bartizan.wire.up import Posture, Up

LIMIT = 12 * 1024 * 1024  # octets; a report of 5,000 devices, each with reasons and seven shortfalls, is about 9 MB

T = TypeVar("T")


def encode(message: object) -> bytes:
    """Return the canonical JSON of a message."""
    return _encoder.encode(message)


def decode(data: bytes, kind: type[T], limit: int = LIMIT) -> T:
    """Return the message in `data`.

    Raises:
        Malformed: Larger than `limit` octets, not JSON, or not of this kind.
    """
    if len(data) > limit:
        raise Malformed(f"message of {len(data)} octets; at most {limit} are accepted")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a valid {getattr(kind, '__name__', 'message')}") from error


def decode_up(data: bytes, limit: int = LIMIT) -> Up:
    """Return what a gateway said.

    Raises:
        Malformed: As for `decode`.
    """
    return decode(data, Up, limit)  # type: ignore[arg-type,unused-ignore,return-value] # mypy: a union is no `type`


def decode_down(data: bytes, limit: int = LIMIT) -> Down:
    """Return what the controller said.

    Raises:
        Malformed: As for `decode`.
    """
    return decode(data, Down, limit)  # type: ignore[arg-type,unused-ignore,return-value] # mypy: a union is no `type`


def digest(message: object) -> str:
    """Return the SHA-256 of a message's canonical form, in hexadecimal."""
    return hashlib.sha256(encode(message)).hexdigest()


def report_digest(devices: tuple[Device, ...], posture: Posture) -> str:
    """Return the digest that a `Report` with this content carries."""
    return digest((devices, posture))


_encoder = msgspec.json.Encoder(order="sorted")
