"""Makes plans true: reads what gateways report, plans again, and keeps each site's orders as the plan says.

One `step` is one transaction, and repeats nothing: a controller that dies in the middle has done all of it or none.
"""

from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection

from bartizan.firmware.model import Image
from bartizan.ids import DeviceId, ImageId, OrderId, RolloutId, SiteId
from bartizan.trust.orders import Install
from bartizan.wire import events as kinds
from bartizan_controller import orders
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.orders import Change, Sign
from bartizan_controller.rollouts.model import (
    DONE,
    FailureBudget,
    Intent,
    Plan,
    Progress,
    RolloutState,
    SiteCondition,
    Stage,
    TooFewSucceeded,
    Unvetted,
)
from bartizan_controller.rollouts.plan import is_same, next_plan
from bartizan_controller.rollouts.words import in_words
from bartizan_controller.store import audit, books, events, gateways, marks, rollouts
from bartizan_controller.store.events import EventFilter, RecordedEvent

MARK = "rollouts.events"
EVENTS_AT_ONCE = 1_000
BY = "rollout"

_STAGES = {
    kinds.UPDATE_STEP: Stage.UPDATING,
    kinds.UPDATE_SUCCEEDED: Stage.SUCCEEDED,
    kinds.UPDATE_FAILED: Stage.FAILED,
    kinds.UPDATE_REFUSED: Stage.REFUSED,
}
_NOT_OVER = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.ABORTED)
"""One that was aborted may have installs to withdraw."""

Images = Callable[[], Mapping[ImageId, Image]]
"""The images of the catalogue in force, by id."""


def step(connection: Connection, sign: Sign, images: Images, *, now: float) -> float | None:
    """Take in what was reported, plan every open rollout, and give or end orders.

    Returns:
        When to step again even without news, Unix seconds; None if only news can change anything.
    """
    take_in(connection)
    vetted = images()
    wake_at = [
        _advance(connection, sign, intent, _why_unvetted(vetted.get(intent.image)), now=now)
        for intent in rollouts.intents(connection, _NOT_OVER)
    ]
    return min((at for at in wake_at if at is not None), default=None)


def has_work(connection: Connection) -> bool:
    """Return whether a step could do anything: something was reported of an update, or a rollout is not over."""
    if _reported(connection, _mark(connection), limit=1):
        return True
    return any(
        not _is_withdrawn(intent, rollouts.plan_of(connection, intent.id))
        for intent in rollouts.intents(connection, _NOT_OVER)
    )


def take_in(connection: Connection) -> int:
    """Record what gateways reported of updates since the last time; return how many devices moved on."""
    after, moved = _mark(connection), 0
    while page := _reported(connection, after, limit=EVENTS_AT_ONCE):
        moved += sum(_record(connection, event) for event in page)
        after = page[-1].number
        marks.write(connection, MARK, str(after))
    return moved


def start(connection: Connection, intent: Intent, *, now: float) -> None:
    """Begin a rollout; the next step plans it.

    Raises:
        Conflict: There is one of that name.
    """
    rollouts.add(connection, intent)
    devices = sum(len(wave.targets) for wave in intent.waves)
    _audit(connection, intent, intent.created_by, "rollout.start", {"devices": str(devices)}, now=now)


def pause(connection: Connection, rollout: RolloutId, *, by: str, reason: str, now: float) -> Intent:
    """Begin nothing more until somebody resumes. What runs is let finish.

    Raises:
        NotFound: There is no such rollout.
        Conflict: It has ended.
    """
    intent = _open(connection, rollout)
    return _decide(
        connection,
        msgspec.structs.replace(intent, state=RolloutState.PAUSED, pause_reason=f"{reason} ({by})"),
        by=by,
        action="rollout.pause",
        detail={"reason": reason},
        now=now,
    )


def resume(connection: Connection, rollout: RolloutId, *, by: str, retry: bool, now: float) -> Intent:
    """Go on. Failures so far are taken as looked at: they are tried once more with `retry`, and never otherwise.

    Raises:
        NotFound: There is no such rollout.
        Conflict: It has ended.
    """
    intent = _open(connection, rollout)
    failed = {
        device: progress
        for device, progress in rollouts.progress_of(connection, rollout).items()
        if progress.stage in (Stage.FAILED, Stage.REFUSED)
    }
    again = {device: progress.attempt for device, progress in failed.items()} if retry else {}
    forgiven = intent.forgiven - failed.keys() if retry else intent.forgiven | failed.keys()
    return _decide(
        connection,
        msgspec.structs.replace(
            intent,
            state=RolloutState.RUNNING,
            pause_reason="",
            forgiven=frozenset(forgiven),
            retried={**intent.retried, **again},
        ),
        by=by,
        action="rollout.resume",
        detail={"failed": " ".join(sorted(failed)), "retry": str(retry).lower()},
        now=now,
    )


def abort(connection: Connection, rollout: RolloutId, *, by: str, reason: str, now: float) -> Intent:
    """Withdraw what has not begun, for good. A camera in the middle of a write is let finish.

    Raises:
        NotFound: There is no such rollout.
        Conflict: It has ended.
    """
    intent = _open(connection, rollout)
    return _decide(
        connection,
        msgspec.structs.replace(intent, state=RolloutState.ABORTED, pause_reason=f"{reason} ({by})"),
        by=by,
        action="rollout.abort",
        detail={"reason": reason},
        now=now,
    )


def _mark(connection: Connection) -> int:
    return int(marks.read(connection, MARK) or 0)


def _reported(connection: Connection, after: int, *, limit: int) -> tuple[RecordedEvent, ...]:
    return events.page(connection, EventFilter(kinds=frozenset(_STAGES)), after=after, limit=limit)


def _record(connection: Connection, event: RecordedEvent) -> bool:
    rollout, device = RolloutId(event.detail.get("rollout", "")), event.device
    if not rollout or device is None:
        return False
    try:
        held = rollouts.find_progress(connection, rollout, event.site, device)
    except NotFound:
        return False
    if held.stage in DONE or (held.stage is Stage.PENDING and event.kind == kinds.UPDATE_STEP):
        return False
    progress = Progress(
        stage=_STAGES[event.kind],
        at=event.received_at,
        attempt=held.attempt,
        code=event.detail.get("code", event.detail.get("state", "")),
        note=event.detail.get("reason", event.detail.get("note", "")),
    )
    rollouts.record(connection, rollout, event.site, device, progress)
    return True


def _advance(connection: Connection, sign: Sign, intent: Intent, why_unvetted: str, *, now: float) -> float | None:
    previous = rollouts.plan_of(connection, intent.id)
    if _is_withdrawn(intent, previous):
        return None
    progress = rollouts.progress_of(connection, intent.id)
    sites = _conditions(connection, intent)
    plan = next_plan(intent, progress, sites, previous=previous, now=now, why_unvetted=why_unvetted)
    if not is_same(plan, previous):
        rollouts.add_plan(connection, plan, now)
        _note_assigned(connection, plan, progress, now=now)
        _keep_orders(connection, sign, plan, previous, now=now)
        _note_own_decision(connection, intent, plan, now=now)
    if plan.overdue:
        _note_overdue(connection, intent, plan, progress, now=now)
        return now
    return plan.wake_at


def _is_withdrawn(intent: Intent, plan: Plan | None) -> bool:
    return intent.state is RolloutState.ABORTED and plan is not None and not plan.assignments


def _conditions(connection: Connection, intent: Intent) -> dict[SiteId, SiteCondition]:
    known = gateways.load(connection, {target.site for wave in intent.waves for target in wave.targets})
    return {
        site: SiteCondition(connected=gateway.connected, since=gateway.last_seen or 0.0)
        for site, gateway in known.items()
    }


def _note_assigned(connection: Connection, plan: Plan, progress: Mapping[DeviceId, Progress], *, now: float) -> None:
    for assignment in plan.assignments:
        held = progress.get(assignment.device, Progress())
        if held.attempt < assignment.attempt:
            assigned = Progress(Stage.ASSIGNED, now, assignment.attempt)
            rollouts.record(connection, plan.rollout, assignment.site, assignment.device, assigned)


def _note_overdue(
    connection: Connection, intent: Intent, plan: Plan, progress: Mapping[DeviceId, Progress], *, now: float
) -> None:
    """A device that fell silent has failed, so that a rollout never waits for ever."""
    attempts = {assignment.device: assignment for assignment in plan.assignments}
    for device in plan.overdue:
        silence = f"nothing was heard of it for {intent.limits.silence_seconds:.0f} s"
        failed = Progress(Stage.FAILED, now, progress[device].attempt, "silent", silence)
        rollouts.record(connection, intent.id, attempts[device].site, device, failed)


def _keep_orders(connection: Connection, sign: Sign, plan: Plan, previous: Plan | None, *, now: float) -> None:
    """Make the standing installs of this rollout what the plan says, one new book per site that changes."""
    sites = {assignment.site for each in (plan, previous) if each for assignment in each.assignments}
    for site in sorted(sites):
        wanted = {
            _order_id(plan.rollout, assignment.device, assignment.attempt): assignment
            for assignment in plan.assignments
            if assignment.site == site
        }
        standing = _standing(connection, plan.rollout, site)
        give = tuple(
            Install(id=order, rollout=plan.rollout, device=a.device, image=plan.image, attempt=a.attempt)
            for order, a in wanted.items()
            if order not in standing
        )
        end = tuple(order for order in standing if order not in wanted)
        if give or end:
            change = Change(site, give=give, end=end, because=f"plan {plan.number} of {plan.rollout}")
            orders.apply(connection, sign, change, by=BY, now=now)


def _standing(connection: Connection, rollout: RolloutId, site: SiteId) -> set[OrderId]:
    return {
        given.order.id
        for given in books.standing(connection, site)
        if isinstance(given.order, Install) and given.order.rollout == rollout
    }


def _order_id(rollout: RolloutId, device: DeviceId, attempt: int) -> OrderId:
    return OrderId(f"{rollout}/{device}/{attempt}")


def _note_own_decision(connection: Connection, intent: Intent, plan: Plan, *, now: float) -> None:
    """Write down that the rollout stopped or finished by itself, and why."""
    if plan.state is intent.state:
        return
    reasons = "; ".join(
        in_words(reason, now)
        for reason in plan.waiting
        if isinstance(reason, FailureBudget | TooFewSucceeded | Unvetted)
    )
    decided = msgspec.structs.replace(intent, state=plan.state, pause_reason=reasons)
    _decide(connection, decided, by=BY, action=f"rollout.{plan.state.value}", detail={"reason": reasons}, now=now)


def _decide(
    connection: Connection, intent: Intent, *, by: str, action: str, detail: Mapping[str, str], now: float
) -> Intent:
    rollouts.change(connection, intent)
    _audit(connection, intent, by, action, detail, now=now)
    return intent


def _audit(
    connection: Connection, intent: Intent, by: str, action: str, detail: Mapping[str, str], *, now: float
) -> None:
    audit.record(
        connection, who=by, action=action, subject=intent.id, detail={"image": intent.image, **detail}, now=now
    )


def _open(connection: Connection, rollout: RolloutId) -> Intent:
    intent = rollouts.intent_of(connection, rollout)
    if intent.state not in (RolloutState.RUNNING, RolloutState.PAUSED):
        raise Conflict(f"rollout {rollout!r} is {intent.state.value}: start a new one")
    return intent


def _why_unvetted(image: Image | None) -> str:
    if image is None:
        return "it is no longer in the catalogue"
    return "it was recalled" if image.recalled else ""
