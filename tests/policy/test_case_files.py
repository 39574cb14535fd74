"""Case files: what they may say, what is refused, and what a failing one tells."""

import pytest

from bartizan.containment.level import Level
from bartizan.firmware.model import Advisory, AffectedRule, Grade
from bartizan.ids import PolicyId
from bartizan.policy.cases import EXPECTATIONS, Difference, parse_case, run
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import (
    Condition,
    FirmwareDuty,
    HardeningDuty,
    Maker,
    Operator,
    Policy,
    Rule,
    Subject,
)
from bartizan.trust.content import Catalogue, DirectorKeys

CASE = """# for people
A Hikvision camera
is isolated.

maker: hikvision
maker.confidence: 97
known-by: SADP, OUI
mac: 44-19-B6-00-00-01
address: 10.0.0.9
recorder: 10.0.0.2
---
level: isolate
firmware: within 14 days
harden: no-upnp, no-telnet
matched: strict
explanation: isolate, because rule strict of uk@1 (it is listed);
  maker Hikvision by SADP and OUI, confidence 97
"""


def catalogue(*advisories: Advisory) -> Catalogue:
    rule = Rule(
        "strict",
        Condition(Subject.SUBJECT_TO, Operator.IS, ("law",)),
        "it is listed",
        Level.ISOLATE,
        FirmwareDuty(14),
        (HardeningDuty.NO_TELNET, HardeningDuty.NO_UPNP),
    )
    exploited = Rule("exploited", Condition(Subject.KNOWN_EXPLOITED, Operator.IS, ("true",)), "x", Level.QUARANTINE)
    return Catalogue(
        {},
        0,
        DirectorKeys({}),
        policies=(Policy(PolicyId("uk"), "t", 1, 1, (rule, exploited)),),
        makers=(Maker("hikvision", "Hikvision", "CN", "x", subject_to=("law",)),),
        advisories=advisories,
    )


def test_a_case_that_comes_out_as_written_passes() -> None:
    case = parse_case(CASE, "c.txt")

    assert case.title == "A Hikvision camera is isolated."
    assert run(case, catalogue()).passed


def test_a_case_that_comes_out_otherwise_says_in_what() -> None:
    text = CASE.replace("level: isolate", "level: watch").replace("within 14 days", "none").replace("no-upnp, ", "")
    result = run(parse_case(text, "c.txt"), catalogue())

    assert not result.passed
    assert result.differences == (
        Difference("level", "watch", "isolate"),
        Difference("firmware", "none", "within 14 days"),
        Difference("harden", "no-telnet", "no-telnet, no-upnp"),
    )


def test_a_device_is_weighed_against_advisories_unless_the_case_says_what_it_is_open_to() -> None:
    flaw = Advisory(
        "CVE-1", "t", "hikvision", (AffectedRule(("*",)),), "s", Grade.PUBLISHED, known_exploited_since="2024-01-01"
    )
    unit = "T\n\nmaker: hikvision\nmodel: DS-1\nfirmware: V5.0.0\n"

    assert run(parse_case(f"{unit}---\nlevel: quarantine\n", "c.txt"), catalogue(flaw)).passed
    assert run(parse_case(f"{unit}vulnerable-to: CVE-9\n---\nlevel: isolate\n", "c.txt"), catalogue(flaw)).passed


def test_waivers_and_orders_may_be_part_of_the_situation() -> None:
    situation = "T\n\nmaker: hikvision\nat: 2026-02-28\nwaiver: uk at most block-egress until 2026-03-01\n"
    text = f"{situation}---\nlevel: block-egress\n"

    assert run(parse_case(text, "c.txt"), catalogue()).passed
    ordered = text.replace("level: block-egress\n", "level: quarantine\n").replace("at:", "order: quarantine\nat:")
    assert run(parse_case(ordered, "c.txt"), catalogue()).passed


FILTER = """---
# who may go where; in which order does not matter
add element inet bartizan known_macs { "eth1" . 44:19:b6:00:00:01 }
add element inet bartizan segments { "eth1" }
add element inet bartizan unknown_senders { "eth1" : goto unknown_sender_isolate }
add element inet bartizan unknown_receivers { "eth1" : goto unknown_receiver_isolate }
add element inet bartizan recorders4 { 10.0.0.2 }
add element inet bartizan recognised4 { "eth1" . 44:19:b6:00:00:01 . 10.0.0.9 : goto recognised_isolate }
add element inet bartizan held_macs { 44:19:b6:00:00:01 : jump mac_isolate }
add element inet bartizan held_senders4 { 10.0.0.9 : jump sender_isolate }
add element inet bartizan held_receivers4 { 10.0.0.9 : goto receiver_isolate }
add element inet bartizan recorders_of_macs4 { 10.0.0.2 . 44:19:b6:00:00:01 }
add element inet bartizan recorders_of4 { 10.0.0.2 . 10.0.0.9 }
"""


def test_what_goes_into_the_packet_filter_may_be_expected_too() -> None:
    assert run(parse_case(CASE + FILTER, "c.txt"), catalogue()).passed

    watched = FILTER.replace("jump mac_isolate", "jump mac_watch").replace(
        'add element inet bartizan segments { "eth1" }\n', ""
    )
    assert run(parse_case(CASE + watched, "c.txt"), catalogue()).differences == (
        Difference(
            "packet filter",
            "add element inet bartizan held_macs { 44:19:b6:00:00:01 : jump mac_watch }",
            'add element inet bartizan segments { "eth1" }\n'
            "add element inet bartizan held_macs { 44:19:b6:00:00:01 : jump mac_isolate }",
        ),
    )


def test_all_faults_of_a_case_are_told() -> None:
    text = """About it

maker hikvision
modle: DS-1
maker.confidence: much
maker: a
maker: b
site.sensitivity: secret
waiver: uk until tomorrow
maker.jurisdiction: CN
---
levle: isolate
level: closed
level: watch
"""
    with pytest.raises(PolicyError) as refusal:
        parse_case(text, "c.txt")

    assert [str(fault).partition(" for ")[0].partition(": address")[0] for fault in refusal.value.faults] == [
        "c.txt:3:1: 'maker hikvision' is not written as 'name: value'",
        "c.txt:4:1: 'modle' is not part of a situation; did you mean 'model'?",
        "c.txt:5:1: maker.confidence: invalid literal",
        "c.txt:7:1: 'maker' stands twice: separate several values by commas",
        "c.txt:8:1: site.sensitivity: 'secret' is not a valid Sensitivity",
        "c.txt:9:1: waiver: write it as 'uk-hcws386 at most block-egress until 2026-03-01', with 'from …' if need be",
        "c.txt:10:1: 'maker.jurisdiction' is not part of a situation; possible are",
        f"c.txt:12:1: 'levle' cannot be expected; possible are: {', '.join(EXPECTATIONS)}",
        "c.txt:13:1: there is no level 'closed'",
        "c.txt:14:1: 'level' is expected twice",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begin with a sentence"),
        ("Only a title\n", "expect something"),
        ("T\n\nmaker: a\n---\n", "expect something"),
        ("T\n\n" + "x" * 70_000, "more than 65536 characters"),
    ],
)
def test_a_case_without_title_or_expectation_is_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_case(text, "c.txt")


def test_a_catalogue_that_cannot_be_evaluated_fails_the_case_instead_of_the_run() -> None:
    text = "T\n\nmaker: hikvision\nwaiver: uk at most watch from 2020-01-01 until 2026-03-01\n---\nlevel: watch\n"
    result = run(parse_case(text, "c.txt"), catalogue())

    assert result.verdict is None
    assert "lasts longer than 366 days" in result.differences[0].got
