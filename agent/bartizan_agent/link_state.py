"""Whether the controller can be reached, as the agent leaves word of it for `bartizan-agent status`."""

from contextlib import suppress
from pathlib import Path

import msgspec

from bartizan.errors import Malformed
from bartizan.wire import codec


class LinkState(msgspec.Struct, frozen=True):
    """Whether the controller can be reached."""

    connected: bool
    since: float
    """Unix seconds."""
    tls: str = ""
    """The version of TLS that was agreed on with the broker, as OpenSSL calls it; empty while it is away."""


def write(path: Path, state: LinkState) -> None:
    """Leave word. A disk that refuses does not matter: the word is a convenience."""
    with suppress(OSError):
        path.write_bytes(codec.encode(state))


def read(path: Path) -> LinkState | None:
    """Return the last word, or None if there is none that can be read."""
    try:
        return codec.decode(path.read_bytes(), LinkState)
    except (OSError, Malformed):
        return None
