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
    StandbysAway,
    StandbysNotEnrolled,
    Waiting,
)

_UNKNOWN = SiteCondition()


def next_plan(
    intent: Intent, sites: Mapping[SiteId, SiteCondition], *, previous: Plan | None, published: int, now: float
) -> Plan:
    """Return who is to be told to go on now, and why the others wait.

    Args:
        intent: What was signed, and decided since.
        sites: What is known of each gateway; one without an entry was never enrolled.
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
        """Go to the first stage that does not agree yet, and tell its sites. Nothing is ever taken back."""
        intent = self._intent
        self.activate.update(self._able(previous.activate if previous else ()))
        if intent.state is not PushState.RUNNING:  # nobody is told anew
            self.stage = previous.stage if previous else ""
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
        canary = set(self._intent.stages[0].gateways)
        for stage in stages:
            told = [gateway for gateway in stage.gateways if gateway not in canary]
            self.activate.update(gateway for gateway in self._able(told) if self._is_there(stage, gateway))
            too_old = tuple(gateway for gateway in stage.gateways if self._of(gateway).too_old)
            if too_old:
                self.waiting.append(SitesTooOld(too_old))
            self._name_standbys(stage)

    def _is_there(self, stage: Stage, gateway: SiteId) -> bool:
        """Return whether there is a book to tell it by: a site has one before its gateway, a standby is one."""
        return gateway in self._sites or gateway in stage.sites

    def _name_standbys(self, stage: Stage) -> None:
        served = {gateway: site for site, beside in stage.standbys.items() for gateway in beside}
        absent = {gateway: site for gateway, site in served.items() if gateway not in self._sites}
        away = {gateway: site for gateway, site in served.items() if gateway in self._sites and self._is_away(gateway)}
        if absent:
            self.waiting.append(StandbysNotEnrolled(stage.name, absent))
        if away:
            self.waiting.append(StandbysAway(stage.name, away))

    def _is_away(self, standby: SiteId) -> bool:
        """Return whether nothing can be known of a standby; what it read back before it went away still counts."""
        known = self._of(standby)
        return not known.connected and not known.in_force and not known.too_old

    def _able(self, gateways: Iterable[SiteId]) -> Iterable[SiteId]:
        """Return those that read orders which activate: the others would refuse the whole book, raises included."""
        return (gateway for gateway in gateways if not self._of(gateway).too_old)

    def _judged(self, stage: Stage) -> dict[SiteId, tuple[SiteId, ...]]:
        """Return the sites of a stage that can be judged, and the gateways that each is judged by.

        A site's own gateway is waited for; a standby that is not there is not, for its site is held by the other.
        """
        judged = {
            site: tuple(each for each in self._able(stage.members(site)) if each == site or not self._is_away(each))
            for site in stage.sites
        }
        return {site: by for site, by in judged.items() if by}

    def _stops(self, stage: Stage) -> bool:
        judged = self._judged(stage)
        differences = {site: found for site, by in judged.items() if (found := self._differences(stage, site, by))}
        if not differences or 100 * len(differences) <= self._intent.differ_percent * len(judged):
            return False
        self.waiting.append(Differs(stage.name, differences, len(judged), self._intent.differ_percent))
        return True

    def _differences(self, stage: Stage, site: SiteId, by: Iterable[SiteId]) -> tuple[str, ...]:
        """Return how the gateways of a site differ; each is named where there are several."""
        return tuple(
            _of_gateway(gateway, why, site) if site in stage.standbys else why
            for gateway in by
            if gateway not in self._intent.forgiven
            for why in self._of(gateway).differences
        )

    def _agrees(self, stage: Stage) -> bool:
        judged = self._judged(stage)
        agree = sum(all(map(self._is_good, by)) for by in judged.values())
        if 100 * agree >= self._intent.agree_percent * len(judged):
            return True
        away = tuple(site for site, by in judged.items() if site in by and self._is_lost(site))
        if away:
            self.waiting.append(SitesAway(stage.name, away))
        self.waiting.append(StageRunning(stage.name, agree, len(judged), self._intent.agree_percent))
        return False

    def _is_lost(self, site: SiteId) -> bool:
        return not self._of(site).connected and not self._is_good(site)

    def _soaks(self, stage: Stage) -> bool:
        good = [self._of(gateway).at for gateway in stage.gateways if self._is_good(gateway)]
        until = max(good, default=0.0) + self._intent.soak_seconds
        if stage is self._intent.stages[-1] or until <= self._now:
            return False
        self.waiting.append(Soaking(stage.name, until))
        self.wake_at.append(until)
        return True

    def _is_good(self, gateway: SiteId) -> bool:
        known = self._of(gateway)
        return known.in_force and (not known.differences or gateway in self._intent.forgiven)

    def _of(self, gateway: SiteId) -> SiteCondition:
        return self._sites.get(gateway, _UNKNOWN)


def _of_gateway(gateway: SiteId, why: str, site: SiteId) -> str:
    return f"{'gateway' if gateway == site else 'standby'} {gateway}: {why}"
