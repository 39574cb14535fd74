"""The planner of a push: what was signed and what was read back in, the next plan and its reasons out. Pure."""

from collections.abc import Iterable, Mapping

from bartizan.ids import SiteId
from bartizan_controller.pushes.model import (
    OVER,
    Differs,
    Intent,
    Paused,
    Plan,
    PushState,
    SiteCondition,
    SitesAway,
    SitesTooOld,
    Soaking,
    Stage,
    StageRunning,
    Waiting,
)

_UNKNOWN = SiteCondition()


def next_plan(
    intent: Intent, sites: Mapping[SiteId, SiteCondition], *, previous: Plan | None, published: int, now: float
) -> Plan:
    """Return who is to be told to go on now, and why the others wait.

    Args:
        intent: What was signed, and decided since.
        sites: What is known of each site; one without an entry is away.
        previous: The plan before this one.
        published: The version of policy that is published.
        now: Unix seconds.
    """
    draft = _Draft(intent, sites, now)
    if published > intent.policy:
        draft.state = PushState.SUPERSEDED
    elif now >= intent.not_after:
        draft.state = PushState.FINISHED if intent.state is PushState.FINISHED else PushState.ENDED
    elif intent.state is not PushState.ABORTED:
        draft.go_through_stages(previous)
    number = previous.number if previous else 0
    return Plan(
        policy=intent.policy,
        number=number + 1,
        parent=number,
        state=draft.state,
        stage=draft.stage,
        activate=tuple(sorted(draft.activate)),
        waiting=tuple(draft.waiting),
        wake_at=None if draft.state in OVER else min([at for at in draft.wake_at if at > now], default=None),
    )


def is_same(plan: Plan, other: Plan | None) -> bool:
    """Return whether two plans ask for the same and wait for the same, their numbers aside."""
    return other is not None and _content(plan) == _content(other)


def _content(plan: Plan) -> tuple[object, ...]:
    return (plan.state, plan.stage, plan.activate, plan.waiting)


class _Draft:
    """A plan while it is being made."""

    def __init__(self, intent: Intent, sites: Mapping[SiteId, SiteCondition], now: float) -> None:
        self._intent = intent
        self._sites = sites
        self._now = now
        self.state = intent.state
        self.stage = ""
        self.activate: set[SiteId] = set()
        self.waiting: list[Waiting] = []
        self.wake_at = [intent.not_after]

    def go_through_stages(self, previous: Plan | None) -> None:
        """Go to the first stage that does not agree yet, and tell its sites."""
        intent = self._intent
        told = previous.activate if previous else ()
        if intent.state is not PushState.RUNNING:  # nobody is told anew, and nothing is taken back
            self.stage = previous.stage if previous else ""
            self.activate.update(self._able(told))
            if intent.state is PushState.PAUSED:
                self.waiting.append(Paused(intent.pause_reason, intent.not_after))
            else:
                self._tell(intent.stages)
            return
        for stage in intent.stages:
            self.stage = stage.name
            self._tell([stage])
            if self._stops(stage):
                self.state = PushState.PAUSED
                return
            if not self._agrees(stage) or self._soaks(stage):
                return
        self.state = PushState.FINISHED

    def _tell(self, stages: Iterable[Stage]) -> None:
        canary = set(self._intent.stages[0].sites)
        for stage in stages:
            self.activate.update(self._able(site for site in stage.sites if site not in canary))
            too_old = tuple(site for site in stage.sites if self._of(site).too_old)
            if too_old:
                self.waiting.append(SitesTooOld(too_old))

    def _able(self, sites: Iterable[SiteId]) -> Iterable[SiteId]:
        """Return those that read orders which activate: the others would refuse the whole book, raises included."""
        return (site for site in sites if not self._of(site).too_old)

    def _stops(self, stage: Stage) -> bool:
        judged = list(self._able(stage.sites))
        differences = {
            site: self._of(site).differences
            for site in judged
            if self._of(site).differences and site not in self._intent.forgiven
        }
        if not differences or 100 * len(differences) <= self._intent.differ_percent * len(judged):
            return False
        self.waiting.append(Differs(stage.name, differences, len(judged), self._intent.differ_percent))
        return True

    def _agrees(self, stage: Stage) -> bool:
        judged = list(self._able(stage.sites))
        agree = sum(self._is_good(site) for site in judged)
        if 100 * agree >= self._intent.agree_percent * len(judged):
            return True
        away = tuple(site for site in judged if not self._of(site).connected and not self._is_good(site))
        if away:
            self.waiting.append(SitesAway(stage.name, away))
        self.waiting.append(StageRunning(stage.name, agree, len(judged), self._intent.agree_percent))
        return False

    def _soaks(self, stage: Stage) -> bool:
        good = [self._of(site).at for site in stage.sites if self._is_good(site)]
        until = max(good, default=0.0) + self._intent.soak_seconds
        if stage is self._intent.stages[-1] or until <= self._now:
            return False
        self.waiting.append(Soaking(stage.name, until))
        self.wake_at.append(until)
        return True

    def _is_good(self, site: SiteId) -> bool:
        known = self._of(site)
        return known.in_force and (not known.differences or site in self._intent.forgiven)

    def _of(self, site: SiteId) -> SiteCondition:
        return self._sites.get(site, _UNKNOWN)
