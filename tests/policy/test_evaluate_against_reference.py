"""The evaluator agrees with a slow and obvious one on everything, and orders never lower a level."""

from fnmatch import fnmatchcase

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrderId, OrganisationId, PolicyId, SiteId, WaiverId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    Maker,
    Not,
    Operator,
    Policy,
    Rule,
    SegmentFacts,
    Selector,
    Sensitivity,
    SiteFacts,
    Subject,
    Waiver,
)
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import OrderBook, Raise
from bartizan.wire.capability import CAPABILITY

NOW = 1_000.0
MAKERS = (
    Maker("hikvision", "Hikvision", "CN", "test", subject_to=("prc-nil",), listed_by=("ndaa", "fcc")),
    Maker("axis", "Axis", "SE", "test"),
    Maker("reolink", "Reolink", "", "test"),
)


# The reference: facts as (values, perhaps, whole), conditions by the book, nothing compiled, nothing folded.


def facts(subject: Subject, device: Device, site: SiteFacts) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    maker = {maker.id: maker for maker in MAKERS}.get(device.identity.maker)
    segment = {segment.interface: segment for segment in site.segments}.get(device.interface)
    weighed = bool(device.identity.maker and device.identity.model and device.identity.firmware)
    kind = device.identity.kind
    one = {
        Subject.MAKER: device.identity.maker,
        Subject.JURISDICTION: maker.jurisdiction if maker else "",
        Subject.BRAND: device.identity.brand,
        Subject.KIND: "" if kind is Kind.UNKNOWN else kind.value,
        Subject.MODEL: device.identity.model,
        Subject.ZONE: segment.zone if segment else "",
        Subject.ORGANISATION: site.organisation,
    }
    if subject in one:
        return ((one[subject],), (), True) if one[subject] else ((), (), False)
    if subject is Subject.SUBJECT_TO:
        return (maker.subject_to, (), bool(maker.jurisdiction)) if maker else ((), (), False)
    if subject is Subject.LISTED_BY:
        return (maker.listed_by, (), True) if maker else ((), (), False)
    if subject is Subject.VULNERABLE_TO:
        return device.vulnerabilities, device.undecided, weighed
    return {
        Subject.CONFIDENCE: ((str(device.identity.confidence),), (), True),
        Subject.DEVICE_TAG: (site.device_tags.get(device.id, ()), (), True),
        Subject.SITE: ((site.id,), (), True),
        Subject.SITE_SENSITIVITY: ((site.sensitivity.value,), (), True),
        Subject.SITE_TAG: (site.tags, (), True),
    }[subject]


def holds(condition: Condition, value: str) -> bool:
    match condition.operator:
        case Operator.IS:
            return value.lower() in [wanted.lower() for wanted in condition.values]
        case Operator.MATCHES:
            return any(fnmatchcase(value.lower(), wanted.lower()) for wanted in condition.values)
        case Operator.AT_LEAST:
            return int(value) >= int(condition.values[0])
        case _:
            return int(value) <= int(condition.values[0])


def truth(selector: Selector, device: Device, site: SiteFacts) -> bool | None:
    match selector:
        case Condition():
            values, perhaps, whole = facts(selector.subject, device, site)
            if selector.operator is Operator.KNOWN:
                return (whole and not perhaps) == (selector.values == ("true",))
            if any(holds(selector, value) for value in values):
                return True
            return None if not whole or any(holds(selector, value) for value in perhaps) else False
        case Not(of=part):
            inner = truth(part, device, site)
            return None if inner is None else not inner
        case All(of=parts):
            outcomes = [truth(part, device, site) for part in parts]
            return False if False in outcomes else None if None in outcomes else True
        case Any(of=parts):
            outcomes = [truth(part, device, site) for part in parts]
            return True if True in outcomes else None if None in outcomes else False


def applies(scope: Waiver | Raise, device: Device, site: SiteFacts) -> bool:
    is_device = scope.device is None or scope.device == device.id
    return is_device and (scope.selector is None or truth(scope.selector, device, site) is True)


def after_waivers(level: Level, policy: Policy, signed: Catalogue, device: Device, site: SiteFacts) -> Level:
    for waiver in signed.waivers:
        is_current = waiver.starts_at <= NOW < waiver.expires_at
        if is_current and policy.id in waiver.policies and applies(waiver, device, site):
            level = min(level, waiver.level)
    return level


def reference_level(signed: Catalogue, site: SiteFacts, books: tuple[OrderBook, ...], device: Device) -> Level:
    segment = {segment.interface: segment for segment in site.segments}.get(device.interface)
    stranger_level = segment.default_level if segment else Level.ISOLATE
    level = Level.WATCH if device.identity.maker in [maker.id for maker in MAKERS] else stranger_level
    for policy in signed.policies:
        for rule in policy.rules:
            if rule.contain is not None and (rule.starts_at or 0) <= NOW and truth(rule.when, device, site) is True:
                level = max(level, after_waivers(rule.contain, policy, signed, device, site))
    orders = [order for book in books if book.site in {None, site.id} for order in book.orders]
    raised = [order.level for order in orders if isinstance(order, Raise) and applies(order, device, site)]
    return max([level, *raised])


WORDS = st.sampled_from(
    ["hikvision", "Axis", "reolink", "prc-nil", "ndaa", "cctv", "hq", "council", "CVE-1", "CVE-2", "vip"]
)
PATTERNS = st.sampled_from(["*x*", "cve-*", "??", "h*n", "v?p"])
TEXT_SUBJECTS = st.sampled_from(
    [
        Subject.MAKER,
        Subject.SUBJECT_TO,
        Subject.LISTED_BY,
        Subject.BRAND,
        Subject.MODEL,
        Subject.VULNERABLE_TO,
        Subject.ZONE,
        Subject.ORGANISATION,
    ]
)
DECLARED_SUBJECTS = st.sampled_from([Subject.DEVICE_TAG, Subject.SITE, Subject.SITE_TAG])
CONDITIONS = st.one_of(
    st.builds(
        lambda subject, values: Condition(subject, Operator.IS, tuple(values)),
        TEXT_SUBJECTS | DECLARED_SUBJECTS,
        st.lists(WORDS, min_size=1, max_size=3),
    ),
    st.builds(
        lambda subject, value: Condition(subject, Operator.MATCHES, (value,)),
        TEXT_SUBJECTS | DECLARED_SUBJECTS,
        PATTERNS,
    ),
    st.builds(
        lambda subject, value: Condition(subject, Operator.KNOWN, (value,)),
        TEXT_SUBJECTS | st.sampled_from([Subject.KIND, Subject.JURISDICTION]),
        st.sampled_from(["true", "false"]),
    ),
    st.builds(
        lambda operator, value: Condition(Subject.CONFIDENCE, operator, (str(value),)),
        st.sampled_from([Operator.AT_LEAST, Operator.AT_MOST]),
        st.integers(0, 100),
    ),
    st.sampled_from(
        [
            Condition(Subject.KIND, Operator.IS, ("camera", "recorder")),
            Condition(Subject.SITE_SENSITIVITY, Operator.IS, ("sensitive",)),
            Condition(Subject.JURISDICTION, Operator.IS, ("CN",)),
        ]
    ),
)
SELECTORS: st.SearchStrategy[Selector] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Any(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)
LEVELS = st.sampled_from(Level)
DEVICE_IDS = st.sampled_from([DeviceId("a"), DeviceId("b")])
RULES = st.builds(
    lambda when, level, starts_at: Rule("r", when, "because", contain=level, starts_at=starts_at),
    SELECTORS,
    LEVELS,
    st.sampled_from([None, None, 999.0, 1_000.0, 1_001.0]),
)
POLICIES = st.lists(st.lists(RULES, min_size=1, max_size=3), max_size=3).map(
    lambda groups: tuple(
        Policy(
            PolicyId(f"p{number}"),
            "p",
            1,
            CAPABILITY,
            tuple(msgspec.structs.replace(r, name=f"r{i}") for i, r in enumerate(rules)),
        )
        for number, rules in enumerate(groups)
    )
)
WAIVERS = st.lists(
    st.builds(
        lambda names, level, start, selector, device: Waiver(
            WaiverId("w"), "o", "r", "c", start, start + 500, tuple(names), level, device=device, selector=selector
        ),
        st.lists(st.sampled_from([PolicyId("p0"), PolicyId("p1")]), min_size=1, max_size=2, unique=True),
        st.sampled_from([Level.WATCH, Level.BLOCK_EGRESS, Level.ISOLATE]),
        st.sampled_from([0.0, 500.0, 501.0, 1_000.0, 1_001.0]),
        SELECTORS,
        st.none() | DEVICE_IDS,
    ),
    max_size=3,
).map(tuple)
BOOKS = st.lists(
    st.builds(
        lambda site, orders: OrderBook(1, 0, 0, 1, site, tuple(orders)),
        st.sampled_from([None, SiteId("hq"), SiteId("depot")]),
        st.lists(
            st.builds(
                lambda level, device, selector: Raise(OrderId("o"), level, "r", "by", device, selector),
                LEVELS,
                st.none() | DEVICE_IDS,
                st.none() | SELECTORS,
            ),
            max_size=2,
        ),
    ),
    max_size=2,
).map(tuple)
DEVICES = st.builds(
    lambda id_, interface, maker, brand, model, firmware, kind, confidence, open_to, perhaps: Device(
        id_,
        Identity(maker, brand, kind, model, firmware, confidence=confidence),
        interface,
        vulnerabilities=tuple(open_to),
        undecided=tuple(perhaps),
    ),
    DEVICE_IDS,
    st.sampled_from(["eth1", "eth2", "eth3"]),
    st.sampled_from(["", "hikvision", "axis", "reolink", "nobody"]),
    st.sampled_from(["", "Axis", "vip"]),
    st.sampled_from(["", "Axis", "hikvision"]),
    st.sampled_from(["", "1.0"]),
    st.sampled_from(Kind),
    st.integers(0, 100),
    st.lists(st.sampled_from(["CVE-1"]), max_size=1),
    st.lists(st.sampled_from(["CVE-2"]), max_size=1),
)
SITES = st.builds(
    lambda sensitivity, tags, device_tags, organisation, zone, level: SiteFacts(
        SiteId("hq"),
        OrganisationId(organisation),
        sensitivity,
        tuple(tags),
        segments=(SegmentFacts("eth1", zone, level), SegmentFacts("eth2")),
        device_tags={"a": tuple(device_tags)},
    ),
    st.sampled_from(Sensitivity),
    st.lists(st.sampled_from(["vip"]), max_size=1),
    st.lists(st.sampled_from(["vip"]), max_size=1),
    st.sampled_from(["", "council"]),
    st.sampled_from(["", "cctv"]),
    LEVELS,
)


def catalogue(policies: tuple[Policy, ...], waivers: tuple[Waiver, ...]) -> Catalogue:
    return Catalogue({}, 0, DirectorKeys({}), policies=policies, waivers=waivers, makers=MAKERS)


@settings(max_examples=100)
@given(POLICIES, WAIVERS, BOOKS, SITES, DEVICES)
def test_the_evaluator_agrees_with_the_obvious_one(
    policies: tuple[Policy, ...],
    waivers: tuple[Waiver, ...],
    books: tuple[OrderBook, ...],
    site: SiteFacts,
    device: Device,
) -> None:
    signed = catalogue(policies, waivers)
    verdict = Evaluator(signed, site, books).verdict(device, NOW)

    assert verdict.level is reference_level(signed, site, books, device)
    assert verdict.explanation.startswith(f"{verdict.level.value}, because ")


@settings(max_examples=100)
@given(POLICIES, WAIVERS, BOOKS, SITES, DEVICES)
def test_no_order_book_lowers_a_level_and_taking_orders_out_never_goes_below_policy(
    policies: tuple[Policy, ...],
    waivers: tuple[Waiver, ...],
    books: tuple[OrderBook, ...],
    site: SiteFacts,
    device: Device,
) -> None:
    signed = catalogue(policies, waivers)
    by_policy = Evaluator(signed, site).verdict(device, NOW).level
    with_all = Evaluator(signed, site, books).verdict(device, NOW).level

    assert with_all >= by_policy
    for removed in range(len(books)):
        fewer = books[:removed] + books[removed + 1 :]
        assert by_policy <= Evaluator(signed, site, fewer).verdict(device, NOW).level <= with_all


@settings(max_examples=100)
@given(POLICIES, WAIVERS, SITES, DEVICES)
def test_more_rules_never_loosen_and_more_waivers_never_tighten(
    policies: tuple[Policy, ...], waivers: tuple[Waiver, ...], site: SiteFacts, device: Device
) -> None:
    level = Evaluator(catalogue(policies, waivers), site).verdict(device, NOW).level

    assert Evaluator(catalogue(policies[1:], waivers), site).verdict(device, NOW).level <= level
    assert Evaluator(catalogue(policies, waivers[1:]), site).verdict(device, NOW).level >= level


@settings(max_examples=100)
@given(SELECTORS, SITES, DEVICES)
def test_an_explanation_agrees_with_the_verdict(selector: Selector, site: SiteFacts, device: Device) -> None:
    policy = Policy(PolicyId("p0"), "p", 1, 1, (Rule("r", selector, "because", contain=Level.QUARANTINE),))
    explanation = Evaluator(catalogue((policy,), ()), site).explain(device, NOW)
    [trace] = explanation.rules

    assert trace.truth is truth(selector, device, site)
    assert ("rule" in [reason.kind for reason in explanation.verdict.reasons]) == (trace.truth is True)
    assert bool(trace.obstacles) == (trace.truth is not True)
