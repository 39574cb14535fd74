"""The update machine as a pure function: its promises, whatever cameras, networks and power do."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.model import Image
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, ImageId, OrderId, RolloutId
from bartizan.trust.orders import Install
from bartizan_agent.drivers.contract import Act, CameraState, Picture, Stream
from bartizan_agent.updates import machine
from bartizan_agent.updates.model import (
    Assignment,
    Busy,
    Checked,
    Done,
    End,
    Ending,
    Held,
    Interrupted,
    Limits,
    Outcome,
    Phase,
    Plan,
    Seen,
    Sent,
    Step,
    Trouble,
    Unsuitable,
    Update,
)

NOON = 1_800_000_000.0
IMAGE = Image(ImageId("sha256:" + "0" * 64), "P3265-V_12_1_5.bin", 1000, "axis", ("P3265-V",), "12.1.5")
DEVICE = Device(DeviceId("d1"), Identity(maker="axis", model="P3265-V", serial="S1"), "lo")
ASSIGNMENT = Assignment(Install(OrderId("o1"), RolloutId("r1"), DEVICE.id, IMAGE.id), IMAGE, DEVICE)
PLAN = Plan("axis", "cameras", upload_seconds=60.0, worst_case_seconds=900.0)
ROLLS_BACK = msgspec.structs.replace(PLAN, rolls_back=True, rolls_back_by_itself_seconds=1800.0)

BEFORE = CameraState("S1", "P3265-V", "11.11.160", boot="one", stream=Stream("H264"), picture=Picture(1920, 1080))
AFTER = msgspec.structs.replace(BEFORE, firmware="12.1.5", boot="two")
BLIND = msgspec.structs.replace(AFTER, picture=None)
AWAY = Trouble(Act.LATER, "no-answer", "no connection")
REFUSED = Trouble(Act.NEVER, "image-refused", "not for this unit", octets_sent=1000)


def follow(update: Update, *outcomes: Outcome, seconds: float = 1.0) -> Update:
    """Return the update after these outcomes, `seconds` apart."""
    now = NOON
    for outcome in outcomes:
        now += seconds
        update, _ = machine.advance(update, outcome, now)
    return update


def at(phase: Phase, *, plan: Plan = PLAN) -> Update:
    """Return an update that has come to `phase` without any trouble."""
    road: dict[Phase, Sequence[Outcome]] = {
        Phase.FETCH: (),
        Phase.VERIFY: (Done(),),
        Phase.WINDOW: (Done(), Done()),
        Phase.PREFLIGHT: (Done(), Done(), Done()),
        Phase.BACK_UP: (Done(), Done(), Done(), Checked(BEFORE)),
        Phase.WRITE: (Done(), Done(), Done(), Checked(BEFORE), Done()),
        Phase.WAIT: (Done(), Done(), Done(), Checked(BEFORE), Done(), Done()),
        Phase.PROVE: (Done(), Done(), Done(), Checked(BEFORE), Done(), Done(), Seen(AFTER)),
    }
    update = follow(machine.begin(ASSIGNMENT, plan, NOON), *road[phase])
    assert update.phase is phase
    return update


def ending(update: Update) -> tuple[End, str]:
    assert update.ending is not None
    return update.ending.end, update.ending.code


def test_all_goes_well() -> None:
    assert ending(follow(at(Phase.PROVE), Seen(AFTER))) == (End.SUCCEEDED, "succeeded")


def test_an_image_on_trial_is_committed_after_its_proof() -> None:
    on_trial = msgspec.structs.replace(AFTER, uncommitted=True)
    update = follow(at(Phase.PROVE, plan=ROLLS_BACK), Seen(on_trial))
    assert update.phase is Phase.COMMIT
    assert ending(follow(update, Done())) == (End.SUCCEEDED, "succeeded")


def test_an_image_on_trial_that_works_worse_is_left_for_the_one_before() -> None:
    on_trial = msgspec.structs.replace(BLIND, uncommitted=True)
    update = follow(at(Phase.PROVE, plan=ROLLS_BACK), Seen(on_trial), seconds=400.0)
    assert (update.phase, update.trouble) == (Phase.ROLL_BACK, "picture-lost")
    back = msgspec.structs.replace(BEFORE, boot="three")
    assert ending(follow(update, Done(), AWAY, Seen(back), Seen(back))) == (End.FAILED_ROLLED_BACK, "picture-lost")


def test_a_commit_that_never_works_leads_back() -> None:
    on_trial = msgspec.structs.replace(AFTER, uncommitted=True)
    update = follow(at(Phase.PROVE, plan=ROLLS_BACK), Seen(on_trial), *[AWAY] * 5)
    assert (update.phase, update.trouble) == (Phase.ROLL_BACK, "commit-failed")


def test_stream_and_picture_get_time_to_come_back() -> None:
    update = follow(at(Phase.PROVE), Seen(BLIND), Seen(BLIND))
    assert update.phase is Phase.PROVE
    assert ending(follow(update, Seen(AFTER))) == (End.SUCCEEDED, "succeeded")


def test_a_camera_that_cannot_go_back_and_is_worse_off_is_visited() -> None:
    update = follow(at(Phase.PROVE), Seen(BLIND), seconds=400.0)
    assert ending(update) == (End.FAILED_NEEDS_VISIT, "picture-lost")
    assert update.ending is not None
    assert update.ending.visit


def test_a_camera_that_has_not_restarted_yet_is_no_success() -> None:
    update = follow(at(Phase.WAIT), Seen(BEFORE), Busy("10 %"), Seen(BEFORE))
    assert update.phase is Phase.WAIT


def test_the_new_version_without_a_restart_is_not_believed() -> None:
    liar = msgspec.structs.replace(AFTER, boot="one")
    update = follow(at(Phase.WAIT), Seen(liar), Seen(liar), seconds=400.0)
    assert ending(update) == (End.FAILED_NEEDS_VISIT, "not-restarted")


def test_another_camera_at_the_address_is_no_success() -> None:
    stranger = msgspec.structs.replace(AFTER, serial="S2")
    assert ending(follow(at(Phase.PROVE), Seen(stranger))) == (End.FAILED_NEEDS_VISIT, "another-camera")


def test_a_version_that_nobody_wanted_is_no_success() -> None:
    other = msgspec.structs.replace(AFTER, firmware="12.0.0")
    assert ending(follow(at(Phase.PROVE), Seen(other))) == (End.FAILED_NEEDS_VISIT, "unexpected-version")


def test_a_refused_image_is_never_sent_again() -> None:
    update = follow(at(Phase.WRITE), REFUSED, Seen(BEFORE))
    assert ending(update) == (End.FAILED_BEFORE_WRITE, "image-refused")


def test_a_write_of_which_nothing_was_sent_is_tried_again_three_times() -> None:
    update = follow(at(Phase.WRITE), AWAY, AWAY)
    assert (update.phase, update.writes) == (Phase.WRITE, 0)
    assert ending(follow(update, AWAY)) == (End.FAILED_BEFORE_WRITE, "no-answer")


@pytest.mark.parametrize(
    ("came", "sent"),
    [
        (Trouble(Act.LATER, "broken-off", "", octets_sent=400), Sent.PART),
        (Trouble(Act.LATER, "broken-off", "", octets_sent=1000), Sent.WHOLE),
        (Interrupted(), Sent.UNKNOWN),
    ],
)
def test_a_write_that_broke_off_is_uncertain_until_the_camera_was_seen(came: Outcome, sent: Sent) -> None:
    update = follow(at(Phase.WRITE), came)
    assert (update.phase, update.sent, update.writes) == (Phase.WAIT, sent, 1)
    assert follow(update, Seen(BEFORE)).phase is Phase.WAIT


def test_an_image_that_never_arrived_whole_is_sent_once_more_after_the_worst_case() -> None:
    broken = Trouble(Act.LATER, "broken-off", "", octets_sent=400)
    update = follow(at(Phase.WRITE), broken, Seen(BEFORE), Seen(BEFORE), Seen(BEFORE), seconds=500.0)
    assert (update.phase, update.writes) == (Phase.WINDOW, 1)
    again = follow(update, Done(), Checked(BEFORE), Done(), broken, Seen(BEFORE), Seen(BEFORE), seconds=3000.0)
    assert ending(again) == (End.FAILED_ROLLED_BACK, "not-delivered")


def test_an_image_that_arrived_whole_is_not_sent_again() -> None:
    update = follow(at(Phase.WAIT), Seen(BEFORE), Seen(BEFORE), seconds=1000.0)
    assert ending(update) == (End.FAILED_ROLLED_BACK, "not-taken")


def test_a_camera_that_does_not_come_back_in_its_worst_case_is_visited() -> None:
    update = follow(at(Phase.WAIT), AWAY, AWAY, seconds=500.0)
    assert ending(update) == (End.FAILED_NEEDS_VISIT, "did-not-return")


def test_a_camera_that_goes_back_by_itself_is_given_the_time_for_it() -> None:
    update = follow(at(Phase.WAIT, plan=ROLLS_BACK), AWAY, AWAY, AWAY, seconds=800.0)
    assert update.phase is Phase.WAIT
    back = msgspec.structs.replace(BEFORE, boot="three")
    assert ending(follow(update, Seen(back), Seen(back))) == (End.FAILED_ROLLED_BACK, "not-taken")


def test_the_gateway_being_off_for_days_does_not_count_against_the_camera() -> None:
    late = NOON + 3 * 86400
    update, _ = machine.advance(at(Phase.WAIT), Interrupted(), late)
    update, _ = machine.advance(update, AWAY, late + 10)
    assert (update.phase, update.ending) == (Phase.WAIT, None)


def test_logins_lost_in_the_update_are_told_from_factory_state() -> None:
    lost = Trouble(Act.CREDENTIALS, "login-refused", "")
    reset = Trouble(Act.CREDENTIALS, "not-activated", "")
    assert ending(follow(at(Phase.WAIT), lost)) == (End.FAILED_NEEDS_VISIT, "login-lost")
    assert ending(follow(at(Phase.WAIT), reset)) == (End.FAILED_NEEDS_VISIT, "factory-reset")


def test_what_is_installed_or_unsuitable_is_not_written() -> None:
    installed = follow(at(Phase.PREFLIGHT), Checked(AFTER, installed=True))
    unsuitable = follow(at(Phase.PREFLIGHT), Checked(BEFORE, ("for another platform",)))
    no_image = follow(at(Phase.VERIFY), Unsuitable(("a web page",)))
    assert ending(installed) == (End.ALREADY_INSTALLED, "already-installed")
    assert ending(unsuitable) == (End.REFUSED, "not-suitable")
    assert ending(no_image) == (End.REFUSED, "not-an-image")


def test_a_fetch_is_tried_ever_more_slowly_for_a_day() -> None:
    update = machine.begin(ASSIGNMENT, PLAN, NOON)
    gone = Trouble(Act.LATER, "controller-away", "")
    pauses, now = [], NOON
    while update.ending is None:
        update, _ = machine.advance(update, gone, now)
        pauses.append(update.due - now)
        now = update.due
    assert pauses[:6] == [30.0, 60.0, 120.0, 240.0, 480.0, 900.0]
    assert 86400 <= now - NOON < 86400 + 900
    assert ending(update) == (End.FAILED_BEFORE_WRITE, "controller-away")


def test_a_wrong_hash_is_fetched_again_but_not_for_ever() -> None:
    wrong = Trouble(Act.LATER, "hash-mismatch", "")
    update = follow(at(Phase.VERIFY), wrong, Done(), wrong, Done())
    assert update.phase is Phase.VERIFY
    assert ending(follow(update, wrong)) == (End.FAILED_BEFORE_WRITE, "hash-mismatch")


def test_being_held_leads_back_to_the_window() -> None:
    held = Held(NOON + 60, "the catalogue has expired")
    for phase in (Phase.WINDOW, Phase.PREFLIGHT, Phase.BACK_UP, Phase.WRITE):
        update = follow(at(phase), held)
        assert (update.phase, update.due, update.note) == (Phase.WINDOW, NOON + 60, held.why)


def test_only_an_untouched_camera_s_update_can_be_withdrawn() -> None:
    assert ending(machine.withdraw(at(Phase.BACK_UP), "taken back")) == (End.FAILED_BEFORE_WRITE, "withdrawn")
    for phase in (Phase.WRITE, Phase.WAIT, Phase.PROVE):
        with pytest.raises(RuntimeError):
            machine.withdraw(at(phase), "taken back")


def test_what_has_ended_does_not_go_on() -> None:
    ended = follow(at(Phase.PROVE), Seen(AFTER))
    with pytest.raises(RuntimeError):
        machine.advance(ended, Done(), NOON)


# Outcomes as the steps can have them, at random.
troubles = st.builds(
    Trouble,
    act=st.sampled_from(Act),
    code=st.sampled_from(["no-answer", "timed-out", "broken-off", "busy", "rubbish", "write-failed", "image-refused"]),
    reason=st.just("because"),
    octets_sent=st.sampled_from([0, 1, 999, 1000]),
)
states = st.builds(
    CameraState,
    serial=st.sampled_from(["S1", "S1", "S1", "S2"]),
    model=st.just("P3265-V"),
    firmware=st.sampled_from(["11.11.160", "12.1.5", "12.0.0"]),
    boot=st.sampled_from(["", "one", "two"]),
    stream=st.sampled_from([None, Stream("H264"), Stream("H265")]),
    picture=st.sampled_from([None, Picture(1920, 1080)]),
    uncommitted=st.booleans(),
    factory_state=st.sampled_from([False, False, True]),
)
OUTCOMES: dict[Phase, st.SearchStrategy[Outcome]] = {
    Phase.FETCH: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
    Phase.VERIFY: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
    Phase.WINDOW: st.one_of(st.just(Done()), st.builds(Held, until=st.just(0.0), why=st.text(max_size=3))),
    Phase.PREFLIGHT: st.one_of(st.builds(Checked, state=st.just(BEFORE)), troubles, st.just(Interrupted())),
    Phase.BACK_UP: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
    Phase.WRITE: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
    Phase.WAIT: st.one_of(st.builds(Seen, states), troubles, st.just(Interrupted()), st.just(Busy())),
    Phase.PROVE: st.one_of(st.builds(Seen, states), troubles, st.just(Interrupted())),
    Phase.COMMIT: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
    Phase.ROLL_BACK: st.one_of(st.just(Done()), troubles, st.just(Interrupted())),
}


@given(data=st.data(), rolls_back=st.booleans())
def test_whatever_happens_it_ends_and_never_writes_what_was_refused(data: st.DataObject, *, rolls_back: bool) -> None:
    update = machine.begin(ASSIGNMENT, ROLLS_BACK if rolls_back else PLAN, NOON)
    following: Step | Ending = machine.following(update)
    now, sent, refused = NOON, 0, False
    while isinstance(following, Step):
        outcome = data.draw(OUTCOMES[following.phase])
        writes = following.phase is Phase.WRITE
        assert not (writes and refused), "an image was written after the camera had refused it"
        sent += writes and not (isinstance(outcome, Trouble) and not outcome.octets_sent)
        noes = {Phase.WRITE: {"image-refused"}, Phase.WAIT: {"image-refused", "write-failed"}}
        refused |= isinstance(outcome, Trouble) and outcome.code in noes.get(following.phase, ())
        now = max(now, following.due) + 60.0
        update, following = machine.advance(update, outcome, now)
        assert now < NOON + 30 * 86400, "it does not end"
    assert sent <= Limits().writes
    assert msgspec.json.decode(msgspec.json.encode(update), type=Update) == update
