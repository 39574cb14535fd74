"""What an update can do next, whichever step it comes from: begin a phase, try again, look again, be held, or end.

When it does which is `bartizan_agent.updates.machine`'s to say. Times are Unix seconds.
"""

import msgspec

from bartizan_agent.drivers.contract import CameraState
from bartizan_agent.updates import visits
from bartizan_agent.updates.model import (
    End,
    Ending,
    Held,
    Interrupted,
    Limits,
    Outcome,
    Phase,
    Trouble,
    Update,
)


def changed(update: Update, **changes: object) -> Update:
    """Return the update with some of its fields changed."""
    return msgspec.structs.replace(update, **changes)


def enter(update: Update, phase: Phase, now: float, **changes: object) -> Update:
    """Begin a phase, at once unless `due` is among the changes."""
    fresh: dict[str, object] = {"phase": phase, "entered_at": now, "due": now, "tries": 0, "note": ""}
    return changed(update, **(fresh | changes))


def wait(update: Update, now: float, limits: Limits) -> Update:
    """Wait for the camera to come back."""
    return enter(update, Phase.WAIT, now, due=now + limits.poll_seconds, note=update.note)


def roll_back(update: Update, now: float, code: str, reason: str) -> Update:
    """Order the camera back, and keep why."""
    return enter(update, Phase.ROLL_BACK, now, trouble=code, reason=reason, roll_backs=update.roll_backs + 1)


def again(update: Update, due: float, note: str) -> Update:
    """Try the same once more, which counts."""
    return changed(update, due=due, tries=update.tries + 1, note=note)


def poll(update: Update, now: float, limits: Limits, note: str, wait_seconds: float = 0.0) -> Update:
    """Look at the camera again soon, which does not count."""
    return changed(update, due=now + max(limits.poll_seconds, wait_seconds), note=note)


def hold(update: Update, held: Held) -> Update:
    """Wait for what it is held by."""
    return changed(update, due=held.until, note=held.why)


def end(update: Update, how: End, code: str, reason: str) -> Update:
    """End it."""
    return changed(update, ending=Ending(how, code, reason))


def fail(update: Update, code: str, reason: str) -> Update:
    """End it with the camera untouched."""
    return end(update, End.FAILED_BEFORE_WRITE, code, reason)


def send_somebody(update: Update, code: str, reason: str) -> Update:
    """End it with what whoever goes there should look for."""
    return changed(update, ending=Ending(End.FAILED_NEEDS_VISIT, code, reason, visits.advice(code)))


def locked_out(update: Update, trouble: Trouble) -> Update:
    """End it because the camera no longer lets us in."""
    return send_somebody(update, "factory-reset" if trouble.code == "not-activated" else "login-lost", trouble.reason)


def interrupted_before_write(update: Update, outcome: Outcome, now: float, limits: Limits) -> Update:
    """Do the same again after the agent was interrupted in it, but not for ever.

    Raises:
        RuntimeError: It was not interrupted: the phase cannot come to this outcome.
    """
    if not isinstance(outcome, Interrupted):
        raise impossible(update, outcome)
    if update.tries + 1 >= limits.interruptions:
        return fail(update, "interrupted", f"the agent was interrupted in {update.phase.value} again and again")
    return again(update, now, "interrupted")


def before(update: Update) -> CameraState:
    """Return what the camera was before.

    Raises:
        RuntimeError: Nobody has looked yet.
    """
    if update.before is None:
        raise RuntimeError(f"the update of {update.device.id} has no state of before: it was never in preflight")
    return update.before


def patience_ends(update: Update) -> float:
    """Return until when a camera may take its time, going back by itself included."""
    return update.wrote_at + update.plan.worst_case_seconds + update.plan.rolls_back_by_itself_seconds


def impossible(update: Update, outcome: Outcome) -> RuntimeError:
    """Return the error of a phase that came to what it cannot come to."""
    return RuntimeError(f"{update.phase.value} cannot come to {type(outcome).__name__}")
