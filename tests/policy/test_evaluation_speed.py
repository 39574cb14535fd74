"""Ten thousand devices under five rules are judged within the time that a person does not notice."""

import time
from itertools import product

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, PolicyId, SiteId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    Maker,
    Operator,
    Policy,
    Rule,
    SegmentFacts,
    SiteFacts,
    Subject,
)
from bartizan.trust.content import Catalogue, DirectorKeys

DEVICES = 10_000
LIMIT = 0.6  # seconds; about three times what it takes on one busy core, so that only a change of kind fails


def rule(number: int) -> Rule:
    when = All(
        (
            Condition(Subject.SUBJECT_TO, Operator.IS, ("law",)),
            Condition(Subject.SITE_SENSITIVITY, Operator.IS, ("sensitive",)),
            Condition(Subject.CONFIDENCE, Operator.AT_LEAST, ("50",)),
            Any(
                (
                    Condition(Subject.MODEL, Operator.MATCHES, (f"DS-{number}*",)),
                    Condition(Subject.ZONE, Operator.IS, ("core",)),
                )
            ),
        )
    )
    return Rule(f"r{number}", when, "because", contain=Level.ISOLATE)


def test_ten_thousand_devices_under_five_rules() -> None:
    policy = Policy(PolicyId("p"), "t", 1, 1, tuple(rule(number) for number in range(5)))
    makers = (Maker("hikvision", "Hikvision", "CN", "x", subject_to=("law",)), Maker("axis", "Axis", "SE", "x"))
    catalogue = Catalogue({}, 0, DirectorKeys({}), policies=(policy,), makers=makers)
    site = SiteFacts(SiteId("hq"), OrganisationId("o"), segments=(SegmentFacts("eth1", "cctv"),))
    devices = [
        Device(
            DeviceId(f"{number}-{maker}"),
            Identity(maker, "", Kind.CAMERA, f"DS-{number % 9}", "1", confidence=90),
            "eth1",
        )
        for number, maker in product(range(DEVICES // 2), ("hikvision", "axis"))
    ]
    evaluator = Evaluator(catalogue, site)

    took = []
    for _ in range(3):
        begun = time.perf_counter()
        levels = [evaluator.verdict(device, 0.0).level for device in devices]
        took.append(time.perf_counter() - begun)

    assert levels.count(Level.ISOLATE) == 2_780  # five of nine models, of one maker of two
    assert min(took) < LIMIT
