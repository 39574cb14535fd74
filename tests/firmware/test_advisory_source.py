"""Advisories as people write them: read whole, or every fault told where it is."""

import pytest

from bartizan.firmware.model import Advisory, AffectedRule, Grade, Imported
from bartizan.firmware.source import read_advisories
from bartizan.identity.model import Kind
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import Maker

MAKERS = (Maker("hikvision", "Hikvision", "CN", "x"),)
TEXT = """
advisories:
  - advisory: CVE-2017-7921
    title: Login can be bypassed
    maker: hikvision
    cvss: 10.0
    known-exploited: {since: 2026-03-05, due: 2026-03-26}
    grade: V
    imported: {feed: csaf, document: ICSA-17-124-01, version: "1", date: 2022-10-10}
    unread: ["all, see web"]
    source: CISA
    affected:
      - models: [DS-2CD2xx2F-I, "DS-76xxNXI-Kx(/xP) including(D)、(E)"]
        from: V5.2.0 build 140721
        up-to: V5.4.0 build 160530
        fixed: V5.4.5 build 170123
        kinds: [camera]
        brands: [Annke]
        platforms: [IPC_G3]
        grade: V-code
        source: Table 1
      - models: ["*"]
        built-before: 2021-06-25
        versions: unpublished
"""


def test_an_advisory_is_read_whole() -> None:
    assert read_advisories(TEXT, "a.yaml", MAKERS) == (
        Advisory(
            id="CVE-2017-7921",
            title="Login can be bypassed",
            maker="hikvision",
            rules=(
                AffectedRule(
                    models=("DS-2CD2xx2F-I", "DS-76xxNXI-Kx(/xP) including(D)、(E)"),
                    from_version="V5.2.0 build 140721",
                    up_to_version="V5.4.0 build 160530",
                    fixed_version="V5.4.5 build 170123",
                    kinds=(Kind.CAMERA,),
                    brands=("Annke",),
                    platforms=("IPC_G3",),
                    grade=Grade.THIRD_PARTY,
                    source="Table 1",
                ),
                AffectedRule(models=("*",), before_build="2021-06-25", undetermined=True),
            ),
            source="CISA",
            cvss=10.0,
            known_exploited_since="2026-03-05",
            due="2026-03-26",
            grade=Grade.PUBLISHED,
            imported=Imported("csaf", "ICSA-17-124-01", "1", "2022-10-10"),
            unread=("all, see web",),
        ),
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("maker: hikvision", "maker: hikvison", "a.yaml:5:12: there is no maker 'hikvison'; did you mean 'hikvision'"),
        ("cvss: 10.0", "cvss: 11", "a number from 0.0 to 10.0, not '11'"),
        ("cvss: 10.0", "cvss: high", "a number from 0.0 to 10.0, not 'high'"),
        ("due: 2026-03-26", "due: 2026-03-01", "it cannot be due before it was listed"),
        ("since: 2026-03-05, ", "", "this known-exploited lacks 'since'"),
        ("grade: V\n", "grade: perhaps\n", "grade 'perhaps' is not known; possible are: M, V, V-code"),
        ("    grade: V\n", "", "this advisory lacks 'grade'"),
        ("kinds: [camera]", "kinds: [toaster]", "kind 'toaster' is not known"),
        (", date: 2022-10-10", "", "this imported lacks 'date'"),
        ("DS-2CD2xx2F-I,", "DS; all,", "'DS; all' cannot be read as a model pattern"),
        ('models: ["*"]', "models: []", "must not be empty"),
        ('      - models: ["*"]\n        built-', "      - built-", "this affected entry lacks 'models'"),
        ("up-to: V5.4.0 build 160530", "up-to: newest", "'newest' is not written as hikvision writes versions"),
        ("fixed: V5.4.5", "before: V5.4.5", "'up-to' and 'before' say the same thing in two ways"),
        ("2021-06-25", "2021-06-31", "'2021-06-31' is no day of the calendar"),
        ("    source: CISA\n", "", "this advisory lacks 'source'"),
        ("built-before", "build-before", "has no field 'build-before'; did you mean 'built-before'"),
    ],
)
def test_a_faulty_advisory_is_refused_with_the_place(before: str, after: str, message: str) -> None:
    assert before in TEXT
    with pytest.raises(PolicyError) as refusal:
        read_advisories(TEXT.replace(before, after), "a.yaml", MAKERS)
    assert message in str(refusal.value)


def test_an_advisory_that_stands_twice_is_refused() -> None:
    twice = TEXT + TEXT.partition("advisories:\n")[2]

    with pytest.raises(PolicyError, match="advisory 'CVE-2017-7921' is already in line 3"):
        read_advisories(twice, "a.yaml", MAKERS)
