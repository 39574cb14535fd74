"""The enrolment token: pasted by people, and the gateway's first reason to trust a controller."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.errors import Malformed
from bartizan.ids import SiteId
from bartizan.trust.enrolment import ca_hash, is_pinned, is_secret, read_token, secret_hash, write_token
from bartizan_controller.authority import Authority
from tests.trust.estate import NOW

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def ca_pem(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return Authority.found(tmp_path_factory.mktemp("ca"), "Test CA", NOW).ca_pem


def test_a_token_reads_as_documented(ca_pem: bytes) -> None:
    parts = write_token(SiteId("town-hall"), SECRET, ca_pem).split(".")

    assert parts[:3] == ["bz1", "town-hall", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]
    assert len(parts[3]) == 43


def test_a_token_survives_the_journey(ca_pem: bytes) -> None:
    token = read_token(f"  {write_token(SiteId('town-hall'), SECRET, ca_pem)}\n")

    assert (token.site, token.secret, token.ca_sha256) == ("town-hall", SECRET, ca_hash(ca_pem))


def test_a_token_does_not_show_its_secret(ca_pem: bytes) -> None:
    assert "AAEC" not in repr(read_token(write_token(SiteId("town-hall"), SECRET, ca_pem)))


def test_only_the_pinned_ca_is_trusted(ca_pem: bytes, tmp_path: Path) -> None:
    token = read_token(write_token(SiteId("town-hall"), SECRET, ca_pem))
    impostor = Authority.found(tmp_path, "Test CA", NOW).ca_pem

    assert is_pinned(token, ca_pem)
    assert not is_pinned(token, impostor)
    with pytest.raises(Malformed):
        is_pinned(token, b"rubbish")


def test_the_stored_hash_knows_its_secret_only() -> None:
    stored = secret_hash(SECRET)

    assert stored == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    assert is_secret(SECRET, stored)
    assert not is_secret(SECRET[::-1], stored)
    assert not is_secret(SECRET, "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bz1",
        "bz2.a.b.c",
        "bz1.Town Hall.AAAA.AAAA",
        "bz1.town-hall.AAAA.AAAA",
        "bz1.town-hall.***.***",
        "bz1.a.b.c.d",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_token(text)


@given(st.text(max_size=120))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(Malformed):
        read_token(text)


@given(place=st.integers(0, 200))
def test_a_cut_token_is_noticed(ca_pem: bytes, place: int) -> None:
    whole = write_token(SiteId("town-hall"), SECRET, ca_pem)

    if place < len(whole):
        with pytest.raises(Malformed):
            read_token(whole[:place])


def test_a_short_secret_is_not_handed_out(ca_pem: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        write_token(SiteId("town-hall"), b"short", ca_pem)
