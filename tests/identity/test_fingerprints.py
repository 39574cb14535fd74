"""Fingerprints are data from outside: what they may say, and that no pattern runs away."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.errors import Malformed
from bartizan.firmware.model import Grade
from bartizan.identity.fingerprints import (
    Fingerprint,
    Fingerprints,
    Where,
    check_fingerprint,
    objection,
    pattern_objection,
)
from bartizan.identity.model import Evidence, Fact, Source
from bartizan.identity.source import read_fingerprints
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import Maker

ROW = Fingerprint("row", Where.HTTP_SERVER, r"\Aacme\b", 60, Grade.PUBLISHED, "test", maker="acme")


@pytest.mark.parametrize(
    "pattern",
    [r"\Aa{1,16}\Z", r"(?:one|two)\b", r"[^,]{1,32},(?P<firmware>[0-9.]{1,16})", r"a\.b\(c\)", r"[\w()*+]+", r"x?y*"],
)
def test_plain_patterns_are_accepted(pattern: str) -> None:
    assert pattern_objection(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x" * 201,
        "(a+)+",
        "(?:a|aa)+",
        "(?:a|b){1,9}",
        "a?" * 30,
        "a*b*c*",
        "[ab]{1,99}[ab]{1,99}[ab]{1,99}",
        r"\[(?:a+)+]",
        r"(?P<model>a)\1",
        "(?P<shoe>a)",
        "(?=a)",
        "(?i)a",
        r"\x41",
        "(",
        "[",
        "[[a]",
        "[a--b]",
        "a**",
        "\\",
    ],
)
def test_patterns_that_could_run_away_or_do_more_than_look_are_refused(pattern: str) -> None:
    assert pattern_objection(pattern) != ""


@given(st.text(alphabet=r"ab?*+{},1()|\[]^.", min_size=1, max_size=40))
def test_whatever_is_accepted_is_done_quickly_on_the_worst_text(pattern: str) -> None:
    if pattern_objection(pattern) == "":
        began = time.process_time()
        re.compile(pattern, re.IGNORECASE | re.ASCII).search("ab" * 64)

        assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"weight": 101}, "weight"),
        ({"pattern": "(a+)+"}, "(?:…)"),
        ({"maker": ""}, "says nothing"),
        ({"where": Where.MODEL}, "says nothing"),
        ({"kind": "unknown"}, "kind"),
    ],
)
def test_a_row_that_says_nothing_or_too_much_is_refused(changes: dict[str, object], word: str) -> None:
    row = Fingerprint(**{**{name: getattr(ROW, name) for name in ROW.__struct_fields__}, **changes})

    assert word in objection(row)
    with pytest.raises(Malformed):
        check_fingerprint(row)


def test_a_row_looks_only_at_its_own_place() -> None:
    said = [
        Evidence(Fact.SERVER, "ACME 1.0", Source.HTTP, 60),
        Evidence(Fact.SERVER, "ACME 1.0", Source.RTSP, 60),
        Evidence(Fact.TITLE, "ACME 1.0", Source.HTTP, 60),
    ]

    assert [match.said for match in Fingerprints([ROW]).matches(said)] == said[:1]


def test_every_fault_of_a_document_is_told_with_its_place() -> None:
    text = """fingerprints:
  - fingerprint: one
    where: http-sever
    pattern: '(a+)+'
    maker: acmee
    weight: 60
    grade: verified
    source: test
  - fingerprint: one
    where: http-title
    pattern: x
    kind: printer
    weight: 60
    grade: sure
    source: test
"""

    with pytest.raises(PolicyError) as refused:
        read_fingerprints(text, "f.yaml", [Maker("acme", "Acme", "DE", "test")])

    faults = str(refused.value)
    assert "f.yaml:3:12" in faults
    assert "'http-server'" in faults
    assert "f.yaml:4:14" in faults
    assert "'acme'" in faults
    assert "already in line 2" in faults
    assert "'sure'" in faults
