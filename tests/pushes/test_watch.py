"""What every gateway reads back is compared with what is expected, push or not; a difference is an alarm."""

from collections.abc import Mapping

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.ids import OrderId, SiteId
from bartizan.policy.model import SiteFacts
from bartizan.trust.orders import Raise
from bartizan.wire import events as kinds
from bartizan_controller import orders
from bartizan_controller.orders import Change
from bartizan_controller.pushes import watch
from bartizan_controller.store import judgements
from tests.pushes.test_execute import CATALOGUE, COUNCIL, EAST, HALL, WEST, Controller, controller

__all__ = ["controller"]  # the fixture

EVERYWHERE = msgspec.structs.replace(CATALOGUE, push=None)


def look(controller: Controller, now: float) -> Mapping[SiteId, tuple[str, ...]]:
    """Judge what is to be judged; return the sites that differ, and how."""
    made = controller.database.query(lambda c: watch.judge(c, controller.catalogue, now=now))
    controller.database.change(lambda c: watch.keep(c, made, now=now))
    found = controller.database.query(lambda c: judgements.differing(c, None))
    return {each.site: each.differences for each in found}


@pytest.fixture
def settled(controller: Controller) -> Controller:
    """Policy is in force everywhere, and all hold it."""
    controller.catalogue = EVERYWHERE
    for site in (HALL, EAST, SiteId("west")):
        controller.report(site)
    assert look(controller, 100.0) == {}
    return controller


def test_what_is_held_otherwise_is_told_once_and_when_it_is_well_again(settled: Controller) -> None:
    """Though the gateway says that it agrees with itself."""
    settled.report(HALL, wanted=Level.WATCH, enforced=Level.WATCH)
    differ = ("cam: should be at isolate; its gateway wants watch",)
    assert look(settled, 200.0) == {HALL: differ}
    settled.report(HALL, wanted=Level.WATCH, enforced=Level.WATCH)
    assert look(settled, 300.0) == {HALL: differ}
    assert settled.events(kinds.POSTURE_DIFFERS) == [{"differences": differ[0]}]

    settled.report(HALL)
    assert look(settled, 400.0) == {}
    assert settled.events(kinds.POSTURE_AGREES) == [{"since": "200"}]


def test_a_report_that_has_just_come_is_not_judged_yet(controller: Controller) -> None:
    controller.catalogue = EVERYWHERE
    controller.report(HALL, enforced=None)

    assert look(controller, 1.0 + watch.SETTLE_SECONDS) == {}
    assert HALL in look(controller, 1.1 + watch.SETTLE_SECONDS)


def test_an_older_policy_than_is_published_differs_unless_it_waits_for_its_turn(settled: Controller) -> None:
    settled.report(HALL, policy=6)
    settled.report(EAST, policy=6, waits_until=9_999.0)

    assert look(settled, 200.0) == {HALL: ("it goes by policy 6; 7 is published",)}


def test_orders_on_their_way_are_waited_for_and_orders_never_taken_differ(settled: Controller) -> None:
    raised = Change(HALL, give=(Raise(OrderId("r"), Level.QUARANTINE, "why", "ann"),))
    settled.database.change(lambda c: orders.apply(c, settled.sign, raised, by="ann", now=150.0))
    settled.report(HALL, orders_held=0)

    assert look(settled, 100.0) == {}
    assert look(settled, 1.0 + watch.OVERDUE_SECONDS) == {HALL: ("it does not hold the orders that stand",)}


def test_one_that_is_always_behind_keeps_nobody_else_from_being_judged(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AT_ONCE", 1)
    raised = Change(HALL, give=(Raise(OrderId("r"), Level.QUARANTINE, "why", "ann"),))
    controller.database.change(lambda c: orders.apply(c, controller.sign, raised, by="ann", now=1.0))
    controller.catalogue = EVERYWHERE
    controller.report(HALL, orders_held=0)
    controller.report(EAST, enforced=None)

    look(controller, 20.0)
    assert EAST in look(controller, 21.0)


@pytest.fixture
def pair(controller: Controller) -> Controller:
    """East stands by for the hall, and both hold what they should."""
    facts = (SiteFacts(HALL, COUNCIL), SiteFacts(EAST, COUNCIL, standby_for=HALL), SiteFacts(WEST, COUNCIL))
    controller.catalogue = msgspec.structs.replace(EVERYWHERE, sites=facts)
    for site in (HALL, EAST, WEST):
        controller.report(site)
    assert look(controller, 100.0) == {}
    return controller


def test_a_standby_is_judged_by_what_its_kernel_holds_and_compared_with_the_other(pair: Controller) -> None:
    pair.report(EAST, enforced=Level.WATCH)

    assert look(pair, 200.0) == {
        EAST: ("cam: should be at isolate; its kernel holds watch", "cam: it holds watch, the site's gateway isolate")
    }
    assert len(pair.events(kinds.POSTURE_DIFFERS)) == 1
    pair.report(EAST)
    assert look(pair, 300.0) == {}


def test_orders_of_the_site_are_expected_of_its_standby(pair: Controller) -> None:
    raised = Change(HALL, give=(Raise(OrderId("r"), Level.QUARANTINE, "why", "ann"),))
    pair.database.change(lambda c: orders.apply(c, pair.sign, raised, by="ann", now=1.0))
    pair.report(HALL, wanted=Level.QUARANTINE, enforced=Level.QUARANTINE)
    pair.report(EAST, orders_held=1)

    differ = look(pair, 200.0)
    assert differ[EAST][0] == "cam: should be at quarantine; its gateway wants isolate"


def test_a_standby_is_compared_anew_when_the_other_gateway_reports(pair: Controller) -> None:
    """Its own report has long been judged."""
    pair.report(HALL, enforced=Level.WATCH)

    assert look(pair, 200.0)[EAST] == ("cam: it holds isolate, the site's gateway watch",)
    pair.report(HALL)
    assert look(pair, 300.0) == {}


def test_gateways_at_different_generations_are_not_compared(pair: Controller) -> None:
    pair.report(HALL, policy=6, waits_until=9_999.0, wanted=Level.WATCH, enforced=Level.WATCH)

    assert look(pair, 200.0) == {}
