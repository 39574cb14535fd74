"""The values of a push: what was signed of its stages, what gateways read back, what is planned next, why it waits."""

import enum

import msgspec

from bartizan.ids import SiteId


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sites that are judged together before the next ones are told to go on."""

    name: str
    sites: tuple[SiteId, ...]
    standbys: dict[SiteId, tuple[SiteId, ...]] = {}
    """Of sites that have them, the gateways that stand by for each, enrolled or not; no sites of their own."""

    def members(self, site: SiteId) -> tuple[SiteId, ...]:
        """Return the gateways of a site of the stage, its own first."""
        return (site, *self.standbys.get(site, ()))

    @property
    def gateways(self) -> tuple[SiteId, ...]:
        """Every gateway of the stage."""
        return tuple(gateway for site in self.sites for gateway in self.members(site))


class PushState(enum.Enum):
    """What people, time and the push itself have decided about going on."""

    RUNNING = "running"
    PAUSED = "paused"
    """By a person, or by the push itself; `Intent.pause_reason` says which."""
    ABORTED = "aborted"
    FINISHED = "finished"
    """Every stage agreed."""
    ENDED = "ended"
    """The signed time is over: it is in force everywhere, judged or not."""
    SUPERSEDED = "superseded"
    """A later version of policy was published."""


OPEN = frozenset({PushState.RUNNING, PushState.PAUSED})
OVER = frozenset({PushState.ENDED, PushState.SUPERSEDED})


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What two people signed of one version of policy, with its sites, and what was decided since."""

    policy: int
    """Version of the policy role; the name of the push."""
    digest: str
    """`Catalogue.policy_digest` of that version."""
    stages: tuple[Stage, ...]
    """The first has it without being told."""
    soak_seconds: float
    agree_percent: int
    differ_percent: int
    not_after: float
    """Unix seconds; then it is in force everywhere."""
    begun_at: float
    events_after: int = 0
    """Number of the newest event when it began: what came later may be its doing."""
    state: PushState = PushState.RUNNING
    pause_reason: str = ""
    forgiven: frozenset[SiteId] = frozenset()
    """Gateways whose differences a person has looked at and resumed over."""


class SiteCondition(msgspec.Struct, frozen=True):
    """What is known of one gateway of a push."""

    connected: bool = False
    too_old: bool = False
    """Its agent refuses catalogues that go out in stages, and books that activate them."""
    in_force: bool = False
    """By its own word it goes by the new policy, and its last report was judged."""
    differences: tuple[str, ...] = ()
    """How what its kernel holds is otherwise than it should be, in words."""
    at: float = 0.0
    """Since when it is so; Unix seconds."""


class Soaking(msgspec.Struct, frozen=True, tag="soaking"):
    """A stage agrees and is watched for a while."""

    stage: str
    until: float


class StageRunning(msgspec.Struct, frozen=True, tag="stage-running"):
    """Sites of the stage are still to read back what is expected."""

    stage: str
    agree: int
    total: int
    needed_percent: int


class SitesAway(msgspec.Struct, frozen=True, tag="sites-away"):
    """Gateways that are not connected. They are told once they are back."""

    stage: str
    sites: tuple[SiteId, ...]


class StandbysNotEnrolled(msgspec.Struct, frozen=True, tag="standbys-not-enrolled"):
    """Standby gateways that nobody ever enrolled: their sites are judged by the other gateway alone."""

    stage: str
    standbys: dict[SiteId, SiteId]
    """Each, and the site that it stands by for."""


class StandbysAway(msgspec.Struct, frozen=True, tag="standbys-away"):
    """Standby gateways that went away before they had read back: judged once they are back, not waited for."""

    stage: str
    standbys: dict[SiteId, SiteId]
    """Each, and the site that it stands by for."""


class SitesTooOld(msgspec.Struct, frozen=True, tag="sites-too-old"):
    """Gateways whose agent refuses this catalogue: they keep the one before, and are judged by nobody."""

    sites: tuple[SiteId, ...]


class Differs(msgspec.Struct, frozen=True, tag="differs"):
    """More sites than allowed read back something else than expected; a person must look."""

    stage: str
    differences: dict[SiteId, tuple[str, ...]]
    of: int
    allowed_percent: int


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """Somebody, or the push itself, has stopped it; not past the signed time."""

    reason: str
    until: float


Waiting = Soaking | StageRunning | SitesAway | StandbysNotEnrolled | StandbysAway | SitesTooOld | Differs | Paused


class Plan(msgspec.Struct, frozen=True):
    """A push's next state: numbered, with its parent, complete."""

    policy: int
    number: int
    parent: int
    state: PushState
    stage: str
    activate: tuple[SiteId, ...]
    """Every gateway whose orders are to say that the policy is in force."""
    waiting: tuple[Waiting, ...] = ()
    wake_at: float | None = None
    """When time alone may change the plan; None if only news can."""
