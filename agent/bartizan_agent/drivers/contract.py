"""What a driver is, and what it may use.

A driver knows one vendor's words: which requests to make in each phase, and what the answers mean. It decides
nothing about order, time, retries or recovery; the update machine owns those. Requests are values, sent by a
`CameraSession`, which adds logging in, limits and time-outs. What a camera can do wrong comes back as a `Failure`.

Phases, in the order of an update: `identify`, `read_state`, `back_up`, `prepare`, `write`, `progress`, `restart`,
`commit` or `roll_back`, `clean_up`. Those a vendor does not need do nothing by default.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec

from bartizan.errors import BartizanError
from bartizan.identity.model import Evidence, Identity, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers.family import Family

T = TypeVar("T")

ANSWER_LIMIT = 256 * 1024
"""Octets. The largest answer seen is an ONVIF profile list of 60 KB; capabilities of a recorder reach 100 KB."""
ANSWER_SECONDS = 10.0
MOST_CHANNELS = 256
"""Cameras that one recorder is believed to record."""


class Act(enum.Enum):
    """Who must act on a failure."""

    LATER = "later"
    """Nobody: the camera is away, busy or restarting."""
    CREDENTIALS = "credentials"
    """Whoever keeps the credentials: this user name and password are not accepted."""
    NEVER = "never"
    """Whoever looks after the camera: asking again gives the same answer."""


class Tier(enum.Enum):
    """How much a driver does with its vendor's devices. Each holds what the one before does."""

    SEES = "sees"
    """It reads who a device is, logged in."""
    CONTAINS = "contains"
    """It reads as well what has to go on working when a device is contained: its stream and its picture."""
    UPDATES = "updates"
    """It gives devices firmware as well, and proves that they work afterwards."""


class Failure(msgspec.Struct, frozen=True):
    """What a camera, dead, busy or hostile, gave instead of an answer."""

    act: Act
    code: str
    """Stable, for events: `no-answer`, `busy`, `login-refused`, `image-refused`, …"""
    reason: str
    octets_sent: int = 0
    """How much of an image had been handed over when it happened."""
    wait_seconds: float = 0.0
    """Asking again sooner is of no use."""


class Declined(BartizanError):
    """Raised by a decoder whose answer, well formed, says no. The sender turns it into a `Failure`."""

    def __init__(self, act: Act, code: str, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.failure = Failure(act=act, code=code, reason=reason, wait_seconds=wait_seconds)


class ImageFile(msgspec.Struct, frozen=True):
    """A verified firmware image in the gateway's cache, ready to be sent."""

    path: Path
    length: int
    """Octets."""
    file_name: str
    """The vendor's own name of the file: some cameras look at it."""


Body = tuple[bytes | ImageFile, ...]
"""What is sent, piece by piece: so an upload has a length before it begins, and can be sent a second time."""


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call of a vendor's interface, complete."""

    method: str
    path: str
    decode: Callable[[bytes], T]
    """Raises `Malformed` for what it cannot read, `Declined` for a refusal in good form."""
    explain: Callable[[int, bytes], Failure | None] = lambda _status, _body: None
    """Reads an answer whose HTTP status is an error, other than a refused login."""
    body: Body = ()
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    limit: int = ANSWER_LIMIT
    """Octets of answer; more is refused."""
    seconds: float = ANSWER_SECONDS
    """For the whole exchange, however slowly the camera drips."""
    open_to_all: bool = False
    """Never log in for this one: it is a look at whether the camera answers at all."""
    logs_in_itself: bool = False
    """Its body carries a login (WS-UsernameToken), which the budget has to permit like any other."""
    beginning_is_enough: bool = False
    """Read no further than `limit`, and do not mind if there is more."""
    whole: bool = False
    """An answer cut short is worthless (a back-up)."""
    success: frozenset[int] = frozenset()
    """HTTP statuses beside 200 to 299 that this vendor's firmware gives to what it has done."""
    prime: str = ""
    """A path to read first, so that logging in is over before a large body begins; required with an `ImageFile`."""


class Stream(msgspec.Struct, frozen=True):
    """What RTSP DESCRIBE says of a camera's main stream."""

    codec: str
    """As in SDP: `H264`, `H265`, `JPEG`, …"""
    width: int = 0
    height: int = 0
    """0 where the description does not say."""


class Picture(msgspec.Struct, frozen=True):
    """Dimensions of a snapshot, in pixels."""

    width: int
    height: int


class CameraState(msgspec.Struct, frozen=True):
    """A camera as it is now, by its own word. Compared before and after an update. Empty means it does not say."""

    serial: str
    model: str
    firmware: str
    build_date: str = ""
    """ISO 8601."""
    hardware: str = ""
    platform: str = ""
    """The firmware family key."""
    manufacturer: str = ""
    boot: str = ""
    """Changes with every start."""
    up_seconds: float | None = None
    read_at: float = 0.0
    """When it was read, by the gateway's clock; Unix seconds."""
    stream: Stream | None = None
    picture: Picture | None = None
    time_offset: float | None = None
    """Seconds by which its clock is ahead of the gateway's."""
    uncommitted: bool = False
    """It runs an image that it will give up unless told to keep it."""
    factory_state: bool = False
    """Nobody has set a password yet."""


class Channel(msgspec.Struct, frozen=True):
    """One camera that a recorder records, by the recorder's word. Empty means it does not say."""

    number: int
    address: str
    serial: str = ""
    mac: str = ""


class Activity(enum.Enum):
    """What a camera says of an image it was given."""

    WORKING = "working"
    WANTS_RESTART = "wants-restart"
    IDLE = "idle"
    """Nothing going on, or it does not say."""


class Progress(msgspec.Struct, frozen=True):
    """How far a camera says it is."""

    activity: Activity
    percent: int | None = None


class CameraSession(Protocol):
    """Requests to one camera, one at a time, bound to its address, its credential and its login budget."""

    @property
    def host(self) -> str:
        """The address, as in a URL."""

    @property
    def credential(self) -> Credential | None:
        """What the session logs in with."""

    async def send(self, request: Request[T]) -> T | Failure:
        """Return what the camera answered, decoded. Never raises for anything a camera does."""

    async def describe_stream(self, path: str) -> Stream | Failure:
        """Return what RTSP DESCRIBE says of the stream at `path` (with its query)."""

    def now(self) -> float:
        """The gateway's time, Unix seconds."""

    def nonce(self) -> bytes:
        """Fresh random octets, for vendors' own ways of logging in."""


class Driver:
    """One vendor's words. Stateless: everything it needs comes with the call."""

    name: ClassVar[str]
    makers: ClassVar[tuple[str, ...]]
    """Identifiers of the makers whose units it speaks to, whatever the badge."""
    tier: ClassVar[Tier]
    source: ClassVar[Source]
    """Under which name what it reads is evidence."""
    default_login: ClassVar[Credential | None] = None
    """What its maker's old firmware let everybody in with; common knowledge. For the one permitted check."""
    families: ClassVar[tuple[Family, ...]] = ()
    """How its models take images; none below the tier `UPDATES`."""

    def family(self, model: str, platform: str) -> Family | None:
        """Return how this model takes an update; None where it is not known to be safe."""
        return next((family for family in self.families if family.covers(model, platform)), None)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """Return who answers: serial, model, firmware and boot identity, in as few requests as the vendor allows."""
        raise NotImplementedError

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """Return all that is compared before and after: identity, stream, picture, clock."""
        raise NotImplementedError

    async def channels(self, session: CameraSession) -> tuple[Channel, ...] | Failure | None:
        """Return which cameras a recorder records; None where there is no way to ask it."""

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:  # noqa: ARG002 - for those who override it
        """Return what it tells of the settings that hardening looks at. What it does not tell is left out."""
        return ()

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """Return the camera's configuration in the vendor's own form; None where there is no way to read it."""

    async def prepare(self, session: CameraSession) -> Failure | None:
        """Bring the camera into a state in which it takes an image."""

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """Hand the image over. None: the camera has all of it and did not refuse it."""
        raise NotImplementedError

    async def progress(self, session: CameraSession) -> Progress | Failure:  # noqa: ARG002 - for those who override it
        """Return how far the camera is with the image it was given."""
        return Progress(Activity.IDLE)

    async def restart(self, session: CameraSession) -> Failure | None:
        """Restart the camera, which said that it wants to be."""

    async def commit(self, session: CameraSession) -> Failure | None:
        """Make the camera keep the image that it runs."""

    async def roll_back(self, session: CameraSession) -> Failure | None:
        """Make the camera go back to the image before. Only called where the family says that it can."""

    async def clean_up(self, session: CameraSession) -> Failure | None:
        """Undo what `prepare` did. Runs after success and after failure."""


def recognised(drivers: tuple[Driver, ...], identity: Identity) -> Driver | None:
    """Return the driver of who built the device, whatever its badge. None: nobody here speaks to it."""
    return next((driver for driver in drivers if identity.maker and identity.maker in driver.makers), None)
