"""A recording as a value, and as the file that people read."""

import enum

import msgspec

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import CameraState, Failure, Picture, Stream


class Of(enum.Enum):
    """What was recorded. An emulator's answers prove that a driver fits the emulator, and no more."""

    DEVICE = "device"
    EMULATOR = "emulator"


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request and its answer."""

    method: str
    target: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """Of the answer: those that drivers and logins look at."""
    asked: str = ""
    """What was sent, without logins."""
    body: str = ""
    picture: Picture | None = None
    """The answer was a JPEG of this size; what it shows is not kept."""
    left_out: int = 0
    """Octets of an answer that is neither text nor a picture."""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What RTSP DESCRIBE came to."""

    path: str
    stream: Stream | None = None
    failure: Failure | None = None


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was said between a driver and one device while it read the device's state."""

    of: Of
    driver: str
    scheme: str
    """`http` or `https`."""
    at: float
    """When; Unix seconds."""
    state: CameraState
    """What the driver reads in it: the promise that its tests keep."""
    exchanges: tuple[Exchange, ...]
    streams: tuple[Description, ...] = ()

    @property
    def file_name(self) -> str:
        """Return what its file is called: by what it proves."""
        name = f"{self.state.model}_{self.state.firmware}"
        return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name) + ".json"


def encode(recording: Recording) -> str:
    """Return the file's text."""
    return msgspec.json.format(msgspec.json.encode(recording), indent=1).decode() + "\n"


def decode(text: bytes) -> Recording:
    """Return a recording from its file.

    Raises:
        Malformed: It is none.
    """
    try:
        return msgspec.json.decode(text, type=Recording)
    except msgspec.DecodeError as error:
        raise Malformed(f"not a recording: {error}") from error
