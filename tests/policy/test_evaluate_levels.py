"""What a device is held to: policies, waivers, orders and the segment's word for strangers."""

import math
from typing import Any

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.errors import TooNew
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, ImageId, OrderId, OrganisationId, PolicyId, RolloutId, SiteId, WaiverId
from bartizan.policy.errors import PolicyError
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import site_facts, unlisted_site
from bartizan.policy.model import (
    All,
    Condition,
    FirmwareDuty,
    HardeningDuty,
    Maker,
    Operator,
    Policy,
    Rule,
    SegmentFacts,
    Sensitivity,
    SiteFacts,
    Subject,
    Waiver,
)
from bartizan.policy.sense import check_policy
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import Install, OrderBook, Raise, Scan
from bartizan.wire.capability import CAPABILITY

DAY = 86_400.0
NOW = 1_767_225_600.0  # 2026-01-01
HIKVISION = Maker("hikvision", "Hikvision", "CN", "test", subject_to=("prc-nil",), listed_by=("ndaa",))
AXIS = Maker("axis", "Axis", "SE", "test")
SITE = SiteFacts(
    SiteId("hq"),
    OrganisationId("council"),
    Sensitivity.SENSITIVE,
    segments=(SegmentFacts("eth1", "cctv", Level.BLOCK_EGRESS),),
)
LISTED = Condition(Subject.SUBJECT_TO, Operator.IS, ("prc-nil",))
SENSITIVE = Condition(Subject.SITE_SENSITIVITY, Operator.IS, ("sensitive",))


def device(maker: str = "hikvision", **identity: Any) -> Device:
    known = Identity(maker=maker, confidence=97, known_by=("ISAPI OEMCode", "OUI"), kind=Kind.CAMERA)
    return Device(DeviceId("serial:1"), msgspec.structs.replace(known, **identity), "eth1")


def policy(*rules: Rule, name: str = "uk", version: int = 1) -> Policy:
    return Policy(PolicyId(name), "A policy", version, CAPABILITY, rules)


def isolating(name: str = "sensitive-sites", level: Level = Level.ISOLATE) -> Rule:
    return Rule(name, All((LISTED, SENSITIVE)), "no place here", contain=level)


def catalogue(*policies: Policy, waivers: tuple[Waiver, ...] = ()) -> Catalogue:
    return Catalogue(
        {}, NOW + DAY, DirectorKeys({}), policies=policies, waivers=waivers, makers=(HIKVISION, AXIS), sites=(SITE,)
    )


def waiver(level: Level = Level.BLOCK_EGRESS, **changes: Any) -> Waiver:
    granted = Waiver(
        id=WaiverId("w-1"),
        owner="estates",
        reason="the recorder is being replaced",
        compensating_control="guard on site",
        starts_at=NOW,
        expires_at=NOW + 30 * DAY,
        policies=(PolicyId("uk"),),
        level=level,
        device=DeviceId("serial:1"),
    )
    return msgspec.structs.replace(granted, **changes)


def book(*orders: Raise | Install | Scan, site: str | None = None) -> OrderBook:
    return OrderBook(1, NOW, NOW, 1, SiteId(site) if site else None, orders)


def order(level: Level, **scope: Any) -> Raise:
    return msgspec.structs.replace(Raise(OrderId("o-1"), level, "seen calling home", "soc"), **scope)


def test_nothing_is_demanded_of_a_device_of_a_known_maker_that_no_rule_matches() -> None:
    verdict = Evaluator(catalogue(policy(isolating())), SITE).verdict(device("axis"), NOW)

    assert verdict.level is Level.WATCH
    assert verdict.reasons == ()
    assert verdict.explanation == (
        "watch, because nothing demands more; maker Axis by ISAPI OEMCode and OUI, confidence 97"
    )


def test_a_rule_that_matches_says_so_in_one_sentence() -> None:
    verdict = Evaluator(catalogue(policy(isolating())), SITE).verdict(device(), NOW)

    assert verdict.level is Level.ISOLATE
    assert [reason.id for reason in verdict.reasons] == ["uk@1/sensitive-sites"]
    assert verdict.explanation == (
        "isolate, because rule sensitive-sites of uk@1 (no place here); "
        "maker Hikvision by ISAPI OEMCode and OUI, confidence 97"
    )


def test_the_tightest_of_all_matching_rules_wins_in_whatever_order_they_stand() -> None:
    loose = Rule("loose", LISTED, "loosely", contain=Level.BLOCK_EGRESS)
    for rules in ((isolating(), loose), (loose, isolating())):
        verdict = Evaluator(catalogue(policy(*rules)), SITE).verdict(device(), NOW)
        assert verdict.level is Level.ISOLATE
        assert len(verdict.reasons) == 2


def test_duties_add_up_and_the_shortest_deadline_counts() -> None:
    rules = (
        Rule("a", LISTED, "a", firmware=FirmwareDuty(90), harden=(HardeningDuty.NO_TELNET,)),
        Rule("b", LISTED, "b", firmware=FirmwareDuty(14), harden=(HardeningDuty.NO_UPNP, HardeningDuty.NO_TELNET)),
    )
    verdict = Evaluator(catalogue(policy(*rules)), SITE).verdict(device(), NOW)

    assert verdict.firmware == FirmwareDuty(14)
    assert verdict.harden == (HardeningDuty.NO_UPNP, HardeningDuty.NO_TELNET)
    assert [(reason.id, reason.level) for reason in verdict.reasons] == [("uk@1/a", None), ("uk@1/b", None)]


@pytest.mark.parametrize("maker", ["", "nobody-knows"])
def test_a_stranger_gets_what_its_segment_allows_strangers(maker: str) -> None:
    verdict = Evaluator(catalogue(policy(isolating())), SITE).verdict(device(maker), NOW)

    assert verdict.level is Level.BLOCK_EGRESS
    assert [(reason.kind, reason.id) for reason in verdict.reasons] == [("default", "eth1")]


def test_a_stranger_on_an_undeclared_segment_is_isolated() -> None:
    stranger = msgspec.structs.replace(device(""), interface="eth7")

    assert Evaluator(catalogue(), SITE).verdict(stranger, NOW).level is Level.ISOLATE


def test_a_site_that_the_catalogue_does_not_list_counts_as_sensitive_and_isolates_strangers() -> None:
    site = site_facts(catalogue().sites, SiteId("forgotten"))
    evaluator = Evaluator(catalogue(policy(isolating())), site)

    assert site == unlisted_site(SiteId("forgotten"))
    assert evaluator.verdict(device(), NOW).level is Level.ISOLATE
    assert evaluator.verdict(device(""), NOW).level is Level.ISOLATE


@pytest.mark.parametrize(
    ("at", "level"),
    [
        (NOW - 1, Level.ISOLATE),
        (NOW, Level.BLOCK_EGRESS),
        (NOW + 30 * DAY - 0.001, Level.BLOCK_EGRESS),
        (NOW + 30 * DAY, Level.ISOLATE),
        (math.inf, Level.ISOLATE),
        (math.nan, Level.ISOLATE),
    ],
)
def test_a_waiver_counts_from_its_start_until_just_before_its_end(at: float, level: Level) -> None:
    evaluator = Evaluator(catalogue(policy(isolating()), waivers=(waiver(),)), SITE)

    assert evaluator.verdict(device(), at).level is level


def test_a_waiver_is_named_beside_the_rule_that_it_holds_down() -> None:
    verdict = Evaluator(catalogue(policy(isolating()), waivers=(waiver(),)), SITE).verdict(device(), NOW)

    assert [(reason.kind, reason.id, reason.level) for reason in verdict.reasons] == [
        ("rule", "uk@1/sensitive-sites", Level.ISOLATE),
        ("waiver", "w-1", Level.BLOCK_EGRESS),
    ]
    assert verdict.explanation.startswith(
        "block-egress, because rule sensitive-sites of uk@1 (no place here), held at block-egress by "
        "waiver w-1 of estates until 2026-01-31 (the recorder is being replaced);"
    )


def test_a_waiver_leaves_other_policies_alone() -> None:
    policies = (policy(isolating()), policy(isolating(), name="us"))

    assert Evaluator(catalogue(*policies, waivers=(waiver(),)), SITE).verdict(device(), NOW).level is Level.ISOLATE


def test_a_waiver_is_for_its_own_device_only() -> None:
    evaluator = Evaluator(catalogue(policy(isolating()), waivers=(waiver(),)), SITE)
    sibling = msgspec.structs.replace(device(), id=DeviceId("serial:2"))

    assert evaluator.verdict(sibling, NOW).level is Level.ISOLATE


def test_a_waiver_with_a_device_and_a_condition_needs_both() -> None:
    elsewhere = waiver(selector=Condition(Subject.SITE, Operator.IS, ("depot",)))

    assert Evaluator(catalogue(policy(isolating()), waivers=(elsewhere,)), SITE).verdict(device(), NOW).level is (
        Level.ISOLATE
    )


def test_a_waiver_whose_condition_is_unknown_of_a_device_does_not_apply() -> None:
    for_a_model = waiver(device=None, selector=Condition(Subject.MODEL, Operator.MATCHES, ("DS-2CD*",)))
    evaluator = Evaluator(catalogue(policy(isolating()), waivers=(for_a_model,)), SITE)

    assert evaluator.verdict(device(model="DS-2CD2143G2-I"), NOW).level is Level.BLOCK_EGRESS
    assert evaluator.verdict(device(model=""), NOW).level is Level.ISOLATE


def test_of_several_waivers_the_lowest_counts_and_all_are_named() -> None:
    both = (waiver(), waiver(Level.WATCH, id=WaiverId("w-2")))
    verdict = Evaluator(catalogue(policy(isolating()), waivers=both), SITE).verdict(device(), NOW)

    assert verdict.level is Level.WATCH
    assert {reason.id for reason in verdict.reasons} == {"uk@1/sensitive-sites", "w-1", "w-2"}


def test_a_waiver_never_raises_a_level() -> None:
    mild = policy(isolating(level=Level.WATCH))
    verdict = Evaluator(catalogue(mild, waivers=(waiver(Level.ISOLATE),)), SITE).verdict(device(), NOW)

    assert verdict.level is Level.WATCH
    assert [reason.kind for reason in verdict.reasons] == ["rule"]


def test_a_waiver_lifts_no_firmware_duty() -> None:
    demanding = Rule("r", LISTED, "r", contain=Level.ISOLATE, firmware=FirmwareDuty(14))
    verdict = Evaluator(catalogue(policy(demanding), waivers=(waiver(),)), SITE).verdict(device(), NOW)

    assert verdict.firmware == FirmwareDuty(14)


def test_a_waiver_does_not_open_the_segment_to_strangers() -> None:
    evaluator = Evaluator(catalogue(waivers=(waiver(Level.WATCH),)), SITE)

    assert evaluator.verdict(device(""), NOW).level is Level.BLOCK_EGRESS


def test_an_order_raises_whatever_a_waiver_says() -> None:
    orders = book(order(Level.QUARANTINE, device=DeviceId("serial:1")))
    evaluator = Evaluator(catalogue(policy(isolating()), waivers=(waiver(Level.WATCH),)), SITE, (orders,))

    assert evaluator.verdict(device(), NOW).level is Level.QUARANTINE


def test_an_order_for_less_changes_nothing() -> None:
    evaluator = Evaluator(catalogue(policy(isolating())), SITE, (book(order(Level.WATCH)),))

    assert evaluator.verdict(device(), NOW).level is Level.ISOLATE


def test_an_order_without_device_and_condition_is_for_every_device() -> None:
    evaluator = Evaluator(catalogue(), SITE, (book(order(Level.ISOLATE)),))

    assert evaluator.verdict(device("axis"), NOW).level is Level.ISOLATE


def test_an_expired_book_goes_on_raising_because_lapsing_would_open_the_network() -> None:
    evaluator = Evaluator(catalogue(), SITE, (book(order(Level.ISOLATE)),))

    assert evaluator.verdict(device("axis"), NOW + 1_000 * DAY).level is Level.ISOLATE


def test_another_sites_book_has_no_effect_here() -> None:
    books = (book(order(Level.QUARANTINE), site="depot"), book(order(Level.BLOCK_EGRESS), site="hq"))

    assert Evaluator(catalogue(), SITE, books).verdict(device("axis"), NOW).level is Level.BLOCK_EGRESS


def test_orders_of_other_kinds_leave_levels_alone() -> None:
    install = Install(OrderId("i"), RolloutId("r"), DeviceId("serial:1"), ImageId("sha256:0"))
    evaluator = Evaluator(catalogue(), SITE, (book(install, Scan(OrderId("s"))),))

    assert evaluator.verdict(device("axis"), NOW).level is Level.WATCH


def test_a_policy_that_needs_more_than_this_program_has_is_refused() -> None:
    newer = msgspec.structs.replace(policy(isolating()), needs_capability=1_000)

    with pytest.raises(TooNew, match="policy uk needs capability 1000"):
        Evaluator(catalogue(newer), SITE)


@pytest.mark.parametrize(
    ("nonsense", "message"),
    [
        (Condition(Subject.MAKER, Operator.AT_LEAST, ("80",)), "'at-least' makes no sense for 'maker'"),
        (Condition(Subject.CONFIDENCE, Operator.AT_LEAST, ("many",)), "a number from 0 to 100"),
        (Condition(Subject.MAKER, Operator.IS, ()), "needs 1 to 256 values"),
        (Condition(Subject.FIRST_SEEN, Operator.BEFORE, ("2024-02-30",)), "compared with a date"),
        (All(()), "an empty 'all' is always true"),
    ],
)
def test_signed_nonsense_is_refused_whole(nonsense: Condition | All, message: str) -> None:
    rule = Rule("r", nonsense, "r", contain=Level.ISOLATE)
    with pytest.raises(PolicyError, match=message):
        Evaluator(catalogue(policy(rule)), SITE)
    with pytest.raises(PolicyError, match=message):
        Evaluator(catalogue(), SITE, (book(order(Level.ISOLATE, selector=nonsense)),))
    with pytest.raises(PolicyError, match=message):
        Evaluator(catalogue(waivers=(waiver(selector=nonsense),)), SITE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expires_at": NOW}, "must start before it expires"),
        ({"expires_at": 1e300}, "must start before it expires"),
        ({"expires_at": NOW + 367 * DAY}, "lasts longer than 366 days"),
        ({"policies": ()}, "names no policy"),
        ({"device": None}, "neither a device nor a condition"),
        ({"owner": " "}, "has no owner"),
        ({"compensating_control": ""}, "has no compensating control"),
        ({"level": Level.QUARANTINE}, "nothing is excepted"),
    ],
)
def test_a_waiver_that_excepts_for_good_or_nobody_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Evaluator(catalogue(waivers=(waiver(**changes),)), SITE)


def test_a_rule_demands_nothing_before_it_begins() -> None:
    """Neither a level nor a duty; from its first second on it does."""
    coming = msgspec.structs.replace(
        isolating(), starts_at=NOW + DAY, remove_by=NOW + 90 * DAY, firmware=FirmwareDuty(7)
    )
    evaluator = Evaluator(catalogue(policy(coming)), SITE)

    before, after = (evaluator.verdict(device(), at) for at in (NOW + DAY - 1, NOW + DAY))
    assert (before.level, before.firmware, before.remove_by) == (Level.WATCH, None, None)
    assert (after.level, after.firmware, after.remove_by) == (Level.ISOLATE, FirmwareDuty(7), NOW + 90 * DAY)


def test_of_several_days_of_removal_the_earliest_counts() -> None:
    rules = [msgspec.structs.replace(isolating(f"r{day}"), remove_by=NOW + day * DAY) for day in (90, 30)]

    assert Evaluator(catalogue(policy(*rules)), SITE).verdict(device(), NOW).remove_by == NOW + 30 * DAY


def test_a_schedule_is_refused_where_older_programs_would_not_refuse_it() -> None:
    """An agent of capability 2 would stumble over the fields; the document has to say that it needs more."""
    coming = msgspec.structs.replace(isolating(), starts_at=NOW)
    with pytest.raises(PolicyError, match="needs-capability: 3"):
        check_policy(msgspec.structs.replace(policy(coming), needs_capability=2))
    check_policy(policy(coming))
