"""One camera's update, as a pure machine: given where it stands and what a step came to, say where it stands now.

    in          outcome                         goes to
    fetch       done                            verify
                trouble                         fetch again, slower, for a day; then FAILED_BEFORE_WRITE
    verify      done                            window
                hash wrong                      fetch again, three times; then FAILED_BEFORE_WRITE
                unsuitable                      REFUSED
    window      held                            window, when it may be different
                done                            preflight
                trouble (over, withdrawn)       FAILED_BEFORE_WRITE
    preflight   checked, installed              ALREADY_INSTALLED
                checked, reasons                REFUSED
                checked                         back-up
    back-up     done                            write
    preflight, back-up, write
                held                            window
    preflight, back-up
                trouble, later                  the same again, three times; then FAILED_BEFORE_WRITE
                other trouble                   FAILED_BEFORE_WRITE
    write       done                            wait
                trouble, nothing sent           as for back-up
                trouble, image refused          prove, to see that the camera is as before; never again
                other trouble, interrupted      wait: what the camera holds is not known
    wait        busy, away, not yet restarted   wait, until the family's worst case; then prove, or FAILED_NEEDS_VISIT
                seen                            prove
                the camera says it failed       prove
    prove       another camera, factory state   FAILED_NEEDS_VISIT
                new version, well               commit if it must be, else SUCCEEDED
                new version, unwell             prove again while it settles; then roll-back or FAILED_NEEDS_VISIT
                new version, to be left         roll-back again, three times; wait; then FAILED_NEEDS_VISIT
                old version, may still change   wait
                old version, image never whole  window: one more time
                old version, well               FAILED_BEFORE_WRITE if refused, else FAILED_ROLLED_BACK
                old version, unwell             prove again while it settles; then FAILED_NEEDS_VISIT
                another version                 roll-back or FAILED_NEEDS_VISIT
                no answer                       prove again, until the worst case; then FAILED_NEEDS_VISIT
    commit      done                            SUCCEEDED
                trouble                         commit again, five times; then roll-back
                interrupted                     prove, which sees whether it is committed
    roll-back   done, trouble                   wait, for the version before
                interrupted                     prove, which sees whether it went back
    before write: interrupted                   the same again, five times; then FAILED_BEFORE_WRITE

What holds throughout: an image is written again only after the camera was seen to run its old version, from the same
start, with the worst case over and the image never handed over whole; and never after the camera refused it.
"""

from collections.abc import Callable

from bartizan_agent.drivers.contract import Act, CameraState
from bartizan_agent.updates import moves, proof
from bartizan_agent.updates.model import (
    DOWN,
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
from bartizan_agent.updates.proof import Runs

LIMITS = Limits()

IMAGE_REFUSED = "image-refused"
_CAMERA_SAYS_FAILED = frozenset({IMAGE_REFUSED, "write-failed"})


def begin(assignment: Assignment, plan: Plan, now: float) -> Update:
    """Return an update at its first step."""
    return Update(
        install=assignment.install,
        image=assignment.image,
        device=assignment.device,
        plan=plan,
        phase=Phase.FETCH,
        entered_at=now,
        due=now,
        tags=assignment.tags,
    )


def following(update: Update) -> Step | Ending:
    """Return what is to be done next, or how it ended."""
    return update.ending or Step(update.phase, update.due)


def advance(update: Update, outcome: Outcome, now: float, limits: Limits = LIMITS) -> tuple[Update, Step | Ending]:
    """Return the update after a step came to `outcome`, and what is to be done next.

    Raises:
        RuntimeError: It has ended, or this phase cannot come to that.
    """
    if update.ending is not None:
        raise RuntimeError(f"the update of {update.device.id} has ended: {update.ending.end.value}")
    if isinstance(outcome, Interrupted) and update.phase in DOWN:
        update = moves.changed(update, interruptions=update.interruptions + 1)
        if update.interruptions > limits.interruptions_after_write:
            update = moves.send_somebody(
                update, "interrupted", "the agent was interrupted after writing, again and again"
            )
            return update, following(update)
    changed = _AFTER[update.phase](update, outcome, now, limits)
    return changed, following(changed)


def may_be_withdrawn(update: Update) -> bool:
    """Return whether the camera is still untouched, so that nothing has to be carried to an end."""
    return update.ending is None and not update.writes and update.phase not in DOWN


def withdraw(update: Update, reason: str) -> Update:
    """Return the update as ended because its order was taken back.

    Raises:
        RuntimeError: The camera may hold part of the image, or it has ended.
    """
    if not may_be_withdrawn(update):
        raise RuntimeError(f"the update of {update.device.id} cannot be withdrawn after writing")
    return moves.fail(update, "withdrawn", reason)


def refuse(update: Update, code: str, reason: str) -> Update:
    """Return the update as ended because this image must not go on this camera."""
    return moves.end(update, End.REFUSED, code, reason)


def _after_fetch(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Done():
            return moves.enter(update, Phase.VERIFY, now, fetches=update.fetches + 1)
        case Trouble(act=Act.NEVER) | Trouble(act=Act.CREDENTIALS):
            return moves.fail(update, outcome.code, outcome.reason)
        case Trouble() if now - update.entered_at >= limits.fetch_seconds:
            return moves.fail(update, outcome.code, outcome.reason)
        case Trouble():
            pause = min(limits.fetch_pause * 2.0 ** min(update.tries, 16), limits.fetch_pause_at_most)
            return moves.again(update, now + max(pause, outcome.wait_seconds), outcome.reason)
    return moves.interrupted_before_write(update, outcome, now, limits)


def _after_verify(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Done():
            return moves.enter(update, Phase.WINDOW, now)
        case Unsuitable(reasons=reasons):
            return refuse(update, "not-an-image", "; ".join(reasons))
        case Trouble() if update.fetches >= limits.fetches:
            return moves.fail(update, outcome.code, outcome.reason)
        case Trouble():
            return moves.enter(update, Phase.FETCH, now, note=outcome.reason)
    return moves.interrupted_before_write(update, outcome, now, limits)


def _after_window(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Done():
            return moves.enter(update, Phase.PREFLIGHT, now)
        case Held():
            return moves.hold(update, outcome)
        case Trouble():
            return moves.fail(update, outcome.code, outcome.reason)
    return moves.interrupted_before_write(update, outcome, now, limits)


def _after_preflight(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Checked(installed=True, state=state):
            reason = f"it runs {state.firmware} already"
            return moves.end(
                moves.changed(update, before=state), End.ALREADY_INSTALLED, End.ALREADY_INSTALLED.value, reason
            )
        case Checked(reasons=(), state=state):
            return moves.enter(update, Phase.BACK_UP, now, before=state)
        case Checked(reasons=reasons, state=state):
            return refuse(moves.changed(update, before=state), "not-suitable", "; ".join(reasons))
    return _not_yet_writing(update, outcome, now, limits)


def _after_back_up(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    if isinstance(outcome, Done):
        return moves.enter(update, Phase.WRITE, now)
    return _not_yet_writing(update, outcome, now, limits)


def _not_yet_writing(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Held():
            return moves.hold(moves.enter(update, Phase.WINDOW, now), outcome)
        case Trouble(act=Act.LATER) if update.tries + 1 < limits.tries:
            return moves.again(update, now + max(limits.pause, outcome.wait_seconds), outcome.reason)
        case Trouble():
            return moves.fail(update, outcome.code, outcome.reason)
    return moves.interrupted_before_write(update, outcome, now, limits)


def _after_write(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    written = moves.changed(
        update, writes=update.writes + 1, wrote_at=now, leaving=update.before, was_away=False, told_to_restart=False
    )
    match outcome:
        case Done():
            return moves.wait(moves.changed(written, sent=Sent.WHOLE), now, limits)
        case Trouble(code=code) if code == IMAGE_REFUSED:
            return moves.enter(moves.changed(written, trouble=code, reason=outcome.reason), Phase.PROVE, now)
        case Trouble(octets_sent=octets) if octets:
            sent = Sent.WHOLE if octets >= update.image.length else Sent.PART
            return moves.wait(moves.changed(written, sent=sent, note=outcome.reason), now, limits)
        case Interrupted():
            return moves.wait(moves.changed(written, sent=Sent.UNKNOWN, note="interrupted while writing"), now, limits)
    return _not_yet_writing(update, outcome, now, limits)


def _after_wait(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Seen(state=state) if _may_still_change(update, state, now):
            return moves.poll(update, now, limits, "the camera has not restarted yet")
        case Busy(note=note) if now < moves.patience_ends(update):
            told = update.told_to_restart or outcome.told_to_restart
            return moves.poll(
                moves.changed(update, told_to_restart=told), now, limits, note or "the camera works on the image"
            )
        case Seen() | Busy():
            return moves.enter(update, Phase.PROVE, now)
        case Interrupted():
            # The gateway may have been off for long: the camera gets its whole time again.
            return moves.changed(moves.enter(update, Phase.WAIT, now), wrote_at=now)
        case Trouble():
            return _waiting_in_vain(update, outcome, now, limits)
    raise moves.impossible(update, outcome)


def _waiting_in_vain(update: Update, trouble: Trouble, now: float, limits: Limits) -> Update:
    if trouble.code in _CAMERA_SAYS_FAILED:
        return moves.enter(moves.changed(update, trouble=trouble.code, reason=trouble.reason), Phase.PROVE, now)
    if trouble.act is Act.CREDENTIALS:
        return moves.locked_out(update, trouble)
    if now < moves.patience_ends(update):
        away = update.was_away or trouble.code == "no-answer"
        return moves.poll(moves.changed(update, was_away=away), now, limits, trouble.reason, trouble.wait_seconds)
    return moves.send_somebody(update, "did-not-return", f"it does not come back: {trouble.reason}")


def _after_prove(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Seen(state=state):
            return _judged(moves.changed(update, after=state), state, now, limits)
        case Trouble(act=Act.CREDENTIALS):
            return moves.locked_out(update, outcome)
        case Trouble() if now < max(moves.patience_ends(update), update.entered_at + limits.settle_seconds):
            return moves.poll(update, now, limits, outcome.reason, outcome.wait_seconds)
        case Trouble():
            return moves.send_somebody(update, "did-not-return", f"it cannot be read: {outcome.reason}")
        case Interrupted():
            return moves.enter(update, Phase.PROVE, now)
    raise moves.impossible(update, outcome)


def _judged(update: Update, state: CameraState, now: float, limits: Limits) -> Update:
    before = moves.before(update)
    if state.serial != before.serial:
        return moves.send_somebody(
            update, "another-camera", f"serial {state.serial} answers in place of {before.serial}"
        )
    if state.factory_state and not before.factory_state:
        return moves.send_somebody(update, "factory-reset", "the camera is in factory state")
    match proof.runs(update.image, before, state):
        case Runs.NEW:
            return _judged_new(update, state, now, limits)
        case Runs.OLD:
            return _judged_old(update, state, now, limits)
        case Runs.OTHER:
            return _backwards(update, state, now, limits, ("unexpected-version", f"it runs {state.firmware}"))


def _judged_new(update: Update, state: CameraState, now: float, limits: Limits) -> Update:
    if update.trouble:
        return _backwards(update, state, now, limits, (update.trouble, update.reason))
    unwell = proof.ailments(moves.before(update), state)
    if proof.is_same_start(moves.before(update), state, was_away=update.was_away) and _boot_is_told(update, state):
        unwell["not-restarted"] = "it names the new version, and has not restarted"
    if not unwell:
        if state.uncommitted:
            return moves.enter(update, Phase.COMMIT, now)
        return moves.end(update, End.SUCCEEDED, End.SUCCEEDED.value, "")
    if now - update.entered_at < limits.settle_seconds:
        return moves.poll(update, now, limits, "; ".join(unwell.values()))
    return _backwards(update, state, now, limits, next(iter(unwell.items())))


def _judged_old(update: Update, state: CameraState, now: float, limits: Limits) -> Update:
    if not update.trouble:
        if _may_still_change(update, state, now):
            return moves.wait(update, now, limits)
        if _was_never_whole(update, state) and update.writes < limits.writes:
            return moves.enter(update, Phase.WINDOW, now, note="the image never arrived whole")
        update = _not_installed(update)
    unwell = proof.ailments(moves.before(update), state)
    if not unwell:
        end = End.FAILED_BEFORE_WRITE if update.trouble == IMAGE_REFUSED else End.FAILED_ROLLED_BACK
        return moves.end(update, end, update.trouble, update.reason)
    if now - update.entered_at < limits.settle_seconds:
        return moves.poll(update, now, limits, "; ".join(unwell.values()))
    return moves.send_somebody(update, *next(iter(unwell.items())))


def _not_installed(update: Update) -> Update:
    if update.sent is Sent.WHOLE:
        return moves.changed(update, trouble="not-taken", reason="the camera has the image and runs what it ran before")
    return moves.changed(update, trouble="not-delivered", reason="the image did not reach the camera whole")


def _backwards(update: Update, state: CameraState, now: float, limits: Limits, trouble: tuple[str, str]) -> Update:
    """Lead the camera back to what it ran before, where it can go back; else send somebody."""
    code, reason = trouble
    if update.plan.rolls_back and state.uncommitted:
        if update.roll_backs < limits.roll_backs:
            return moves.roll_back(update, now, *trouble)
        if now < moves.patience_ends(update):
            return moves.wait(moves.changed(update, note="the camera is to go back by itself"), now, limits)
    return moves.send_somebody(update, code, reason)


def _after_commit(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Done():
            return moves.end(update, End.SUCCEEDED, End.SUCCEEDED.value, "")
        case Trouble(act=Act.LATER) if update.tries + 1 < limits.commits:
            return moves.again(update, now + max(limits.commit_pause, outcome.wait_seconds), outcome.reason)
        case Trouble():
            return moves.roll_back(update, now, "commit-failed", outcome.reason)
        case Interrupted():
            return moves.enter(update, Phase.PROVE, now)
    raise moves.impossible(update, outcome)


def _after_roll_back(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    match outcome:
        case Trouble(act=Act.LATER) if update.tries + 1 < limits.tries:
            return moves.again(update, now + max(limits.pause, outcome.wait_seconds), outcome.reason)
        case Interrupted():
            # A second order could lead a camera that has gone back forward again.
            return moves.enter(update, Phase.PROVE, now)
        case Done() | Trouble():
            # Even if it did not take the order: uncommitted, it goes back by itself.
            back = moves.changed(update, leaving=update.after, was_away=False, wrote_at=now)
            return moves.wait(back, now, limits)
    raise moves.impossible(update, outcome)


def _may_still_change(update: Update, state: CameraState, now: float) -> bool:
    """Return whether what was seen may be the camera before its restart."""
    left = update.leaving or moves.before(update)
    unchanged = (state.firmware, state.build_date, state.serial) == (left.firmware, left.build_date, left.serial)
    still_up = unchanged and proof.is_same_start(left, state, was_away=update.was_away)
    return still_up and now < update.wrote_at + update.plan.worst_case_seconds


def _was_never_whole(update: Update, state: CameraState) -> bool:
    return update.sent in {Sent.PART, Sent.UNKNOWN} and proof.is_same_start(
        moves.before(update), state, was_away=update.was_away
    )


def _boot_is_told(update: Update, state: CameraState) -> bool:
    """Return whether the camera says by itself that it has not restarted; never having been away is weaker."""
    before = moves.before(update)
    return bool(before.boot and state.boot) or None not in {before.up_seconds, state.up_seconds}


_AFTER: dict[Phase, Callable[[Update, Outcome, float, Limits], Update]] = {
    Phase.FETCH: _after_fetch,
    Phase.VERIFY: _after_verify,
    Phase.WINDOW: _after_window,
    Phase.PREFLIGHT: _after_preflight,
    Phase.BACK_UP: _after_back_up,
    Phase.WRITE: _after_write,
    Phase.WAIT: _after_wait,
    Phase.PROVE: _after_prove,
    Phase.COMMIT: _after_commit,
    Phase.ROLL_BACK: _after_roll_back,
}
