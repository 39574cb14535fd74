"""Refusals are told, but a gateway gone mad cannot fill the database with them."""

from bartizan.errors import Malformed, Stale
from bartizan.ids import SiteId
from bartizan.wire import topics
from bartizan_controller.link.refusals import Refusals

NORTH, SOUTH = topics.up(SiteId("north"), "hello"), topics.up(SiteId("south"), "hello")


def test_a_flood_is_told_of_once_a_minute_with_its_number() -> None:
    refusals = Refusals()

    told = [refusals.event(NORTH, Malformed("rubbish"), now=1000.0 + second) for second in range(121)]

    events = [event for event in told if event]
    assert [(event.at, event.detail.get("untold_before")) for event in events] == [
        (1000.0, None),
        (1060.0, "59"),
        (1120.0, "59"),
    ]


def test_sites_and_reasons_are_told_of_apart() -> None:
    refusals = Refusals()

    assert refusals.event(NORTH, Malformed("rubbish"), now=1.0)
    assert refusals.event(SOUTH, Malformed("rubbish"), now=1.0)
    assert refusals.event(NORTH, Stale("old"), now=1.0)
    assert refusals.event(NORTH, Malformed("other rubbish"), now=1.0) is None


def test_a_topic_of_nobody_is_told_of_shortened() -> None:
    event = Refusals().event("bz/1/up/" + "x" * 60_000, Malformed("rubbish"), now=1.0)

    assert event is not None
    assert (event.site, len(event.detail["topic"])) == ("", 200)
