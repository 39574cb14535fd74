"""What people write becomes the model exactly, or every fault of it is told with its place and what was meant."""

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.errors import TooNew
from bartizan.ids import PolicyId
from bartizan.policy.errors import PolicyError
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    FirmwareDuty,
    HardeningDuty,
    Maker,
    Not,
    Operator,
    Policy,
    Rule,
    Subject,
)
from bartizan.policy.source import read_policy
from bartizan.wire import codec

MAKERS = (
    Maker("hikvision", "Hikvision", "CN", "test", subject_to=("prc-national-intelligence-law",)),
    Maker("axis", "Axis", "SE", "test"),
)

WHOLE = """
policy: uk-hcws386
title: Keep it off
version: 3
needs-capability: 1
source: A statement
rules:
  - name: sensitive-sites
    when:
      all:
        - maker.subject-to: prc-national-intelligence-law
        - maker.confidence: {at-least: 80}
        - any:
            - model: {matches: ["DS-2CD*", "DS-7*"]}
            - firmware: {before: V5.4.5 build 170123}
        - not: {kind: other}
        - first-seen: {before: 2024-01-31}
        - zone: {known: false}
        - maker.jurisdiction: NO
    contain: isolate
    firmware: {within-days: 14}
    harden: [no-telnet, no-upnp]
    because: It has no place here
"""


def rule(when: str, rest: str = "contain: isolate, because: x") -> str:
    return f"policy: p\ntitle: t\nversion: 1\nneeds-capability: 1\nrules:\n  - {{name: r, when: {when}, {rest}}}\n"


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyError) as refusal:
        read_policy(text, "p.yaml", MAKERS)
    return [str(fault) for fault in refusal.value.faults]


def test_a_policy_is_read_whole() -> None:
    assert read_policy(WHOLE, "p.yaml", MAKERS) == Policy(
        id=PolicyId("uk-hcws386"),
        title="Keep it off",
        version=3,
        needs_capability=1,
        source="A statement",
        rules=(
            Rule(
                name="sensitive-sites",
                when=All(
                    (
                        Condition(Subject.SUBJECT_TO, Operator.IS, ("prc-national-intelligence-law",)),
                        Condition(Subject.CONFIDENCE, Operator.AT_LEAST, ("80",)),
                        Any(
                            (
                                Condition(Subject.MODEL, Operator.MATCHES, ("DS-2CD*", "DS-7*")),
                                Condition(Subject.FIRMWARE, Operator.BEFORE, ("V5.4.5 build 170123",)),
                            )
                        ),
                        Not(Condition(Subject.KIND, Operator.IS, ("other",))),
                        Condition(Subject.FIRST_SEEN, Operator.BEFORE, ("2024-01-31",)),
                        Condition(Subject.ZONE, Operator.KNOWN, ("false",)),
                        Condition(Subject.JURISDICTION, Operator.IS, ("NO",)),
                    )
                ),
                because="It has no place here",
                contain=Level.ISOLATE,
                firmware=FirmwareDuty(14),
                harden=(HardeningDuty.NO_TELNET, HardeningDuty.NO_UPNP),
            ),
        ),
    )


def test_all_faults_of_a_file_are_told_at_once_in_the_order_of_the_text() -> None:
    text = """
policy: UK386
titel: t
version: one
needs-capability: 1
rules:
  - name: a
    when:
      all:
        - maker: hikvison
        - site.sensitivty: sensitive
        - maker.confidence: {at-least: 180}
    contain: isolat
    because: x
  - name: a
    when: {any: []}
    because: ""
"""

    assert faults(text) == [
        "p.yaml:2:1: this policy lacks 'title'",
        "p.yaml:2:9: policy: 'UK386' is not a name: use 1 to 64 of a-z, 0-9 and '-', not beginning or ending with '-'",
        "p.yaml:3:1: policy has no field 'titel'; did you mean 'title'?",
        "p.yaml:4:10: version must be a whole number from 1 to 1000000, not 'one'",
        "p.yaml:10:18: no maker is known for 'maker' 'hikvison'; did you mean 'hikvision'?",
        "p.yaml:11:11: there is no fact 'site.sensitivty'; did you mean 'site.sensitivity'?",
        "p.yaml:12:29: 'maker.confidence' is compared with a number from 0 to 100, not '180'",
        "p.yaml:13:14: contain 'isolat' is not known; did you mean 'isolate'?",
        "p.yaml:15:5: rule 'a' is already in line 7",
        "p.yaml:15:5: this rule demands nothing: give it 'contain', 'firmware', 'harden' or 'remove-by'",
        "p.yaml:16:17: 'any' must not be empty",
        "p.yaml:17:14: because is empty",
    ]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{}", "a condition is a mapping such as 'maker: hikvision' or 'all: […]'"),
        ("always", "a condition is a mapping such as 'maker: hikvision' or 'all: […]'"),
        ("{all: {maker: axis}}", "'all' must be a list"),
        ("{maker: axis, kind: camera}", "one condition at a time: list several under 'all:' or 'any:'"),
        ("{not: [{maker: axis}]}", "a condition is a mapping such as"),
        ("{maker: }", "a value of maker is empty"),
        ("{maker: []}", "the values of maker must not be empty"),
        ("{maker: [[axis]]}", "must be a single value, not a list"),
        ("{maker: {matches: x, is: y}}", "compare 'maker' in one way"),
        ("{maker: {mtches: x}}", "'mtches' is no way to compare; did you mean 'matches'?"),
        ("{maker: {at-least: 3}}", "'at-least' makes no sense for 'maker', which takes: is, known, matches"),
        ("{maker: {matches: '*'}}", "the pattern '*' is like anything; write '{known: true}'"),
        ("{maker: {known: maybe}}", "'known' is true or false, not 'maybe'"),
        ("{site: {known: false}}", "'known' makes no sense for 'site', which takes: is, matches"),
        ("{kind: printer}", "'kind' is one of camera, recorder, other, not 'printer'"),
        ("{kind: unknown}", "'kind' is one of camera, recorder, other, not 'unknown'"),
        ("{known-exploited: yes}", "'known-exploited' is one of true, false, not 'yes'"),
        ("{maker.jurisdiction: China}", "an ISO 3166-1 code of two capital letters, not 'China'"),
        ("{first-seen: {after: yesterday}}", "compared with a date (2024-01-31), not 'yesterday'"),
        ("{first-seen: {before: 2023-02-29}}", "compared with a date (2024-01-31), not '2023-02-29'"),
        ("{firmware: {before: soon}}", "'soon' is neither a firmware version nor a date"),
        ("{maker.subject-to: gdpr}", "no maker is known for 'maker.subject-to' 'gdpr'"),
    ],
)
def test_a_condition_without_sense_is_refused_with_what_was_meant(when: str, message: str) -> None:
    assert message in faults(rule(when))[0]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("contain: isolate", "this rule lacks 'because'"),
        ("because: x", "this rule demands nothing"),
        ("firmware: {within-days: 0}, because: x", "a whole number from 1 to 3650, not '0'"),
        ("firmware: soon, because: x", "firmware duty must be a mapping of within-days"),
        ("harden: [], because: x", "harden must not be empty"),
        ("harden: [no-telnets], because: x", "hardening duty 'no-telnets' is not known; did you mean 'no-telnet'?"),
        ("contain: isolate, contain: watch, because: x", "'contain' stands twice in this rule"),
        ("contain: [isolate], because: x", "contain must be a single value, not a list"),
        ("contain: isolate, from: soon, because: x", "from: 'soon' is no time: write 2024-01-31"),
        ("remove-by: 2027-02-30, because: x", "remove-by: '2027-02-30' is no day of the calendar"),
        ("remove-by: 2027-06-30, because: x", "needs 'needs-capability: 3'"),
        ("from: 2027-06-30, remove-by: 2027-01-31, because: x", "the day of removal must come after its beginning"),
    ],
)
def test_a_rule_that_does_not_hold_together_is_refused(rest: str, message: str) -> None:
    assert any(message in fault for fault in faults(rule("{maker: axis}", rest)))


def test_conditions_nested_without_end_are_refused() -> None:
    assert "nested more than 16 deep" in faults(rule("{not: " * 17 + "{maker: axis}" + "}" * 17))[0]


def test_too_many_conditions_are_refused() -> None:
    many = ", ".join("{maker: axis}" for _ in range(257))

    assert faults(rule(f"{{any: [{many}]}}")) == [
        "policy p: rule r: 257 conditions in one selector; at most 256 are accepted"
    ]


def test_a_policy_for_newer_programs_is_refused_as_such() -> None:
    with pytest.raises(TooNew):
        read_policy(rule("{maker: axis}").replace("needs-capability: 1", "needs-capability: 999"), "p.yaml")


def test_without_a_list_of_makers_any_maker_may_be_named() -> None:
    assert read_policy(rule("{maker: acme}"), "p.yaml").rules[0].when == Condition(
        Subject.MAKER, Operator.IS, ("acme",)
    )


def test_a_rule_may_begin_and_give_a_day_of_removal() -> None:
    rest = "from: 2027-01-31, remove-by: '2027-06-30T12:00+01:00', because: x"
    text = rule("{maker: axis}", rest).replace("needs-capability: 1", "needs-capability: 3")
    [read] = read_policy(text, "p.yaml").rules

    assert (read.starts_at, read.remove_by) == (1_801_353_600.0, 1_814_353_200.0)


def test_what_a_rule_does_not_use_is_not_written() -> None:
    """So that agents which do not know it still read the rest."""
    [read] = read_policy(rule("{maker: axis}"), "p.yaml").rules

    assert set(msgspec.json.decode(codec.encode(read))) == {"name", "when", "because", "contain"}
