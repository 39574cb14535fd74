"""DSSE v1: an envelope that says which kind of bytes it holds and who signed them.

The signature covers the payload's type and its exact bytes, so nothing is parsed before it is verified and no
canonical form is needed (github.com/secure-systems-lab/dsse, protocol.md and envelope.md).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping

import msgspec

from bartizan.errors import BadSignature, Malformed
from bartizan.ids import KeyId
from bartizan.trust.keys import SigningKey, is_signed, public_octets
from bartizan.wire import codec

LIMIT = 3 * 1024 * 1024 - 4096  # octets; as base64 inside a wire message it still fits `codec.LIMIT`
MAX_SIGNATURES = 16


class Signature(msgspec.Struct, frozen=True):
    """One signature of an envelope. The key id is a hint and decides nothing."""

    sig: str
    keyid: str = ""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """The JSON form. Unknown fields are ignored, as the standard demands."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


def sign(payload: bytes, payload_type: str, keys: Iterable[SigningKey]) -> bytes:
    """Return an envelope of `payload`, signed by every key.

    Raises:
        ValueError: The envelope would be larger than `LIMIT`, so nobody would accept it.
    """
    signed = pre_authentication_encoding(payload, payload_type)
    envelope = codec.encode(
        Envelope(
            payload=base64.b64encode(payload).decode(),
            payload_type=payload_type,
            signatures=tuple(Signature(sig=base64.b64encode(key.sign(signed)).decode(), keyid=key.id) for key in keys),
        )
    )
    if len(envelope) > LIMIT:
        raise ValueError(f"an envelope of {len(envelope)} octets; at most {LIMIT} are accepted")
    return envelope


def verify(envelope: bytes, payload_type: str, keys: Mapping[KeyId, str]) -> bytes:
    """Return the payload of an envelope that at least one of `keys` signed.

    Args:
        envelope: The JSON as received.
        payload_type: The only type that is accepted.
        keys: Public keys in base64, by id.

    Raises:
        Malformed: Too large, not an envelope, or one of another payload type.
        BadSignature: No signature is by one of the keys.
    """
    parsed = codec.decode(envelope, Envelope, LIMIT)
    if parsed.payload_type != payload_type:
        raise Malformed(f"the envelope holds {parsed.payload_type[:80]!r}; {payload_type!r} is needed")
    if len(parsed.signatures) > MAX_SIGNATURES:
        raise Malformed(f"the envelope has {len(parsed.signatures)} signatures; at most {MAX_SIGNATURES} are accepted")
    payload = _octets(parsed.payload)
    signed = pre_authentication_encoding(payload, payload_type)
    signatures = [_octets(signature.sig) for signature in parsed.signatures]
    publics = [public_octets(text) for text in keys.values()]
    if not any(is_signed(signed, signature, public) for signature in signatures for public in publics):
        raise BadSignature("no signature of the envelope is by a key that counts")
    return payload


def pre_authentication_encoding(payload: bytes, payload_type: str) -> bytes:
    """Return the bytes that are signed: DSSE's PAE(type, body)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _octets(text: str) -> bytes:
    # The standard lets producers choose either alphabet of base64.
    try:
        return base64.b64decode(text.translate(_STANDARD_ALPHABET), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the envelope has a field that is not base64") from error


_STANDARD_ALPHABET = str.maketrans("-_", "+/")
