"""DSSE envelopes: exact bytes, one payload type, and the reference implementation agrees."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as ReferenceEnvelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from bartizan.errors import BadSignature, Malformed, Refused
from bartizan.ids import KeyId
from bartizan.trust import dsse
from bartizan.trust.keys import SigningKey, from_seed

TYPE = "application/vnd.bartizan.orders+json"
KEY = from_seed(b"k" * 32)
KEYS = {KEY.id: KEY.public.public}
PAYLOAD = b'{"hello":"gateway"}'
ENVELOPE = dsse.sign(PAYLOAD, TYPE, [KEY])


def test_the_signed_bytes_are_those_of_the_standard() -> None:
    assert dsse.pre_authentication_encoding(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_what_was_signed_is_what_comes_out() -> None:
    assert dsse.verify(ENVELOPE, TYPE, KEYS) == PAYLOAD


def test_the_reference_implementation_verifies_our_envelope() -> None:
    reference = SSlibKey(KEY.id, "ed25519", "ed25519", {"public": KEY.public.raw.hex()})

    assert list(ReferenceEnvelope.from_dict(json.loads(ENVELOPE)).verify([reference], 1)) == [KEY.id]


def test_we_verify_an_envelope_of_the_reference_implementation() -> None:
    signer = CryptoSigner.generate_ed25519()
    public = base64.b64encode(bytes.fromhex(signer.public_key.keyval["public"])).decode()
    envelope = ReferenceEnvelope(PAYLOAD, TYPE, {})
    envelope.sign(signer)

    assert (
        dsse.verify(json.dumps(envelope.to_dict()).encode(), TYPE, {KeyId(signer.public_key.keyid): public}) == PAYLOAD
    )


def test_key_ids_agree_with_the_reference_implementation() -> None:
    signer = CryptoSigner.generate_ed25519()

    assert SigningKey(signer._private_key).id == signer.public_key.keyid  # type: ignore[arg-type]


def test_both_alphabets_of_base64_are_read() -> None:
    payload = b"\xfb\xff\xfe"  # +//+ in one alphabet, -__- in the other
    fields = json.loads(dsse.sign(payload, TYPE, [KEY]))
    fields["payload"] = base64.urlsafe_b64encode(payload).decode()

    assert dsse.verify(json.dumps(fields).encode(), TYPE, KEYS) == payload


def test_the_key_id_is_only_a_hint() -> None:
    fields = json.loads(ENVELOPE)
    fields["signatures"][0]["keyid"] = "another"

    assert dsse.verify(json.dumps(fields).encode(), TYPE, KEYS) == PAYLOAD


def test_another_key_does_not_count() -> None:
    other = from_seed(b"o" * 32)

    with pytest.raises(BadSignature):
        dsse.verify(dsse.sign(PAYLOAD, TYPE, [other]), TYPE, KEYS)


def test_a_key_that_claims_another_id_does_not_count() -> None:
    fields = json.loads(dsse.sign(PAYLOAD, TYPE, [from_seed(b"o" * 32)]))
    fields["signatures"][0]["keyid"] = KEY.id

    with pytest.raises(BadSignature):
        dsse.verify(json.dumps(fields).encode(), TYPE, KEYS)


def test_no_signature_and_no_key_are_refused() -> None:
    fields = json.loads(ENVELOPE) | {"signatures": []}

    with pytest.raises(BadSignature):
        dsse.verify(json.dumps(fields).encode(), TYPE, KEYS)
    with pytest.raises(BadSignature):
        dsse.verify(ENVELOPE, TYPE, {})


def test_an_envelope_of_another_type_is_refused_though_the_key_counts() -> None:
    with pytest.raises(Malformed, match="text/plain"):
        dsse.verify(dsse.sign(PAYLOAD, "text/plain", [KEY]), TYPE, KEYS)


def test_relabelling_the_type_breaks_the_signature() -> None:
    envelope = dsse.sign(PAYLOAD, "text/plain", [KEY]).replace(b"text/plain", TYPE.encode())

    with pytest.raises(BadSignature):
        dsse.verify(envelope, TYPE, KEYS)


def test_seventeen_signatures_are_too_many() -> None:
    fields = json.loads(ENVELOPE)
    fields["signatures"] *= 17

    with pytest.raises(Malformed, match="17 signatures"):
        dsse.verify(json.dumps(fields).encode(), TYPE, KEYS)


def test_an_oversized_envelope_is_neither_read_nor_made() -> None:
    with pytest.raises(Malformed, match="at most"):
        dsse.verify(b" " * (dsse.LIMIT + 1), TYPE, KEYS)
    with pytest.raises(ValueError, match="at most"):
        dsse.sign(b"x" * dsse.LIMIT, TYPE, [KEY])


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff", b'{"payload":1}', b"[" * 100_000, b'{"payload":"*",'])
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(Malformed):
        dsse.verify(garbage, TYPE, KEYS)


@given(place=st.integers(0, len(ENVELOPE) - 1), octet=st.integers(0, 255))
def test_no_changed_octet_changes_the_payload(place: int, octet: int) -> None:
    changed = ENVELOPE[:place] + bytes([octet]) + ENVELOPE[place + 1 :]

    with suppress(Refused):
        assert dsse.verify(changed, TYPE, KEYS) == PAYLOAD  # a change of the key id, which decides nothing
