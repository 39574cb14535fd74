"""Keys as files: what is read, what is refused, and what never shows."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bartizan.errors import Malformed
from bartizan.trust.keys import PublicKey, from_pem, from_seed, is_signed

KEY = from_seed(bytes(range(32)), holder="approver-1")


def test_a_key_goes_through_a_file_unchanged() -> None:
    assert from_pem(KEY.pem(), holder="approver-1").public == KEY.public


def test_a_passphrase_protects_a_key() -> None:
    pem = KEY.pem(b"correct horse")

    assert b"ENCRYPTED" in pem
    assert from_pem(pem, b"correct horse").id == KEY.id
    for wrong in (None, b"battery staple"):
        with pytest.raises(Malformed, match="passphrase"):
            from_pem(pem, wrong)


def test_another_kind_of_key_is_refused() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(Malformed, match="Ed25519"):
        from_pem(pem)


@pytest.mark.parametrize("pem", [b"", b"rubbish", KEY.pem()[:60]])
def test_a_damaged_key_file_is_refused(pem: bytes) -> None:
    with pytest.raises(Malformed):
        from_pem(pem)


def test_a_key_does_not_show_itself() -> None:
    assert bytes(range(32)).hex() not in repr(KEY)
    assert "approver-1" in repr(KEY)


def test_a_signature_counts_for_its_bytes_and_key_only() -> None:
    signature = KEY.sign(b"words")

    assert is_signed(b"words", signature, KEY.public.raw)
    assert not is_signed(b"Words", signature, KEY.public.raw)
    assert not is_signed(b"words", signature[:-1], KEY.public.raw)
    assert not is_signed(b"words", signature, from_seed(b"o" * 32).public.raw)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "A" * 44])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        PublicKey(public=text).id  # noqa: B018 - computing it is what fails
