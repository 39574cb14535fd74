"""Sealed credentials: only the right gateway opens them, at the right generation."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bartizan.errors import BadSignature, Malformed, Refused, Stale
from bartizan.ids import DeviceId, SiteId
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.sealing import LIMIT, open_sealed, public_text, seal
from bartizan.wire.down import SealedCredentials

SITE = SiteId("town-hall")
KEY = X25519PrivateKey.from_private_bytes(b"s" * 32)
BOOK = CredentialBook(
    generation=3,
    devices={DeviceId("d1"): Credential("admin", "pa55word")},
    makers={"axis": Credential("root", "wort")},
)
SEALED = seal(BOOK, SITE, public_text(KEY))


def test_the_gateway_opens_what_was_sealed_to_it() -> None:
    assert open_sealed(SEALED, SITE, KEY, held_generation=0) == BOOK


def test_nothing_readable_travels() -> None:
    assert b"pa55word" not in SEALED.sealed
    assert b"admin" not in SEALED.sealed


def test_sealing_twice_gives_different_bytes() -> None:
    assert seal(BOOK, SITE, public_text(KEY)).sealed != SEALED.sealed


def test_the_same_generation_may_come_again_but_no_older_one() -> None:
    assert open_sealed(SEALED, SITE, KEY, held_generation=3) == BOOK
    with pytest.raises(Stale, match="3 came after 4"):
        open_sealed(SEALED, SITE, KEY, held_generation=4)


def test_another_gateway_cannot_open_it() -> None:
    with pytest.raises(BadSignature):
        open_sealed(SEALED, SITE, X25519PrivateKey.generate(), held_generation=0)


def test_it_cannot_be_passed_off_for_another_site_or_generation() -> None:
    with pytest.raises(BadSignature):
        open_sealed(SEALED, SiteId("library"), KEY, held_generation=0)
    with pytest.raises(BadSignature):
        open_sealed(msgspec.structs.replace(SEALED, generation=9), SITE, KEY, held_generation=0)


def test_oversized_books_are_neither_sealed_nor_opened() -> None:
    large = CredentialBook(generation=1, makers={"axis": Credential("root", "x" * LIMIT)})

    with pytest.raises(ValueError, match="at most"):
        seal(large, SITE, public_text(KEY))
    with pytest.raises(Malformed, match="at most"):
        open_sealed(SealedCredentials(1, b"x" * (LIMIT + 49)), SITE, KEY, held_generation=0)


@pytest.mark.parametrize("key", ["", "AAAA", "A" * 43 + "="])
def test_what_is_no_sealing_key_is_refused(key: str) -> None:
    with pytest.raises(Malformed):
        seal(BOOK, SITE, key)


@given(place=st.integers(0, len(SEALED.sealed) - 1), octet=st.integers(0, 255))
def test_no_changed_octet_changes_a_password(place: int, octet: int) -> None:
    changed = SEALED.sealed[:place] + bytes([octet]) + SEALED.sealed[place + 1 :]

    try:
        assert open_sealed(SealedCredentials(3, changed), SITE, KEY, held_generation=0) == BOOK
    except Refused:
        assert changed != SEALED.sealed


@given(st.binary(max_size=200))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(BadSignature):
        open_sealed(SealedCredentials(3, rubbish), SITE, KEY, held_generation=0)
