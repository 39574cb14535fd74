"""From what was measured to what is stated: never more than is known. Held against a plain model, second by second."""

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.containment.statement import (
    AFTER,
    BEFORE,
    Held,
    Holding,
    Measured,
    Part,
    Verdict,
    compose,
    dropped_within,
    verdict,
)
from bartizan.ids import Address, Mac

MAC = Mac("02:00:00:00:00:01")


def held(level: Level, *reach: str, around: str = "") -> Held:
    return Held(level, (MAC,), (Address("10.9.0.11"),), reach, around)


ISOLATED, BLOCKED, WATCHED = (
    held(Level.ISOLATE),
    held(Level.BLOCK_EGRESS, "10.0.0.0/8"),
    held(Level.WATCH, "everything"),
)


def test_a_time_that_was_measured_throughout_is_proven() -> None:
    parts = compose(100.0, 200.0, [Measured(50.0, 250.0)], [Holding(60.0, 240.0, ISOLATED)])

    assert parts == (Part(100.0, 200.0, ISOLATED),)
    assert verdict(parts) is Verdict.PROVEN


def test_gaps_are_named_with_their_cause() -> None:
    measured = [Measured(120.0, 140.0, "older"), Measured(150.0, 180.0, "the gateway was restarted")]

    parts = compose(100.0, 200.0, measured, [Holding(110.0, 190.0, ISOLATED)])

    assert parts == (
        Part(100.0, 120.0, None, "older"),
        Part(120.0, 140.0, ISOLATED),
        Part(140.0, 150.0, None, "the gateway was restarted"),
        Part(150.0, 180.0, ISOLATED),
        Part(180.0, 200.0, None, AFTER),
    )
    assert verdict(parts) is Verdict.NOT_PROVEN


def test_while_it_was_changed_the_looser_level_counts() -> None:
    holdings = [Holding(0.0, 120.0, ISOLATED), Holding(130.0, 200.0, BLOCKED), Holding(210.0, 300.0, ISOLATED)]

    parts = compose(100.0, 300.0, [Measured(0.0, 300.0)], holdings)

    assert [(part.since, part.until, part.held and part.held.level) for part in parts] == [
        (100.0, 120.0, Level.ISOLATE),
        (120.0, 210.0, Level.BLOCK_EGRESS),
        (210.0, 300.0, Level.ISOLATE),
    ]


@pytest.mark.parametrize(
    ("holdings", "expected"),
    [
        ([], Verdict.NOT_HELD),
        ([Holding(0.0, 300.0, WATCHED)], Verdict.NOT_HELD),
        ([Holding(0.0, 300.0, held(Level.ISOLATE, around="a flowtable offloads cam0"))], Verdict.NOT_HELD),
        ([Holding(0.0, 120.0, ISOLATED), Holding(150.0, 300.0, WATCHED)], Verdict.NOT_HELD),
        (
            [Holding(0.0, 120.0, ISOLATED), Holding(121.0, 130.0, None), Holding(131.0, 300.0, ISOLATED)],
            Verdict.NOT_HELD,
        ),
        ([Holding(150.0, 300.0, ISOLATED)], Verdict.NOT_HELD),
        ([Holding(0.0, 120.0, ISOLATED), Holding(121.0, 300.0, BLOCKED)], Verdict.PROVEN),
    ],
)
def test_what_was_open_is_not_proven_closed(holdings: list[Holding], expected: Verdict) -> None:
    assert verdict(compose(100.0, 200.0, [Measured(0.0, 300.0)], holdings)) is expected


def test_nothing_measured_proves_nothing() -> None:
    parts = compose(100.0, 200.0, [], [Holding(0.0, 300.0, ISOLATED)])

    assert parts == (Part(100.0, 200.0, None, BEFORE),)
    assert verdict(parts) is Verdict.NOT_PROVEN
    assert verdict(()) is Verdict.NOT_PROVEN


class Second(NamedTuple):
    """What really was in one second, and whether a look proved it."""

    level: Level | None
    proven: bool


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Second], list[Measured], list[Holding]]:
    """A device's life, as the agent writes it down: looks at some seconds, the level changed between some of them."""
    truth: list[Second] = []
    measured: list[Measured] = []
    holdings: list[Holding] = []
    now, level, begun = 0, draw(st.sampled_from(Level)), -1
    for _ in range(draw(st.integers(1, 12))):
        wait, what = draw(st.integers(1, 5)), draw(st.sampled_from(["nothing", "change", "gap"]))
        before, level = level, draw(st.sampled_from(Level)) if what != "nothing" else level
        at = draw(st.integers(0, wait - 1))  # the second in which one transaction of ours changed it
        for second in range(wait):
            open_ = what == "gap" and draw(st.booleans())
            truth.append(Second(None if open_ else before if second < at else level, what != "gap"))
        look, now = now, now + wait
        if what == "gap" or begun < 0:
            begun = now
            measured.append(Measured(float(now), float(now), "a gap"))
        else:
            measured[-1] = Measured(float(begun), float(now), measured[-1].because)
        if holdings and holdings[-1].held == held(level):
            holdings[-1] = Holding(holdings[-1].since, float(now), holdings[-1].held)
        else:
            if holdings:
                holdings[-1] = Holding(holdings[-1].since, max(holdings[-1].since, float(look)), holdings[-1].held)
            holdings.append(Holding(float(now), float(now), held(level)))
    return truth, measured, holdings


@given(lives(), st.integers(-3, 70), st.integers(1, 70))
def test_nothing_is_claimed_that_was_not_so(
    life: tuple[list[Second], list[Measured], list[Holding]], since: int, length: int
) -> None:
    truth, measured, holdings = life

    parts = compose(float(since), float(since + length), measured, holdings)

    assert (parts[0].since, parts[-1].until) == (since, since + length)
    assert all(one.until == other.since for one, other in itertools.pairwise(parts))
    for part in parts:
        if part.not_proven_because or part.held is None:
            continue
        for second in range(int(part.since), int(part.until)):
            assert 0 <= second < len(truth)
            really = truth[second].level
            assert really is not None
            assert really >= part.held.level


def test_what_was_tried_within_and_around_a_time() -> None:
    def tried(port: int, first: float, last: float) -> DropCounter:
        return DropCounter(MAC, Address("198.51.100.7"), "tcp", port, 10, 600, first, last)

    drops = [tried(1, 0, 99), tried(2, 0, 100), tried(3, 110, 190), tried(4, 200, 300), tried(5, 201, 300)]

    found, least = dropped_within(drops, 100.0, 200.0)
    assert [drop.port for drop in found] == [4, 3, 2]
    assert least == 10
