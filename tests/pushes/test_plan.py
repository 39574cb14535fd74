"""The planner of a push, in the words that people read: who is told, and why the others wait."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.ids import SiteId
from bartizan_controller.pushes.model import (
    Differs,
    Intent,
    Plan,
    PushState,
    SiteCondition,
    Stage,
    StageRunning,
    StandbysAway,
    StandbysNotEnrolled,
)
from bartizan_controller.pushes.plan import is_same, next_plan
from bartizan_controller.pushes.words import in_words

HALL, EAST, WEST, NORTH = (SiteId(name) for name in ("hall", "east", "west", "north"))
INTENT = Intent(
    policy=7,
    digest="d",
    stages=(Stage("canary", (HALL,)), Stage("wave 1", (EAST, WEST)), Stage("the rest", (NORTH,))),
    soak_seconds=60.0,
    agree_percent=100,
    differ_percent=0,
    not_after=10_000.0,
    begun_at=900.0,
)
WAITS = SiteCondition(connected=True)
AWAY = SiteCondition(connected=False)
OLD = SiteCondition(connected=True, too_old=True)
LONG_AGO = SiteCondition(connected=True, in_force=True, at=900.0)
JUST_NOW = SiteCondition(connected=True, in_force=True, at=990.0)
WRONG = SiteCondition(connected=True, in_force=True, at=900.0, differences=("cam1: its kernel holds watch",))


def script(
    intent: Intent = INTENT,
    *,
    hall: SiteCondition = LONG_AGO,
    east: SiteCondition = LONG_AGO,
    west: SiteCondition = LONG_AGO,
    north: SiteCondition = LONG_AGO,
    previous: Plan | None = None,
    published: int = 7,
    now: float = 1000.0,
) -> str:
    """Return the next plan as a person would read it."""
    plan = next_plan(
        intent,
        {HALL: hall, EAST: east, WEST: west, NORTH: north},
        previous=previous,
        published=published,
        now=now,
    )
    lines = [f"{plan.state.value} at {plan.stage or '-'}, told: {' '.join(plan.activate) or 'nobody'}"]
    lines += [in_words(each, now) for each in plan.waiting]
    lines += [f"looks again at {plan.wake_at:.0f}"] if plan.wake_at else []
    return "\n".join(lines)


SCRIPTS = {
    "it begins with the canary, which needs no word": (
        script(hall=WAITS, east=WAITS, west=WAITS, north=WAITS),
        """\
running at canary, told: nobody
canary: 0 of 1 sites read back what is expected, 100 % are needed
looks again at 10000""",
    ),
    "a canary that is away is waited for": (
        script(hall=AWAY, east=WAITS, west=WAITS, north=WAITS),
        """\
running at canary, told: nobody
canary: not connected: hall
canary: 0 of 1 sites read back what is expected, 100 % are needed
looks again at 10000""",
    ),
    "a canary that agrees is watched for a while": (
        script(hall=JUST_NOW, east=WAITS, west=WAITS, north=WAITS),
        """\
running at canary, told: nobody
canary agrees and is watched for another 50 s
looks again at 1050""",
    ),
    "then the first wave is told, whether connected or not": (
        script(east=WAITS, west=AWAY, north=WAITS),
        """\
running at wave 1, told: east west
wave 1: not connected: west
wave 1: 0 of 2 sites read back what is expected, 100 % are needed
looks again at 10000""",
    ),
    "a canary that differs stops it": (
        script(hall=WRONG, east=WAITS, west=WAITS, north=WAITS),
        """\
paused at canary, told: nobody
canary stopped: 1 of 1 sites differ, more than 0 % allowed (hall: cam1: its kernel holds watch)
looks again at 10000""",
    ),
    "one that differs later, while another stage runs, stops it too": (
        script(hall=WRONG, east=LONG_AGO, west=WAITS, north=WAITS),
        """\
paused at canary, told: nobody
canary stopped: 1 of 1 sites differ, more than 0 % allowed (hall: cam1: its kernel holds watch)
looks again at 10000""",
    ),
    "a difference that was looked at counts as agreement": (
        script(msgspec.structs.replace(INTENT, forgiven=frozenset({HALL})), hall=WRONG, east=WAITS, north=WAITS),
        """\
running at wave 1, told: east west
wave 1: 1 of 2 sites read back what is expected, 100 % are needed
looks again at 10000""",
    ),
    "within the signed thresholds it goes on": (
        script(
            msgspec.structs.replace(INTENT, agree_percent=50, differ_percent=50), east=WRONG, west=LONG_AGO, north=WAITS
        ),
        """\
running at the rest, told: east north west
the rest: 0 of 1 sites read back what is expected, 50 % are needed
looks again at 10000""",
    ),
    "an agent that refuses it is told nothing, and named": (
        script(east=OLD, west=LONG_AGO, north=LONG_AGO),
        """\
finished at the rest, told: north west
agents that refuse it, to be upgraded: east
looks again at 10000""",
    ),
    "all agree": (
        script(),
        """\
finished at the rest, told: east north west
looks again at 10000""",
    ),
    "the signed time is over": (
        script(hall=WAITS, east=WAITS, west=WAITS, north=WAITS, now=10_000.0),
        """\
ended at -, told: nobody""",
    ),
    "it finished before the signed time": (
        script(msgspec.structs.replace(INTENT, state=PushState.FINISHED), now=10_000.0),
        """\
finished at -, told: nobody""",
    ),
    "another version was published": (
        script(published=8),
        """\
superseded at -, told: nobody""",
    ),
    "after an abort nobody is told": (
        script(msgspec.structs.replace(INTENT, state=PushState.ABORTED), west=WAITS),
        """\
aborted at -, told: nobody
looks again at 10000""",
    ),
}


HALL_B = SiteId("hall-b")
PAIRED = msgspec.structs.replace(
    INTENT, stages=(Stage("canary", (HALL,), {HALL: (HALL_B,)}), Stage("the rest", (EAST, WEST)))
)
_NOT_ENROLLED = "canary: standby hall-b of hall was never enrolled: judged by the other gateway alone\n"
_AWAY = "canary: standby hall-b of hall is away: judged by the other gateway alone until it is back\n"


def pair(
    hall: SiteCondition, standby: SiteCondition | None, *, intent: Intent = PAIRED, previous: Plan | None = None
) -> Plan:
    """Return the next plan of a push whose canary has a standby, where the others wait for their turn."""
    sites = {HALL: hall, EAST: WAITS, WEST: WAITS} | ({HALL_B: standby} if standby is not None else {})
    return next_plan(intent, sites, previous=previous, published=7, now=1000.0)


@pytest.mark.parametrize(
    ("hall", "standby", "state", "stage", "said"),
    [
        (LONG_AGO, LONG_AGO, "running", "the rest", "the rest: 0 of 2 sites"),
        (LONG_AGO, WAITS, "running", "canary", "canary: 0 of 1 sites"),
        (WAITS, LONG_AGO, "running", "canary", "canary: 0 of 1 sites"),
        (
            LONG_AGO,
            WRONG,
            "paused",
            "canary",
            "canary stopped: 1 of 1 sites differ, more than 0 % allowed (hall: standby",
        ),
        (
            WRONG,
            LONG_AGO,
            "paused",
            "canary",
            "canary stopped: 1 of 1 sites differ, more than 0 % allowed (hall: gateway",
        ),
        (WRONG, WRONG, "paused", "canary", "canary stopped: 1 of 1 sites differ, more than 0 % allowed (hall: gateway"),
        (LONG_AGO, None, "running", "the rest", _NOT_ENROLLED + "the rest: 0 of 2 sites"),
        (LONG_AGO, AWAY, "running", "the rest", _AWAY + "the rest: 0 of 2 sites"),
        (WAITS, None, "running", "canary", _NOT_ENROLLED + "canary: 0 of 1 sites"),
        (AWAY, LONG_AGO, "running", "canary", "canary: not connected: hall\ncanary: 0 of 1 sites"),
        (LONG_AGO, OLD, "running", "the rest", "agents that refuse it, to be upgraded: hall-b\nthe rest: 0 of 2 sites"),
        (OLD, WAITS, "running", "canary", "agents that refuse it, to be upgraded: hall\ncanary: 0 of 1 sites"),
    ],
)
def test_a_pair_counts_once_and_agrees_only_as_a_whole(
    hall: SiteCondition, standby: SiteCondition | None, state: str, stage: str, said: str
) -> None:
    plan = pair(hall, standby)

    assert (plan.state.value, plan.stage) == (state, stage)
    assert "\n".join(in_words(each, 1000.0) for each in plan.waiting).startswith(said)


def test_a_standby_that_went_away_after_it_read_back_is_judged_by_that() -> None:
    plan = pair(LONG_AGO, msgspec.structs.replace(LONG_AGO, connected=False))

    assert [in_words(each, 1000.0) for each in plan.waiting] == [
        "the rest: 0 of 2 sites read back what is expected, 100 % are needed"
    ]
    assert pair(LONG_AGO, msgspec.structs.replace(WRONG, connected=False)).state is PushState.PAUSED


def test_a_difference_of_one_gateway_that_was_looked_at_is_none_of_the_other() -> None:
    looked_at = msgspec.structs.replace(PAIRED, forgiven=frozenset({HALL_B}))

    assert pair(LONG_AGO, WRONG, intent=looked_at).stage == "the rest"
    assert pair(WRONG, WRONG, intent=looked_at).state is PushState.PAUSED


def test_a_standby_that_comes_back_takes_nothing_back_from_those_told_since() -> None:
    before = pair(LONG_AGO, AWAY)
    assert before.activate == (EAST, WEST)

    back = pair(LONG_AGO, WAITS, previous=before)

    assert (back.stage, back.activate) == ("canary", (EAST, WEST))


def test_a_standby_is_told_once_it_is_enrolled_and_not_before() -> None:
    """Until then there is no book of its own to tell it by."""
    intent = msgspec.structs.replace(
        INTENT, stages=(Stage("canary", (HALL,)), Stage("the rest", (EAST,), {EAST: (NORTH,)}))
    )

    without = next_plan(intent, {HALL: LONG_AGO, EAST: WAITS}, previous=None, published=7, now=1000.0)
    enrolled = next_plan(intent, {HALL: LONG_AGO, EAST: WAITS, NORTH: AWAY}, previous=None, published=7, now=1000.0)

    assert without.activate == (EAST,)
    assert enrolled.activate == (EAST, NORTH)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name: str) -> None:
    got, expected = SCRIPTS[name]

    assert got == expected


def test_a_pause_takes_nothing_back_and_says_when_it_ends() -> None:
    before = next_plan(INTENT, {HALL: LONG_AGO}, previous=None, published=7, now=1000.0)
    paused = msgspec.structs.replace(INTENT, state=PushState.PAUSED, pause_reason="lunch (ann)")

    assert script(paused, east=WAITS, west=WAITS, north=WAITS, previous=before) == (
        "paused at wave 1, told: east west\n"
        "paused: lunch (ann); in force everywhere in 9000 s all the same\n"
        "looks again at 10000"
    )


def test_plans_are_numbered_and_follow_each_other() -> None:
    first = next_plan(INTENT, {}, previous=None, published=7, now=1000.0)
    second = next_plan(INTENT, {}, previous=first, published=7, now=2000.0)

    assert (first.number, first.parent, second.number, second.parent) == (1, 0, 2, 1)
    assert is_same(first, second)


_CONDITIONS = st.builds(
    SiteCondition,
    connected=st.booleans(),
    too_old=st.booleans(),
    in_force=st.booleans(),
    differences=st.sampled_from([(), ("x",)]),
    at=st.floats(0, 2000),
)


@given(
    st.fixed_dictionaries(dict.fromkeys((HALL, EAST, WEST, NORTH), _CONDITIONS)),
    st.sampled_from([PushState.RUNNING, PushState.PAUSED, PushState.ABORTED, PushState.FINISHED]),
    st.floats(0, 12_000),
)
def test_nobody_is_told_before_all_before_them_agree(
    sites: dict[SiteId, SiteCondition], state: PushState, now: float
) -> None:
    plan = next_plan(msgspec.structs.replace(INTENT, state=state), sites, previous=None, published=7, now=now)

    told = set(plan.activate)
    assert HALL not in told
    assert not any(sites[site].too_old for site in told)
    if state is PushState.RUNNING:
        canary_is_good = sites[HALL].too_old or (sites[HALL].in_force and not sites[HALL].differences)
        wave_is_good = all(
            sites[site].too_old or (sites[site].in_force and not sites[site].differences) for site in (EAST, WEST)
        )
        assert canary_is_good or not told
        assert wave_is_good or NORTH not in told
    if now >= INTENT.not_after or state is PushState.ABORTED:
        assert not told


@given(
    st.fixed_dictionaries({HALL: _CONDITIONS}, optional={HALL_B: _CONDITIONS}),
    st.integers(1, 100),
    st.integers(0, 99),
)
def test_a_pair_never_counts_as_two_and_never_agrees_while_one_of_it_differs(
    sites: dict[SiteId, SiteCondition], agree: int, differ: int
) -> None:
    """Nor is it held by a standby that cannot be judged: with it gone, the same would be decided."""
    intent = msgspec.structs.replace(PAIRED, agree_percent=agree, differ_percent=differ)
    plan = next_plan(intent, sites, previous=None, published=7, now=5000.0)

    differing = [each for each in sites.values() if each.differences and not each.too_old]
    for waiting in plan.waiting:
        if isinstance(waiting, StageRunning | Differs) and waiting.stage == "canary":
            assert (waiting.total if isinstance(waiting, StageRunning) else waiting.of) == 1
    standby = sites.get(HALL_B)
    gone = standby is None or not (standby.connected or standby.in_force or standby.too_old)
    if gone:
        alone = next_plan(intent, {HALL: sites[HALL]}, previous=None, published=7, now=5000.0)
        assert (plan.state, plan.stage, plan.activate) == (alone.state, alone.stage, alone.activate)
        assert any(isinstance(each, StandbysNotEnrolled | StandbysAway) for each in plan.waiting)
    elif differing:
        assert (plan.state, plan.stage) == (PushState.PAUSED, "canary")
