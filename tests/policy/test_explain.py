"""Why a rule did not match: what it wanted, what was found, and whether only a fact was missing."""

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, PolicyId, SiteId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.explain import Obstacle, RuleTrace
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    Maker,
    Not,
    Operator,
    Policy,
    Rule,
    Selector,
    Sensitivity,
    SiteFacts,
    Subject,
)
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.wire.capability import CAPABILITY

LISTED = Condition(Subject.SUBJECT_TO, Operator.IS, ("law", "other-law"))
SENSITIVE = Condition(Subject.SITE_SENSITIVITY, Operator.IS, ("sensitive",))


def trace(when: Selector, device: Device, starts_at: float | None = None) -> RuleTrace:
    rule = Rule("r", when, "because", contain=Level.ISOLATE, starts_at=starts_at)
    policy = Policy(PolicyId("p"), "t", 2, CAPABILITY, (rule,))
    makers = (Maker("hikvision", "Hikvision", "CN", "x", subject_to=("law",)), Maker("axis", "Axis", "SE", "x"))
    catalogue = Catalogue({}, 0, DirectorKeys({}), policies=(policy,), makers=makers)
    site = SiteFacts(SiteId("hq"), OrganisationId("o"), Sensitivity.ORDINARY)
    [found] = Evaluator(catalogue, site).explain(device, 0.0).rules
    return found


def camera(maker: str) -> Device:
    return Device(DeviceId("d"), Identity(maker=maker, kind=Kind.CAMERA), "eth1")


def test_a_rule_that_matched_has_nothing_in_its_way() -> None:
    assert trace(LISTED, camera("hikvision")) == RuleTrace(PolicyId("p"), 2, "r", truth=True)


def test_a_near_miss_names_the_one_condition_that_failed() -> None:
    found = trace(All((LISTED, SENSITIVE)), camera("hikvision"))

    assert found.is_near
    assert found.obstacles == (Obstacle("site.sensitivity is sensitive", "ordinary", is_unknown=False),)


def test_a_missing_fact_is_told_apart_from_a_wrong_one() -> None:
    found = trace(All((LISTED, Condition(Subject.MODEL, Operator.MATCHES, ("DS-*",)))), camera(""))

    assert found.truth is None
    assert not found.is_near
    assert found.obstacles == (
        Obstacle("maker.subject-to is law or other-law", "unknown", is_unknown=True),
        Obstacle("model matches DS-*", "unknown", is_unknown=True),
    )


def test_of_any_every_part_is_in_the_way_and_of_not_the_part_that_holds() -> None:
    found = trace(Any((SENSITIVE, Not(Condition(Subject.MAKER, Operator.KNOWN, ("true",))))), camera("axis"))

    assert found.obstacles == (
        Obstacle("site.sensitivity is sensitive", "ordinary", is_unknown=False),
        Obstacle("not: maker is known", "axis", is_unknown=False),
    )


def test_what_may_be_true_is_said_to_be_so() -> None:
    device = Device(DeviceId("d"), Identity("axis"), "eth1", vulnerabilities=("CVE-1",), undecided=("CVE-2",))
    found = trace(Condition(Subject.VULNERABLE_TO, Operator.IS, ("CVE-2",)), device)

    assert found.obstacles == (
        Obstacle("vulnerable-to is CVE-2", "CVE-1, perhaps CVE-2, perhaps more", is_unknown=True),
    )


def test_a_rule_that_has_not_begun_is_near_and_says_when_it_begins() -> None:
    """Where a condition is in the way as well, it will not match by itself."""
    begins = 86_400.0
    found = trace(LISTED, camera("hikvision"), begins)
    other = trace(LISTED, camera("axis"), begins)

    assert (found.truth, found.is_near, found.begins_at) == (False, True, begins)
    assert found.obstacles == (Obstacle("the rule has begun (1970-01-02)", "it has not", is_unknown=False),)
    assert (len(other.obstacles), other.begins_at) == (2, None)
