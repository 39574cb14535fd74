"""The rollout planner: intent and progress in, the next plan and its reasons out. Pure; planning changes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping

from bartizan.ids import DeviceId, SiteId
from bartizan_controller.rollouts.model import (
    BAD,
    DONE,
    Assignment,
    CoverageHeld,
    FailureBudget,
    Intent,
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
    Waiting,
    Wave,
    WaveRunning,
    WindowClosed,
)

ACTIVE = frozenset({Stage.ASSIGNED, Stage.UPDATING})
_UNKNOWN_SITE = SiteCondition(connected=False)


def next_plan(
    intent: Intent,
    progress: Mapping[DeviceId, Progress],
    sites: Mapping[SiteId, SiteCondition],
    *,
    previous: Plan | None,
    now: float,
    why_unvetted: str = "",
) -> Plan:
    """Return what is to be done now, and why the rest waits.

    Args:
        intent: What people want.
        progress: What is known of each device; devices without an entry are pending.
        sites: The condition of each site concerned.
        previous: The plan before this one.
        now: Unix seconds.
        why_unvetted: Why the catalogue does not allow the image now; empty if it does.
    """
    draft = _Draft(intent, progress, sites, now)
    draft.keep_what_runs()
    if intent.state is RolloutState.PAUSED:
        draft.waiting.append(Paused(intent.pause_reason))
    elif why_unvetted:
        draft.waiting.append(Unvetted(intent.image, why_unvetted))
        draft.state = RolloutState.PAUSED
    elif intent.state is RolloutState.RUNNING:
        draft.go_through_waves()
    number = previous.number if previous else 0
    return Plan(
        rollout=intent.id,
        number=number + 1,
        parent=number,
        state=draft.state,
        image=intent.image,
        assignments=tuple(sorted(draft.assignments)),
        overdue=tuple(sorted(draft.overdue)),
        wave=draft.wave,
        waiting=tuple(draft.waiting),
        wake_at=min((at for at in draft.wake_at if at > now), default=None),
    )


def is_same(plan: Plan, other: Plan | None) -> bool:
    """Return whether two plans ask for the same and wait for the same, their numbers aside."""
    return other is not None and _content(plan) == _content(other)


def _content(plan: Plan) -> tuple[object, ...]:
    return (plan.state, plan.image, plan.assignments, plan.overdue, plan.wave, plan.waiting)


class _Draft:
    """A plan while it is being made."""

    def __init__(
        self,
        intent: Intent,
        progress: Mapping[DeviceId, Progress],
        sites: Mapping[SiteId, SiteCondition],
        now: float,
    ) -> None:
        self._intent = intent
        self._limits = intent.limits
        self._known = progress
        self._sites = sites
        self._now = now
        self._busy: Counter[SiteId] = Counter()
        self._covered: dict[tuple[SiteId, str], DeviceId] = {}
        self.state = intent.state
        self.assignments: list[Assignment] = []
        self.overdue: list[DeviceId] = []
        self.waiting: list[Waiting] = []
        self.wake_at: list[float] = []
        self.wave = ""

    def keep_what_runs(self) -> None:
        """Orders under way stand whatever is decided of the rest: a camera in the middle of a write is let finish.

        An aborted rollout withdraws those of which nothing was heard yet.
        """
        for target in _targets(self._intent.waves):
            progress = self._progress(target)
            withdrawn = self._intent.state is RolloutState.ABORTED and progress.stage is Stage.ASSIGNED
            if progress.stage not in ACTIVE or withdrawn:
                continue
            if self._is_overdue(target, progress):
                self.overdue.append(target.device)
            self._assign(target, progress.attempt)

    def go_through_waves(self) -> None:
        """Go to the first wave that is not over, and begin what may begin there."""
        for wave in self._intent.waves:
            self.wave = wave.name
            if self._stops(wave):
                self.state = RolloutState.PAUSED
                return
            if not self._is_over(wave):
                self._begin(wave)
                return
            if self._has_too_few(wave):
                self.state = RolloutState.PAUSED
                return
            if self._soaks(wave):
                return
        self.state = RolloutState.FINISHED

    def _stops(self, wave: Wave) -> bool:
        finished = [target for target in wave.targets if self._progress(target).stage in DONE]
        failed = self._unforgiven(wave)
        sampled = len(finished) >= min(self._limits.minimum_sample, len(wave.targets))
        if not failed or not sampled or 100 * len(failed) <= self._limits.failure_percent * len(wave.targets):
            return False
        self.waiting.append(FailureBudget(wave.name, failed, len(wave.targets), self._limits.failure_percent))
        return True

    def _has_too_few(self, wave: Wave) -> bool:
        judged = [target for target in wave.targets if target.device not in self._intent.forgiven]
        succeeded = sum(self._progress(target).stage is Stage.SUCCEEDED for target in judged)
        if 100 * succeeded >= self._limits.success_percent * len(judged):
            return False
        self.waiting.append(TooFewSucceeded(wave.name, succeeded, len(judged), self._limits.success_percent))
        return True

    def _soaks(self, wave: Wave) -> bool:
        last = max((self._progress(target).at for target in wave.targets), default=0.0)
        until = last + self._limits.soak_seconds
        if wave is self._intent.waves[-1] or until <= self._now:
            return False
        self.waiting.append(Soaking(wave.name, until))
        self.wake_at.append(until)
        return True

    def _begin(self, wave: Wave) -> None:
        for target in wave.targets:
            if self._progress(target).stage is not Stage.PENDING and not self._is_retried(target):
                continue
            hindrance = self._hindrance(target)
            if hindrance is None:
                self._assign(target, self._progress(target).attempt + 1)
            elif hindrance not in self.waiting:
                self.waiting.append(hindrance)
        finished = sum(self._progress(target).stage in DONE for target in wave.targets)
        self.waiting.append(WaveRunning(wave.name, finished, len(wave.targets)))

    def _hindrance(self, target: Target) -> Waiting | None:
        site = self._sites.get(target.site, _UNKNOWN_SITE)
        if not site.connected:
            return SiteAway(target.site, site.since)
        if site.not_before > self._now:
            self.wake_at.append(site.not_before)
            return WindowClosed(target.site, site.not_before)
        by = self._covered.get((target.site, target.coverage)) if target.coverage else None
        if by is not None:
            return CoverageHeld(target.device, target.coverage, by)
        if self._busy[target.site] >= self._limits.per_site:
            return SiteBusy(target.site, self._limits.per_site)
        return None

    def _assign(self, target: Target, attempt: int) -> None:
        self.assignments.append(Assignment(target.site, target.device, attempt))
        self._busy[target.site] += 1
        if target.coverage:
            self._covered[target.site, target.coverage] = target.device

    def _is_overdue(self, target: Target, progress: Progress) -> bool:
        # A gateway that is away may well have finished: its word is waited for until it is back.
        if not self._sites.get(target.site, _UNKNOWN_SITE).connected:
            return False
        deadline = progress.at + self._limits.silence_seconds
        self.wake_at.append(deadline)
        return deadline <= self._now

    def _is_over(self, wave: Wave) -> bool:
        return all(self._progress(target).stage in DONE and not self._is_retried(target) for target in wave.targets)

    def _is_retried(self, target: Target) -> bool:
        progress = self._progress(target)
        return progress.stage in BAD and progress.attempt <= self._intent.retried.get(target.device, 0)

    def _unforgiven(self, wave: Wave) -> tuple[DeviceId, ...]:
        return tuple(
            target.device
            for target in wave.targets
            if self._progress(target).stage in BAD
            and target.device not in self._intent.forgiven
            and not self._is_retried(target)
        )

    def _progress(self, target: Target) -> Progress:
        return self._known.get(target.device, _PENDING)


_PENDING = Progress()


def _targets(waves: Iterable[Wave]) -> Iterable[Target]:
    return (target for wave in waves for target in wave.targets)
