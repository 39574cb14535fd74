"""What would release a device: doing it does, and nothing that changes nothing is asked for."""

import msgspec
from hypothesis import given, settings

from bartizan.containment.level import Level
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, OrderId, OrganisationId, PolicyId, SiteId, WaiverId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.model import Condition, Maker, Operator, Policy, Rule, SegmentFacts, SiteFacts, Subject, Waiver
from bartizan.policy.release import NOTHING, Held, Hold, Later, Standing, Step
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan.trust.orders import OrderBook, Raise
from bartizan.wire.capability import CAPABILITY
from tests.policy.test_evaluate_against_reference import BOOKS, DEVICES, NOW, POLICIES, SITES, WAIVERS, catalogue

SITE = SiteFacts(SiteId("hq"), OrganisationId("o"), segments=(SegmentFacts("eth1", default_level=Level.ISOLATE),))
CAMERA = Device(DeviceId("a"), Identity("hikvision", model="DS-1", firmware="5.0"), "eth1")
HIKVISION = Condition(Subject.MAKER, Operator.IS, ("hikvision",))


def policy(name: str, level: Level, when: Condition = HIKVISION) -> Policy:
    return Policy(PolicyId(name), name, 1, 1, (Rule("r", when, "because", contain=level),))


def waiver(starts_at: float, expires_at: float, level: Level, **also: object) -> Waiver:
    policies = (PolicyId("p"),)
    return Waiver(WaiverId("w"), "owner", "reason", "control", starts_at, expires_at, policies, level, **also)  # type: ignore[arg-type]


def order(name: str, level: Level) -> Raise:
    return Raise(OrderId(name), level, "reason", "by")


def held(
    *policies: Policy, waivers: tuple[Waiver, ...] = (), orders: tuple[Raise, ...] = (), device: Device = CAMERA
) -> Held:
    makers = (Maker("hikvision", "Hikvision", "CN", "test"),)
    signed = Catalogue({}, 0, DirectorKeys({}), policies=policies, waivers=waivers, makers=makers)
    books = (OrderBook(1, 0, 0, 1, None, orders),) if orders else ()
    return Held(signed, SITE, books, device, NOW)


def hold(*policies: Policy, **also: object) -> Hold:
    return held(*policies, **also).hold()  # type: ignore[arg-type]


def numbered(books: tuple[OrderBook, ...]) -> tuple[OrderBook, ...]:
    """Return books whose orders have names of their own, as a controller gives them."""
    return tuple(
        msgspec.structs.replace(
            book, orders=tuple(msgspec.structs.replace(each, id=f"{n}-{i}") for i, each in enumerate(book.orders))
        )
        for n, book in enumerate(books)
    )


@settings(max_examples=100)
@given(POLICIES, WAIVERS, BOOKS.map(numbered), SITES, DEVICES)
def test_what_is_needed_lowers_the_level_and_nothing_is_needed_where_nothing_holds(
    policies: tuple[Policy, ...],
    waivers: tuple[Waiver, ...],
    books: tuple[OrderBook, ...],
    site: SiteFacts,
    device: Device,
) -> None:
    signed = catalogue(policies, waivers)
    found = Held(signed, site, books, device, NOW).hold()

    assert found.level is Evaluator(signed, site, books).verdict(device, NOW).level
    assert found.by_policy is Evaluator(signed, site).verdict(device, NOW).level
    assert (found.needed == (NOTHING,)) == (found.level is Level.WATCH)
    assert found.needed
    assert found.then < found.level or found.level is Level.WATCH
    assert all(step.then < found.level for step in found.instead)


def test_an_order_is_released_by_one_and_policy_by_two() -> None:
    assert hold().needed == (NOTHING,)
    by_order = hold(policy("p", Level.BLOCK_EGRESS), orders=(order("raise-1", Level.QUARANTINE),))
    assert (by_order.needed, by_order.then) == (("bartizan release raise-1 --reason …",), Level.BLOCK_EGRESS)

    by_policy = hold(
        policy("p", Level.ISOLATE), policy("q", Level.WATCH), orders=(order("raise-1", Level.BLOCK_EGRESS),)
    )
    [needed] = by_policy.needed
    assert needed.startswith("two signatures over a waiver from p, or over a change of that policy")
    assert (by_policy.then, by_policy.by_policy) == (Level.BLOCK_EGRESS, Level.ISOLATE)


def test_all_that_demand_the_level_are_needed_together() -> None:
    found = hold(policy("p", Level.ISOLATE), policy("q", Level.ISOLATE), orders=(order("raise-1", Level.ISOLATE),))

    assert [each.partition(",")[0] for each in found.needed] == [
        "bartizan release raise-1 --reason …",
        "two signatures over a waiver from p",
        "two signatures over a waiver from q",
    ]
    assert found.then is Level.WATCH


def test_a_policy_that_a_waiver_holds_down_does_not_hold_the_device() -> None:
    """Until the waiver ends, which it does by itself."""
    cap = waiver(0.0, NOW + 50, Level.BLOCK_EGRESS, device=CAMERA.id)
    found = held(policy("p", Level.QUARANTINE), policy("q", Level.ISOLATE), waivers=(cap,))

    assert [each.partition(",")[0] for each in found.hold().needed] == ["two signatures over a waiver from q"]
    assert found.hold().later == (Later(NOW + 50, Level.QUARANTINE),)
    assert [each.standing for each in found.waivers()] == [Standing.IN_FORCE]


def test_waivers_of_this_device_are_told_whether_they_count_or_not() -> None:
    """One of another device or policy is none of its business."""
    ended = waiver(0.0, NOW, Level.WATCH, device=CAMERA.id)
    coming = waiver(NOW + 1, NOW + 2, Level.WATCH, selector=HIKVISION)
    other = waiver(0.0, NOW * 2, Level.WATCH, device=DeviceId("b"))
    of_axis = waiver(0.0, NOW * 2, Level.WATCH, selector=Condition(Subject.MAKER, Operator.IS, ("axis",)))
    found = held(policy("p", Level.ISOLATE), waivers=(ended, coming, other, of_axis))

    assert [(each.waiver, each.standing) for each in found.waivers()] == [
        (ended, Standing.OVER),
        (coming, Standing.NOT_YET),
    ]
    assert found.hold().later == (Later(NOW + 1, Level.WATCH), Later(NOW + 2, Level.ISOLATE))


def test_a_stranger_is_released_by_being_known() -> None:
    stranger = msgspec.structs.replace(CAMERA, identity=Identity())
    [needed] = hold(device=stranger).needed

    assert needed.startswith("its maker becomes known")
    assert "strangers on eth1" in needed
    assert hold(device=stranger).then is Level.WATCH


def test_mending_the_device_is_named_where_that_lowers_its_level() -> None:
    """Newer firmware, or a setting; not where another rule holds it all the same."""
    flawed = msgspec.structs.replace(
        CAMERA, vulnerabilities=("CVE-1",), hardening=Hardening((Shortfall("no-telnet", "telnet is open"),))
    )
    open_to = policy("p", Level.ISOLATE, Condition(Subject.VULNERABLE_TO, Operator.IS, ("CVE-1",)))
    unhardened = policy("h", Level.ISOLATE, Condition(Subject.HARDENING, Operator.IS, ("no-telnet",)))

    assert hold(open_to, device=flawed).instead == (Step("firmware that is not open to CVE-1", Level.WATCH),)
    assert hold(unhardened, device=flawed).instead == (Step("mending what hardening found: no-telnet", Level.WATCH),)
    assert hold(open_to, unhardened, device=flawed).instead == ()


def test_a_level_that_comes_as_a_rule_begins_is_told_before() -> None:
    """With a waiver that will hold it down for a while."""
    coming = msgspec.structs.replace(policy("p", Level.QUARANTINE).rules[0], starts_at=NOW + 100)
    scheduled = Policy(PolicyId("p"), "p", 1, CAPABILITY, (coming,))
    found = held(scheduled, waivers=(waiver(NOW + 50, NOW + 200, Level.WATCH, device=CAMERA.id),))

    assert found.hold().level is Level.WATCH
    assert [each.standing for each in found.waivers()] == [Standing.NOT_YET]
    assert found.hold().later == (Later(NOW + 200, Level.QUARANTINE),)
    assert held(scheduled).hold().later == (Later(NOW + 100, Level.QUARANTINE),)
