"""Makes plans of pushes true: judges what gateways read back, plans again, and keeps the orders that activate.

One `step` is one transaction, and repeats nothing: a controller that dies in the middle has done all of it or none.
Each step judges and tells a limited number of sites, so that a large estate never holds the database for long.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection

from bartizan.ids import OrderId, SiteId
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import Activate
from bartizan.trust.tufdata import POLICY
from bartizan.wire import events
from bartizan.wire.capability import PUSHES
from bartizan_controller import orders
from bartizan_controller.orders import Change, Sign
from bartizan_controller.pushes.judge import JUDGED_AT_ONCE, UNTOLD, judge
from bartizan_controller.pushes.model import OPEN, OVER, Differs, Intent, Plan, PushState, SiteCondition
from bartizan_controller.pushes.plan import is_same, next_plan
from bartizan_controller.pushes.stages import stages
from bartizan_controller.pushes.words import in_words
from bartizan_controller.store import audit, gateways, organisations, pushes
from bartizan_controller.store import events as happened
from bartizan_controller.store.events import EventFilter, RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.pushes import PushedSite

BY = "push"
TOLD_AT_ONCE = 50
EVENTS_AT_ONCE = 1_000
TROUBLE = frozenset({events.CONTAINMENT_AMENDED, events.CONTAINMENT_FAILED})
"""What a gateway tells when a change did not work out there."""


def step(connection: Connection, sign: Sign, catalogue: Catalogue, *, now: float) -> float | None:
    """Begin the push of what is published, judge and plan every open one, and give or end orders.

    Returns:
        When to step again even without news, Unix seconds; None if only news can change anything.
    """
    begin(connection, catalogue, now=now)
    owed = pushes.with_orders(connection)
    due = [
        _advance(connection, sign, pushes.find(connection, policy), catalogue, now=now)
        for policy, state in pushes.states(connection).items()
        if state not in OVER or policy in owed
    ]
    return min((at for at in due if at is not None), default=None)


def has_work(connection: Connection, catalogue: Catalogue) -> bool:
    """Return whether a step could do anything."""
    known = pushes.states(connection)
    is_new = catalogue.push is not None and catalogue.push.policy not in known
    return is_new or any(state not in OVER for state in known.values()) or bool(pushes.with_orders(connection))


def begin(connection: Connection, catalogue: Catalogue, *, now: float) -> None:
    """Begin the push of what is published, if it goes out in stages and was not begun."""
    push = catalogue.push
    if push is None or push.policy in pushes.states(connection):
        return
    enrolled = gateways.load(connection, organisations.all_sites(connection))
    intent = Intent(
        policy=push.policy,
        digest=catalogue.policy_digest,
        stages=stages(push, catalogue, enrolled),
        soak_seconds=push.soak_seconds,
        agree_percent=push.agree_percent,
        differ_percent=push.differ_percent,
        not_after=push.not_after,
        begun_at=now,
        events_after=happened.newest(connection),
    )
    pushes.add(connection, intent)
    detail = {stage.name: str(len(stage.sites)) for stage in intent.stages}
    audit.record(connection, BY, "push.begin", str(intent.policy), now=now, detail=detail)


def pause(connection: Connection, policy: int, *, by: str, reason: str, now: float) -> Intent:
    """Tell nobody anew until somebody resumes, or until the signed time.

    Raises:
        NotFound: There is no such push.
        ValueError: It is over.
    """
    intent = _open(connection, policy)
    paused = msgspec.structs.replace(intent, state=PushState.PAUSED, pause_reason=f"{reason} ({by})")
    return _decide(connection, paused, by=by, action="push.pause", reason=reason, now=now)


def resume(connection: Connection, policy: int, *, by: str, now: float) -> Intent:
    """Go on. Sites that differ now are taken as looked at.

    Raises:
        NotFound: There is no such push.
        ValueError: It is over.
    """
    intent = _open(connection, policy)
    known = pushes.sites_of(connection, policy)
    conditions = _conditions(connection, intent, known, gateways.load(connection, known))
    differing = {site for site, condition in conditions.items() if condition.differences}
    resumed = msgspec.structs.replace(
        intent, state=PushState.RUNNING, pause_reason="", forgiven=intent.forgiven | differing
    )
    reason = f"looked at: {' '.join(sorted(differing))}" if differing else ""
    return _decide(connection, resumed, by=by, action="push.resume", reason=reason, now=now)


def abort(connection: Connection, policy: int, *, by: str, reason: str, now: float) -> Intent:
    """Tell nobody any more. Where it is in force it stays so, and everywhere from the signed time on.

    Raises:
        NotFound: There is no such push.
        ValueError: It is over.
    """
    intent = _open(connection, policy)
    aborted = msgspec.structs.replace(intent, state=PushState.ABORTED, pause_reason=f"{reason} ({by})")
    return _decide(connection, aborted, by=by, action="push.abort", reason=reason, now=now)


def _advance(connection: Connection, sign: Sign, intent: Intent, catalogue: Catalogue, *, now: float) -> float | None:
    previous, published = pushes.plan_of(connection, intent.policy), catalogue.versions[POLICY]
    known = pushes.sites_of(connection, intent.policy)
    sites = gateways.load(connection, {gateway for stage in intent.stages for gateway in stage.gateways})
    is_behind = False
    if published == intent.policy and intent.state in OPEN:
        judged = judge(connection, intent, catalogue, known, sites, now=now)
        is_behind = len(judged) == JUDGED_AT_ONCE
        pushes.record(connection, intent.policy, judged)
        known |= judged
    conditions = _conditions(connection, intent, known, sites)
    plan = next_plan(intent, conditions, previous=previous, published=published, now=now)
    if is_same(plan, previous) and previous is not None:
        plan = msgspec.structs.replace(previous, wake_at=plan.wake_at)
    else:
        pushes.add_plan(connection, plan, now)
        _note_own_decision(connection, intent, plan, now=now)
    is_behind |= _keep_orders(connection, sign, intent, plan, known, now=now)
    return now if is_behind else plan.wake_at


def _conditions(
    connection: Connection, intent: Intent, known: Mapping[SiteId, PushedSite], sites: Mapping[SiteId, Gateway]
) -> dict[SiteId, SiteCondition]:
    troubled = _troubled(connection, intent)
    return {
        site: _condition(gateway, known.get(site, UNTOLD), troubled.get(site, ())) for site, gateway in sites.items()
    }


def _condition(gateway: Gateway, known: PushedSite, troubles: tuple[str, ...]) -> SiteCondition:
    return SiteCondition(
        connected=gateway.connected,
        too_old=0 < gateway.capability < PUSHES,
        in_force=known.in_force,
        differences=(*known.differences, *troubles) if known.in_force else (),
        at=known.at,
    )


def _troubled(connection: Connection, intent: Intent) -> dict[SiteId, tuple[str, ...]]:
    """Return what gateways told since the push began of a change that did not work out, each once."""
    found: dict[SiteId, tuple[str, ...]] = {}
    for event in happened.page(connection, EventFilter(kinds=TROUBLE), after=intent.events_after, limit=EVENTS_AT_ONCE):
        told = f"{event.kind}: {event.detail.get('because', event.detail.get('reason', ''))}"
        if told not in found.get(event.site, ()):
            found[event.site] = (*found.get(event.site, ()), told)
    return found


def _keep_orders(
    connection: Connection, sign: Sign, intent: Intent, plan: Plan, known: Mapping[SiteId, PushedSite], *, now: float
) -> bool:
    """Give and end orders of some sites as the plan says; return whether there are more to do."""
    wanted = set(plan.activate)
    untold = sorted(site for site in wanted if not known.get(site, UNTOLD).told)
    withdrawn = sorted(site for site, each in known.items() if each.told and site not in wanted)
    because = f"plan {plan.number} of push {intent.policy}"
    for site in untold[:TOLD_AT_ONCE]:
        order = Activate(_order_id(intent, site), intent.policy, intent.digest)
        orders.apply(connection, sign, Change(site, give=(order,), because=because), by=BY, now=now)
        _tell(connection, intent, site, known, told=True)
    for site in withdrawn[:TOLD_AT_ONCE]:
        change = Change(site, end=(_order_id(intent, site),), because=because)
        orders.apply(connection, sign, change, by=BY, now=now)
        _tell(connection, intent, site, known, told=False)
    return max(len(untold), len(withdrawn)) > TOLD_AT_ONCE


def _tell(
    connection: Connection, intent: Intent, site: SiteId, known: Mapping[SiteId, PushedSite], *, told: bool
) -> None:
    each = msgspec.structs.replace(known.get(site, UNTOLD), told=told)
    pushes.record(connection, intent.policy, {site: each})


def _order_id(intent: Intent, site: SiteId) -> OrderId:
    return OrderId(f"push-{intent.policy}/{site}")


def _note_own_decision(connection: Connection, intent: Intent, plan: Plan, *, now: float) -> None:
    """Write down that the push stopped or ended by itself, and why; tell of it where a person must look."""
    if plan.state is intent.state:
        return
    is_stopped = plan.state is PushState.PAUSED
    reason = "; ".join(in_words(each, now) for each in plan.waiting if isinstance(each, Differs))
    decided = msgspec.structs.replace(intent, state=plan.state, pause_reason=reason if is_stopped else "")
    _decide(connection, decided, by=BY, action=f"push.{plan.state.value}", reason=reason, now=now)
    if is_stopped:
        detail = {"policy": str(intent.policy), "reason": reason, "until": f"{intent.not_after:.0f}"}
        event = RecordedEvent(site=SiteId(""), at=now, received_at=now, kind=events.PUSH_STOPPED, detail=detail)
        happened.add(connection, [event])


def _decide(connection: Connection, intent: Intent, *, by: str, action: str, reason: str, now: float) -> Intent:
    pushes.change(connection, intent)
    detail = {"reason": reason} if reason else {}
    audit.record(connection, by, action, str(intent.policy), now=now, detail=detail)
    return intent


def _open(connection: Connection, policy: int) -> Intent:
    intent = pushes.find(connection, policy)
    if intent.state not in OPEN:
        raise ValueError(f"the push of policy {policy} is {intent.state.value}: there is nothing to decide any more")
    return intent
