"""The values an update is made of: what is to be done, how far it is, what a step can come to, how it can end."""

import enum

import msgspec

from bartizan.firmware.model import Image
from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.trust.credentials import Credential
from bartizan.trust.orders import Install
from bartizan_agent.drivers.contract import Act, CameraState


class Assignment(msgspec.Struct, frozen=True):
    """An image that one camera is to have."""

    install: Install
    image: Image
    device: Device
    credential: Credential | None = None
    tags: tuple[str, ...] = ()
    """The device's tags; `covers:<x>` names what it looks at."""


class Phase(enum.Enum):
    """The steps of an update, in order."""

    FETCH = "fetch"
    VERIFY = "verify"
    WINDOW = "window"
    PREFLIGHT = "preflight"
    BACK_UP = "back-up"
    WRITE = "write"
    WAIT = "wait"
    PROVE = "prove"
    COMMIT = "commit"
    ROLL_BACK = "roll-back"


DOWN = frozenset({Phase.WRITE, Phase.WAIT, Phase.PROVE, Phase.COMMIT, Phase.ROLL_BACK})
"""Phases in which the camera may be unable to do its work, and from which an update is always carried to an end."""


class End(enum.Enum):
    """How an update can end. The values are stable: they travel in events."""

    SUCCEEDED = "succeeded"
    ALREADY_INSTALLED = "already-installed"
    REFUSED = "refused"
    """This image must not go on this camera. Trying again is of no use."""
    FAILED_BEFORE_WRITE = "failed-before-write"
    """The camera is untouched."""
    FAILED_ROLLED_BACK = "failed-rolled-back"
    """The camera runs what it ran before, and was seen to work."""
    FAILED_NEEDS_VISIT = "failed-needs-visit"
    """Somebody must go there."""


class Ending(msgspec.Struct, frozen=True):
    """How an update ended, and why."""

    end: End
    code: str
    """The cause, stable: `image-refused`, `did-not-return`, `window-over`, …; the end's own value where all is well."""
    reason: str
    visit: str = ""
    """For `FAILED_NEEDS_VISIT`: what whoever goes there should look for."""


class Sent(enum.Enum):
    """How much of the image the camera may hold."""

    NOTHING = "nothing"
    PART = "part"
    WHOLE = "whole"
    UNKNOWN = "unknown"
    """The gateway lost power, or the agent died, while sending."""


class Plan(msgspec.Struct, frozen=True):
    """What the camera's family says about its updates."""

    driver: str
    family: str
    upload_seconds: float
    worst_case_seconds: float
    """From the first octet until the camera has answered again."""
    rolls_back: bool = False
    rolls_back_by_itself_seconds: float = 0.0


class Update(msgspec.Struct, frozen=True):
    """One camera's update: everything that must survive a power cut. Holds no secret."""

    install: Install
    image: Image
    device: Device
    plan: Plan
    phase: Phase
    entered_at: float
    """When this phase began; Unix seconds."""
    due: float
    """Not to be worked on before this."""
    tags: tuple[str, ...] = ()
    tries: int = 0
    """Of this phase, failed so far."""
    fetches: int = 0
    writes: int = 0
    """How often the image was begun to be sent."""
    wrote_at: float = 0.0
    sent: Sent = Sent.NOTHING
    before: CameraState | None = None
    leaving: CameraState | None = None
    """What is expected to change: the state at the last write or roll-back."""
    after: CameraState | None = None
    told_to_restart: bool = False
    interruptions: int = 0
    """Since writing began."""
    roll_backs: int = 0
    """How often it was told to go back."""
    was_away: bool = False
    """It did not answer for a while since the last write or roll-back."""
    trouble: str = ""
    """Code of what went wrong after writing began; the update now only leads the camera back."""
    reason: str = ""
    note: str = ""
    """What it waits for, in words."""
    ending: Ending | None = None

    @property
    def key(self) -> tuple[DeviceId, str, int]:
        """What makes this update one and the same, however often it is assigned."""
        return self.device.id, self.install.id, self.install.attempt


class Step(msgspec.Struct, frozen=True):
    """What is to be done next."""

    phase: Phase
    due: float


class Done(msgspec.Struct, frozen=True):
    """The step is done, and there is nothing to tell."""


class Held(msgspec.Struct, frozen=True):
    """Not now: the window, another camera, or a frozen catalogue is in the way."""

    until: float
    why: str


class Checked(msgspec.Struct, frozen=True):
    """Preflight read the camera."""

    state: CameraState
    reasons: tuple[str, ...] = ()
    """Why the image must not go on it."""
    installed: bool = False


class Unsuitable(msgspec.Struct, frozen=True):
    """The image itself is not what it should be."""

    reasons: tuple[str, ...]


class Busy(msgspec.Struct, frozen=True):
    """The camera answers, and works on the image."""

    note: str = ""
    told_to_restart: bool = False


class Seen(msgspec.Struct, frozen=True):
    """The camera answers. In `WAIT` only its identity is read, in `PROVE` everything."""

    state: CameraState


class Trouble(msgspec.Struct, frozen=True):
    """The step failed."""

    act: Act
    code: str
    reason: str
    octets_sent: int = 0
    wait_seconds: float = 0.0


class Interrupted(msgspec.Struct, frozen=True):
    """The agent died, or lost power, in the step: what it did is not known."""


Outcome = Done | Held | Checked | Unsuitable | Busy | Seen | Trouble | Interrupted


class Limits(msgspec.Struct, frozen=True):
    """How long and how often, over all cameras. Times in seconds."""

    fetch_seconds: float = 24 * 3600.0
    fetches: int = 3
    """Of an image whose hash turned out wrong."""
    fetch_pause: float = 30.0
    fetch_pause_at_most: float = 900.0
    tries: int = 3
    """Of a step that changes nothing on the camera."""
    pause: float = 30.0
    writes: int = 2
    """Of which the second only when the first certainly did not take place."""
    poll_seconds: float = 10.0
    settle_seconds: float = 300.0
    """For stream, picture and clock to come back once the camera answers."""
    commits: int = 5
    commit_pause: float = 10.0
    roll_backs: int = 3
    interruptions: int = 5
    """Of one step before writing, after which it is given up: something here kills the agent."""
    interruptions_after_write: int = 20
    look_again_seconds: float = 60.0
    """At what holds an update, where nothing tells that it is over."""
    fault_pause: float = 60.0
    """After a fault of this program in one update."""
    step_seconds: float = 600.0
    """For any step but fetching and writing; whatever hangs longer is a fault of this program."""
