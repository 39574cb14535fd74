"""The planner: waves, thresholds, soak, concurrency, silence, pause and resume, each with its reason."""

from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bartizan.ids import DeviceId, ImageId, RolloutId, SiteId
from bartizan_controller.rollouts.model import (
    Assignment,
    CoverageHeld,
    FailureBudget,
    Intent,
    Limits,
    Paused,
    Plan,
    Progress,
    RolloutState,
    SiteAway,
    SiteBusy,
    SiteCondition,
    Soaking,
    Stage,
    Target,
    TooFewSucceeded,
    Unvetted,
    Wave,
    WaveRunning,
    WindowClosed,
)
from bartizan_controller.rollouts.plan import is_same, next_plan
from bartizan_controller.rollouts.words import in_words

NORTH, SOUTH = SiteId("north"), SiteId("south")
A, B, C, D = (DeviceId(name) for name in "abcd")
UP = {NORTH: SiteCondition(), SOUTH: SiteCondition()}
INTENT = Intent(
    id=RolloutId("spring"),
    image=ImageId("sha256:00"),
    waves=(
        Wave("wave 1", (Target(NORTH, A), Target(SOUTH, B))),
        Wave("wave 2", (Target(NORTH, C), Target(SOUTH, D))),
    ),
    limits=Limits(failure_percent=0, soak_seconds=60),
)


def plan(
    progress: Mapping[DeviceId, Progress] | None = None,
    intent: Intent = INTENT,
    sites: Mapping[SiteId, SiteCondition] = UP,
    now: float = 1000.0,
    why_unvetted: str = "",
) -> Plan:
    return next_plan(intent, progress or {}, sites, previous=None, now=now, why_unvetted=why_unvetted)


def succeeded(at: float = 900.0) -> Progress:
    return Progress(Stage.SUCCEEDED, at, attempt=1)


def failed(at: float = 900.0) -> Progress:
    return Progress(Stage.FAILED, at, attempt=1, code="failed-rolled-back")


def test_the_first_wave_begins() -> None:
    made = plan()

    assert made.assignments == (Assignment(NORTH, A, 1), Assignment(SOUTH, B, 1))
    assert made.waiting == (WaveRunning("wave 1", 0, 2),)
    assert (made.number, made.parent) == (1, 0)


def test_a_plan_is_numbered_after_its_parent() -> None:
    first = plan()
    second = next_plan(INTENT, {}, UP, previous=first, now=1001.0)

    assert (second.number, second.parent) == (2, 1)
    assert is_same(first, second)


def test_the_second_wave_waits_for_the_soak() -> None:
    made = plan({A: succeeded(), B: succeeded(950.0)})

    assert made.assignments == ()
    assert made.waiting == (Soaking("wave 1", 1010.0),)
    assert made.wake_at == 1010.0
    assert in_words(made.waiting[0], 1000.0) == "wave 1 succeeded and is watched for another 10 s"


def test_the_second_wave_begins_after_the_soak() -> None:
    made = plan({A: succeeded(), B: succeeded(950.0)}, now=1010.0)

    assert made.assignments == (Assignment(NORTH, C, 1), Assignment(SOUTH, D, 1))
    assert made.wave == "wave 2"


def test_one_failure_too_many_stops_the_rollout_and_says_why() -> None:
    made = plan({A: failed(), B: Progress(Stage.UPDATING, 990.0, attempt=1)})

    assert made.state is RolloutState.PAUSED
    assert made.assignments == (Assignment(SOUTH, B, 1),)  # the camera in the middle of a write is let finish
    assert made.waiting == (FailureBudget("wave 1", (A,), 2, 0),)
    assert in_words(made.waiting[0], 0) == "wave 1 stopped: 1 of 2 failed (a), more than 0 % allowed"


def test_resuming_over_a_failure_finishes_without_trying_it_again() -> None:
    resumed = msgspec.structs.replace(INTENT, forgiven=frozenset({A}))
    over = {A: failed(), B: succeeded()}

    assert plan(over, resumed).assignments == (Assignment(NORTH, C, 1), Assignment(SOUTH, D, 1))
    assert plan({**over, C: succeeded(), D: succeeded()}, resumed).state is RolloutState.FINISHED


def test_a_known_failure_is_tried_again_only_when_a_person_asks() -> None:
    asked = msgspec.structs.replace(INTENT, retried={A: 1})

    assert Assignment(NORTH, A, 2) in plan({A: failed(), B: succeeded()}, asked).assignments
    again = Progress(Stage.FAILED, 990.0, attempt=2)
    assert plan({A: again, B: succeeded()}, asked).state is RolloutState.PAUSED


def test_failures_below_the_minimum_sample_do_not_stop_yet() -> None:
    patient = msgspec.structs.replace(INTENT, limits=Limits(failure_percent=0, minimum_sample=2, per_site=2))

    assert plan({A: failed()}, patient).state is RolloutState.RUNNING
    assert plan({A: failed(), B: succeeded()}, patient).state is RolloutState.PAUSED


def test_a_wave_that_is_over_without_enough_successes_stops() -> None:
    lenient = msgspec.structs.replace(INTENT, limits=Limits(failure_percent=50, success_percent=80))
    made = plan({A: failed(), B: succeeded()}, lenient)

    assert made.waiting == (TooFewSucceeded("wave 1", 1, 2, 80),)
    assert made.state is RolloutState.PAUSED


def test_one_device_of_a_site_is_down_at_a_time() -> None:
    crowded = msgspec.structs.replace(INTENT, waves=(Wave("all", (Target(NORTH, A), Target(NORTH, C))),))
    made = plan(intent=crowded)

    assert made.assignments == (Assignment(NORTH, A, 1),)
    assert SiteBusy(NORTH, 1) in made.waiting


def test_two_cameras_that_watch_the_same_place_are_never_down_together() -> None:
    overlapping = msgspec.structs.replace(
        INTENT,
        limits=Limits(per_site=5),
        waves=(Wave("all", (Target(NORTH, A, "gate"), Target(NORTH, B, "gate"), Target(NORTH, C, "yard"))),),
    )
    made = plan(intent=overlapping)

    assert made.assignments == (Assignment(NORTH, A, 1), Assignment(NORTH, C, 1))
    assert CoverageHeld(B, "gate", A) in made.waiting


def test_a_site_that_is_away_or_closed_does_not_hold_up_the_others() -> None:
    away = plan(sites={NORTH: SiteCondition(connected=False, since=500.0), SOUTH: SiteCondition()})
    closed = plan(sites={NORTH: SiteCondition(not_before=5000.0), SOUTH: SiteCondition()})

    assert away.assignments == closed.assignments == (Assignment(SOUTH, B, 1),)
    assert SiteAway(NORTH, 500.0) in away.waiting
    assert WindowClosed(NORTH, 5000.0) in closed.waiting
    assert closed.wake_at == 5000.0


def test_a_silent_device_becomes_overdue_but_not_while_its_gateway_is_away() -> None:
    silent = {A: Progress(Stage.ASSIGNED, 1000.0, attempt=1)}
    late = 1000.0 + INTENT.limits.silence_seconds

    assert plan(silent, now=late - 1).overdue == ()
    assert plan(silent, now=late).overdue == (A,)
    assert plan(silent, sites={NORTH: SiteCondition(connected=False), SOUTH: SiteCondition()}, now=late).overdue == ()


def test_pausing_lets_what_runs_finish_and_begins_nothing() -> None:
    paused = msgspec.structs.replace(INTENT, state=RolloutState.PAUSED, pause_reason="exam week")
    made = plan({A: Progress(Stage.UPDATING, 990.0, attempt=1)}, paused)

    assert made.assignments == (Assignment(NORTH, A, 1),)
    assert made.waiting == (Paused("exam week"),)


def test_aborting_withdraws_what_has_not_begun() -> None:
    aborted = msgspec.structs.replace(INTENT, state=RolloutState.ABORTED)
    made = plan({A: Progress(Stage.ASSIGNED, 990.0, attempt=1), B: Progress(Stage.UPDATING, 990.0, attempt=1)}, aborted)

    assert made.assignments == (Assignment(SOUTH, B, 1),)


def test_a_recalled_image_stops_the_rollout() -> None:
    made = plan(why_unvetted="recalled")

    assert made.assignments == ()
    assert made.waiting == (Unvetted(INTENT.image, "recalled"),)
    assert made.state is RolloutState.PAUSED


stages = st.builds(
    Progress, stage=st.sampled_from(Stage), at=st.floats(0, 2000), attempt=st.integers(1, 2), code=st.just("x")
)


@given(
    progress=st.dictionaries(st.sampled_from((A, B, C, D)), stages),
    limits=st.builds(
        Limits,
        success_percent=st.integers(0, 100),
        failure_percent=st.integers(0, 100),
        minimum_sample=st.integers(1, 4),
        soak_seconds=st.floats(0, 500),
        per_site=st.integers(1, 2),
        silence_seconds=st.floats(1, 500),
    ),
    forgiven=st.frozensets(st.sampled_from((A, B, C, D))),
    state=st.sampled_from(RolloutState),
)
def test_whatever_happened_no_plan_breaks_the_rules(
    progress: dict[DeviceId, Progress], limits: Limits, forgiven: frozenset[DeviceId], state: RolloutState
) -> None:
    """No device begins twice, no finished device is written again, no later wave begins early, a stop has a reason."""
    intent = msgspec.structs.replace(INTENT, limits=limits, forgiven=forgiven, state=state)
    made = plan(progress, intent)
    begun = [a for a in made.assignments if progress.get(a.device, Progress()).stage is Stage.PENDING]
    devices = [a.device for a in made.assignments]

    assert len(devices) == len(set(devices))
    assert not [d for d in devices if progress.get(d, Progress()).stage in (Stage.SUCCEEDED, Stage.FAILED)]
    assert not begun or made.state is RolloutState.RUNNING
    assert made.state is not RolloutState.PAUSED or made.waiting
    if any(a.device in (C, D) for a in begun):
        assert all(
            progress.get(d, Progress()).stage not in (Stage.PENDING, Stage.ASSIGNED, Stage.UPDATING) for d in (A, B)
        )
