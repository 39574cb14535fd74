"""YAML is read without guessing, and what could deceive a reader or exhaust the machine is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.policy.document import DEPTH_LIMIT, Mapping, Place, Scalar, Sequence, read_document
from bartizan.policy.errors import PolicyError


def refusal(text: str) -> str:
    with pytest.raises(PolicyError) as error:
        read_document(text, "f.yaml")
    return str(error.value)


def test_every_value_stays_text_with_its_place() -> None:
    document = read_document("country: NO\nversion: 1.10\noui: [000181, 4447E1]\nday: 2024-01-31\n", "f.yaml")

    assert isinstance(document, Mapping)
    texts = {key.text: value for key, value in document.entries}
    assert texts["country"] == Scalar("NO", Place(1, 10))
    assert texts["version"] == Scalar("1.10", Place(2, 10))
    assert texts["oui"] == Sequence((Scalar("000181", Place(3, 7)), Scalar("4447E1", Place(3, 15))), Place(3, 6))
    assert texts["day"] == Scalar("2024-01-31", Place(4, 6))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1:1: the document is empty"),
        ("# nothing\n", "f.yaml:1:1: the document is empty"),
        ("a: b: c", "f.yaml:1:5: this is no YAML"),
        ("a: [1", "this is no YAML"),
        ("\ta: 1", "this is no YAML"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: one document to a file"),
        ("a: &anchor 1\n", "f.yaml:1:4: anchors are not accepted"),
        ("a: &x [1]\nb: *x\n", "anchors are not accepted"),
        ("a: !!python/object/apply:os.system ['true']\n", "f.yaml:1:4: the tag"),
        ("a: !!binary aGk=\n", "f.yaml:1:4: the tag"),
        ("? [a, b]\n: c\n", "f.yaml:1:3: a key must be a word"),
        ("a: \x00\n", "this is no YAML"),
        ("a: 1\nb: x\u202ey\n", "f.yaml:2:5: invisible character U+202E"),
        ("a: zero\u200bwidth\n", "invisible character U+200B"),
        ("[" * 10_000, f"nested more than {DEPTH_LIMIT} deep"),
        ("a: " + "x" * 1_048_577, "more than 1048576 octets"),
        ("[" + "a," * 100_001 + "]", "more than 100000 values"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert refusal(bomb) == "f.yaml:1:4: anchors are not accepted: write the value out"


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!,'\"#\n \t|>?%@\u202e0\x00\ud800"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PolicyError):
        read_document(text, "f.yaml")
