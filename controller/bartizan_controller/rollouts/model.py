"""The values of a rollout: what people intend, what was observed, what is planned next, and why anything waits."""

import enum

import msgspec

from bartizan.ids import DeviceId, ImageId, RolloutId, SiteId


class Target(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One device to be updated, and who must not be down at the same time."""

    site: SiteId
    device: DeviceId
    coverage: str = ""
    """Devices of one site with the same group watch the same place: one of them stays up. Empty: on its own."""


class Wave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the rollout that is judged before the next begins."""

    name: str
    targets: tuple[Target, ...]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a wave is good enough to go on, and when it must stop."""

    success_percent: int = 100
    """Of a wave's finished devices; below it, the next wave does not begin."""
    failure_percent: int = 10
    """Above it, the rollout stops itself."""
    minimum_sample: int = 1
    """Finished devices below which failures do not stop a rollout yet."""
    soak_seconds: float = 0.0
    """How long a wave is watched after its last success."""
    per_site: int = 1
    """Devices of one site that may be down at once."""
    silence_seconds: float = 3600.0
    """An assigned device that is not heard of for so long has failed; its gateway has shorter limits of its own."""


class RolloutState(enum.Enum):
    """What people and the rollout itself have decided about going on."""

    RUNNING = "running"
    PAUSED = "paused"
    """By a person, or by the rollout itself; `Intent.pause_reason` says which."""
    ABORTED = "aborted"
    FINISHED = "finished"


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people want. Changed only by people, and by the rollout pausing itself."""

    id: RolloutId
    image: ImageId
    waves: tuple[Wave, ...]
    limits: Limits = Limits()
    state: RolloutState = RolloutState.RUNNING
    pause_reason: str = ""
    forgiven: frozenset[DeviceId] = frozenset()
    """Failures that a person has looked at and resumed over. They are not tried again."""
    retried: dict[DeviceId, int] = {}
    """How often a person asked for one more attempt."""
    created_by: str = ""
    created_at: float = 0.0


class Stage(enum.Enum):
    """How far one device is, as its gateway reported it."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    """Ordered; nothing heard yet."""
    UPDATING = "updating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    """The gateway would not begin: unsuitable, recalled, already newer."""


DONE = frozenset({Stage.SUCCEEDED, Stage.FAILED, Stage.REFUSED})
BAD = frozenset({Stage.FAILED, Stage.REFUSED})


class Progress(msgspec.Struct, frozen=True):
    """What is known of one device's update."""

    stage: Stage = Stage.PENDING
    at: float = 0.0
    """When the stage was reached; Unix seconds."""
    attempt: int = 0
    code: str = ""
    note: str = ""


class SiteCondition(msgspec.Struct, frozen=True):
    """What of a site bears on planning."""

    connected: bool = True
    since: float = 0.0
    not_before: float = 0.0
    """When its maintenance window opens next; at or before now where it is open or there is none."""


class Soaking(msgspec.Struct, frozen=True, tag="soaking"):
    """A wave has succeeded and is watched for a while."""

    wave: str
    until: float


class WaveRunning(msgspec.Struct, frozen=True, tag="wave-running"):
    """Devices of the wave are still to finish."""

    wave: str
    finished: int
    total: int


class FailureBudget(msgspec.Struct, frozen=True, tag="failure-budget"):
    """Too many devices of the wave failed; a person must look."""

    wave: str
    failed: tuple[DeviceId, ...]
    of: int
    allowed_percent: int


class TooFewSucceeded(msgspec.Struct, frozen=True, tag="too-few-succeeded"):
    """The wave is over without enough successes."""

    wave: str
    succeeded: int
    of: int
    needed_percent: int


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """Somebody, or the rollout itself, has stopped it."""

    reason: str


class SiteBusy(msgspec.Struct, frozen=True, tag="site-busy"):
    """The site's limit of devices that are down at once is reached."""

    site: SiteId
    limit: int


class CoverageHeld(msgspec.Struct, frozen=True, tag="coverage-held"):
    """Another device that watches the same place is being updated."""

    device: DeviceId
    coverage: str
    by: DeviceId


class SiteAway(msgspec.Struct, frozen=True, tag="site-away"):
    """The gateway is not connected. It is ordered all the same once it is back."""

    site: SiteId
    since: float


class WindowClosed(msgspec.Struct, frozen=True, tag="window-closed"):
    """The site's maintenance window is not open."""

    site: SiteId
    opens_at: float


class Unvetted(msgspec.Struct, frozen=True, tag="unvetted"):
    """The catalogue does not hold the image, or recalled it."""

    image: ImageId
    reason: str


Waiting = (
    Soaking
    | WaveRunning
    | FailureBudget
    | TooFewSucceeded
    | Paused
    | SiteBusy
    | CoverageHeld
    | SiteAway
    | WindowClosed
    | Unvetted
)


class Assignment(msgspec.Struct, frozen=True, order=True):
    """One device that is to be updated now. Nothing is left for the executor to decide."""

    site: SiteId
    device: DeviceId
    attempt: int


class Plan(msgspec.Struct, frozen=True):
    """A rollout's next state: numbered, with its parent, complete."""

    rollout: RolloutId
    number: int
    parent: int
    state: RolloutState
    image: ImageId
    assignments: tuple[Assignment, ...]
    """Every order that is to stand, those already under way included."""
    overdue: tuple[DeviceId, ...] = ()
    """Assigned devices that fell silent for too long: to be recorded as failed."""
    wave: str = ""
    waiting: tuple[Waiting, ...] = ()
    wake_at: float | None = None
    """When time alone may change the plan; None if only news can."""
