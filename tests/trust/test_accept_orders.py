"""Order books: what a gateway obeys, and what it refuses whoever signed it."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.errors import BadSignature, Expired, Loosens, Malformed, Refused, Stale, TooNew
from bartizan.ids import DeviceId, OrderId, RolloutId, SiteId
from bartizan.trust import dsse
from bartizan.trust.accept import accept, open_book, vetted_image
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.keys import from_seed
from bartizan.trust.orders import PAYLOAD_TYPE, Install, OrderBook, Raise, Scan
from bartizan_controller.catalogue import director_keys
from bartizan_controller.director import Director
from tests.trust.estate import NOW, SHA, image

SITE = SiteId("town-hall")
KEY = from_seed(b"d" * 32)
KEYS = director_keys(KEY)
BOOK = OrderBook(
    generation=7,
    issued_at=NOW,
    expires_at=NOW + 600,
    capability=1,
    site=SITE,
    orders=(
        Raise(OrderId("o1"), Level.QUARANTINE, "seen scanning", "soc-1", device=DeviceId("d1")),
        Scan(OrderId("o2")),
    ),
)
ENVELOPE = Director(KEY).sign(BOOK)
INSTALL = Install(OrderId("o3"), RolloutId("r1"), DeviceId("d1"), image().id)


def take(envelope: bytes, *, held: OrderBook | None = None, site: SiteId | None = SITE, now: float = NOW) -> OrderBook:
    return accept(envelope, KEYS, held=held, scope=site, now=now, capability=1)


def by_hand(**changes: Any) -> bytes:
    """A book that the director's stolen key signed, with fields that no controller writes."""
    fields = json.loads(msgspec.json.encode(BOOK)) | changes
    return dsse.sign(json.dumps(fields).encode(), PAYLOAD_TYPE, [KEY])


def test_a_signed_book_is_obeyed() -> None:
    assert take(ENVELOPE) == BOOK


def test_a_newer_book_replaces_an_older_one() -> None:
    older = msgspec.structs.replace(BOOK, generation=6)

    assert take(ENVELOPE, held=older) == BOOK


def test_the_same_book_again_changes_nothing() -> None:
    held = take(ENVELOPE)

    assert take(ENVELOPE, held=held) is held


def test_the_same_book_again_changes_nothing_even_after_its_time() -> None:
    held = take(ENVELOPE)

    assert take(ENVELOPE, held=held, now=NOW + 601) is held


def test_a_replayed_book_is_stale() -> None:
    with pytest.raises(Stale, match="7 came after 8"):
        take(ENVELOPE, held=msgspec.structs.replace(BOOK, generation=8))


def test_the_same_generation_with_other_content_is_stale() -> None:
    with pytest.raises(Stale, match="other content"):
        take(ENVELOPE, held=msgspec.structs.replace(BOOK, orders=()))


def test_a_book_past_its_time_is_expired() -> None:
    assert take(ENVELOPE, now=NOW + 599) == BOOK
    with pytest.raises(Expired):
        take(ENVELOPE, now=NOW + 600)


def test_a_gateway_whose_clock_is_behind_obeys_all_the_same() -> None:
    assert take(ENVELOPE, now=0.0) == BOOK


@pytest.mark.parametrize("site", [SiteId("library"), None])
def test_a_book_of_another_scope_is_refused(site: SiteId | None) -> None:
    with pytest.raises(Malformed, match="not for"):
        take(ENVELOPE, site=site)


def test_the_estates_book_is_no_sites_book() -> None:
    estate_book = Director(KEY).sign(msgspec.structs.replace(BOOK, site=None))

    assert take(estate_book, site=None).site is None
    with pytest.raises(Malformed, match="for the estate, not for site 'town-hall'"):
        take(estate_book)


def test_a_book_for_newer_programs_is_too_new_before_it_is_malformed() -> None:
    with pytest.raises(TooNew, match="capability 2"):
        take(by_hand(capability=2, orders=[{"type": "a-kind-of-the-future"}]))


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"orders": [{"type": "dance", "id": "o1"}]},
        {"orders": [{"type": "scan", "id": "o1", "surprise": 1}]},
        {"orders": [{"type": "raise", "id": "o1", "level": "purple", "reason": "", "by": ""}]},
        {"generation": 0},
        {"generation": -1},
        {"generation": 2**53},
        {"generation": 1.5},
        {"expires_at": "never"},
        {"orders": 7},
    ],
)
def test_what_no_director_writes_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        take(by_hand(**changes))


@pytest.mark.parametrize(
    ("entry", "attempt"),
    [
        ({"type": "release", "id": "o1", "device": "d1"}, "release"),
        ({"type": "lower", "id": "o1", "level": "watch"}, "lower"),
        ({"type": "raise", "id": "o1", "level": "off", "reason": "", "by": ""}, "set level 'off'"),
    ],
)
def test_an_attempt_to_loosen_is_named(entry: dict[str, str], attempt: str) -> None:
    with pytest.raises(Loosens, match=attempt):
        take(by_hand(orders=[entry]))


def test_a_rotated_director_is_obeyed_and_the_old_one_no_longer() -> None:
    new = from_seed(b"n" * 32)
    book = Director(new).sign(BOOK)

    assert accept(book, director_keys(new), held=None, scope=SITE, now=NOW, capability=1) == BOOK
    with pytest.raises(BadSignature):
        accept(ENVELOPE, director_keys(new), held=None, scope=SITE, now=NOW, capability=1)
    with pytest.raises(BadSignature):
        take(book)


def test_while_directors_change_both_count() -> None:
    both = director_keys(KEY, from_seed(b"n" * 32))

    assert accept(ENVELOPE, both, held=None, scope=SITE, now=NOW, capability=1) == BOOK


def test_without_a_director_nothing_is_obeyed() -> None:
    with pytest.raises(BadSignature):
        accept(ENVELOPE, DirectorKeys({}), held=None, scope=SITE, now=NOW, capability=1)


def test_a_stored_book_is_opened_after_its_time_because_raises_stand() -> None:
    assert open_book(ENVELOPE, KEYS, scope=SITE, capability=1) == BOOK


def test_the_director_does_not_sign_what_nobody_would_accept() -> None:
    with pytest.raises(ValueError, match="generation"):
        Director(KEY).sign(msgspec.structs.replace(BOOK, generation=0))
    with pytest.raises(ValueError, match="expire"):
        Director(KEY).sign(msgspec.structs.replace(BOOK, expires_at=NOW))


def test_the_director_knows_whether_it_counts() -> None:
    assert Director(KEY).counts(KEYS)
    assert not Director(from_seed(b"n" * 32)).counts(KEYS)


@pytest.mark.parametrize(
    ("catalogue", "error", "why"),
    [
        (Catalogue({}, NOW + 1, KEYS), Refused, "does not hold"),
        (Catalogue({}, NOW + 1, KEYS, images=(image(recalled=True),)), Refused, "recalled"),
        (Catalogue({}, NOW, KEYS, images=(image(),)), Expired, "expired"),
    ],
)
def test_only_a_vetted_image_of_a_fresh_catalogue_is_installed(
    catalogue: Catalogue, error: type[Refused], why: str
) -> None:
    with pytest.raises(error, match=why):
        vetted_image(INSTALL, catalogue, NOW)


def test_a_vetted_image_is_described_by_its_approvers() -> None:
    catalogue = Catalogue({}, NOW + 1, KEYS, images=(image(), image("0" * 64, file_name="other.bin")))

    assert vetted_image(INSTALL, catalogue, NOW).id == f"sha256:{SHA}"


@given(place=st.integers(0, len(ENVELOPE) - 1), octet=st.integers(0, 255))
def test_no_changed_octet_changes_an_order(place: int, octet: int) -> None:
    with suppress(Refused):
        assert take(ENVELOPE[:place] + bytes([octet]) + ENVELOPE[place + 1 :]) == BOOK
