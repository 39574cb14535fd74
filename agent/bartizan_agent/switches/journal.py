"""Which ports are held, and how each was before: on disk before the first write, so that no crash can forget it.

A hold leaves the journal only once its port was read back as it was before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bartizan.errors import BartizanError, Malformed
from bartizan.ids import DeviceId
from bartizan.wire import codec
from bartizan_agent.durable import replace_file


class JournalDamaged(BartizanError):
    """How the held ports were before cannot be read. Nothing is set until a person has looked."""


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A port's place in one VLAN."""

    vlan: int
    untagged: bool = True


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one port is set."""

    admin_up: bool
    pvid: int | None = None
    """None where the switch has no Q-BRIDGE-MIB."""
    members: tuple[Member, ...] = ()
    """In order of their VLANs."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port that is held for the sake of one device."""

    switch: str
    port: str
    """Its name on the switch: numbers may change when a switch restarts."""
    number: int
    device: DeviceId
    before: Setting
    vlan: int = 0
    """The isolation VLAN it is moved to; 0: it stays where it is."""
    shut: bool = False
    settled: bool = False
    """Whether it was once read back as it should be."""
    ending: bool = False
    """Whether it is to be as before again."""

    def target(self) -> Setting:
        """Return how the port is to be set."""
        if self.ending:
            return self.before
        up = self.before.admin_up and not self.shut
        return (
            Setting(up, self.vlan, (Member(self.vlan),))
            if self.vlan
            else msgspec.structs.replace(self.before, admin_up=up)
        )

    def how(self) -> str:
        """Return how the device is held, for people."""
        return ", ".join([f"vlan {self.vlan}"] * bool(self.vlan) + ["shut down"] * self.shut)

    def where(self) -> str:
        """Return where and how the device is held, for people."""
        return f"switch {self.switch} port {self.port} ({self.how()})"


class Setback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port that a switch would not have set."""

    switch: str
    port: str
    times: int
    again_at: float
    """Unix seconds, before which it is not tried again."""
    reason: str


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that must be known to give the switches back as they were."""

    holds: tuple[Hold, ...] = ()
    made_vlans: tuple[tuple[str, int], ...] = ()
    """Switch and number of VLANs that were not there before."""
    setbacks: tuple[Setback, ...] = ()


def read(file: Path) -> Journal:
    """Return the journal; an empty one where there is none.

    Raises:
        JournalDamaged: It cannot be read.
    """
    try:
        return codec.decode(file.read_bytes(), Journal)
    except FileNotFoundError:
        return Journal()
    except (OSError, Malformed) as error:
        raise JournalDamaged(f"{file} cannot be read: set the switches' ports by hand, then remove it") from error


class Book:
    """The journal on disk, of which the newest state is written before anything is done by it."""

    def __init__(self, file: Path) -> None:
        """Open it.

        Raises:
            JournalDamaged: It cannot be read.
        """
        self._file = file
        self.journal = read(file)

    def keep(self, journal: Journal) -> None:
        """Write it down if it differs.

        Raises:
            Unavailable: The disk refuses. What was there before still is.
        """
        if journal != self.journal:
            replace_file(self._file, codec.encode(journal))
            self.journal = journal

    def change(self, before: Hold, after: Hold | None) -> None:
        """Put one hold in the place of another, or take it out.

        Raises:
            Unavailable: As for `keep`.
        """
        holds = tuple(_exchanged(self.journal.holds, before, after))
        self.keep(msgspec.structs.replace(self.journal, holds=holds))


def _exchanged(holds: tuple[Hold, ...], before: Hold, after: Hold | None) -> Iterator[Hold]:
    for hold in holds:
        if hold != before:
            yield hold
        elif after is not None:
            yield after


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Be the only one who sets switches; wait for whoever does so now."""
    import fcntl
    import os

    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
