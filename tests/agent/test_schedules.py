"""What begins on a day begins on the gateway by itself, with nobody saying anything that day."""

from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrganisationId, PolicyId, SiteId, WaiverId
from bartizan.policy.model import Condition, Maker, Operator, Policy, Rule, SegmentFacts, SiteFacts, Subject, Waiver
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.wire.capability import CAPABILITY
from bartizan_agent.evidence import device_postures
from bartizan_agent.reconcile import Verdicts, next_change_at

BEGINS = 1_801_353_600.0  # 2027-01-31
GONE_BY = 1_814_313_600.0  # 2027-06-30
CAMERA = Device(DeviceId("a"), Identity("hikvision", kind=Kind.CAMERA), "cam0")
SITE = SiteFacts(SiteId("school"), OrganisationId("county"), segments=(SegmentFacts("cam0"),))
RULE = Rule(
    "still-here",
    Condition(Subject.MAKER, Operator.IS, ("hikvision",)),
    "it was to be replaced",
    Level.ISOLATE,
    starts_at=BEGINS,
    remove_by=GONE_BY,
)
CATALOGUE = Catalogue(
    {},
    BEGINS + 86_400,
    DirectorKeys({}),
    policies=(Policy(PolicyId("p"), "p", 1, CAPABILITY, (RULE,)),),
    makers=(Maker("hikvision", "Hikvision", "CN", "test"),),
)


def test_a_device_is_judged_again_when_a_rule_begins() -> None:
    """Though neither it nor anything that was signed has changed."""
    verdicts = Verdicts()

    levels = [verdicts.judge(CATALOGUE, SITE, (), (CAMERA,), at)[CAMERA.id].level for at in (0.0, BEGINS - 1, BEGINS)]
    assert levels == [Level.WATCH, Level.WATCH, Level.ISOLATE]
    assert next_change_at(CATALOGUE, (), 0.0) == BEGINS


def waived(until: float) -> Catalogue:
    """The same catalogue in a later version, with a waiver."""
    waiver = Waiver(WaiverId("w"), "o", "r", "c", BEGINS, until, (PolicyId("p"),), Level.WATCH, CAMERA.id)
    return replace(CATALOGUE, waivers=(waiver,))


def test_a_waiver_that_comes_later_ends_when_it_says() -> None:
    """Though when it came nothing was known to end before the catalogue."""
    verdicts, ends = Verdicts(), BEGINS + 60
    verdicts.judge(CATALOGUE, SITE, (), (CAMERA,), BEGINS)
    with_waiver = waived(until=ends)

    levels = [verdicts.judge(with_waiver, SITE, (), (CAMERA,), at)[CAMERA.id].level for at in (BEGINS + 1, ends)]
    assert levels == [Level.WATCH, Level.ISOLATE]


def test_what_was_judged_by_a_clock_that_was_years_ahead_is_judged_again_once_it_is_right() -> None:
    verdicts, ends = Verdicts(), BEGINS + 60
    with_waiver = waived(until=ends)

    times = (ends + 5 * 365 * 86400, BEGINS + 1, ends - 1, ends)
    levels = [verdicts.judge(with_waiver, SITE, (), (CAMERA,), at)[CAMERA.id].level for at in times]
    assert levels == [Level.ISOLATE, Level.WATCH, Level.WATCH, Level.ISOLATE]


def test_the_controller_is_told_by_when_a_device_must_be_gone() -> None:
    verdicts = Verdicts().judge(CATALOGUE, SITE, (), (CAMERA,), BEGINS)
    [posture] = device_postures((CAMERA,), verdicts, {}, (), {})

    assert posture.remove_by == GONE_BY
