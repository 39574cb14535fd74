"""What came of it: which ports hold which devices, as read back from the switches. Commands read the last one."""

from pathlib import Path

import msgspec

from bartizan.errors import Malformed
from bartizan.ids import DeviceId
from bartizan.wire import codec


class HeldPort(msgspec.Struct, frozen=True):
    """A port of the journal as it was found."""

    switch: str
    port: str
    device: DeviceId
    where: str
    """For people: `switch sw1 port 7 (vlan 666)`."""
    ending: bool = False
    """Whether it is on its way to be as before."""
    why_not: str = ""
    """Why it does not hold its device, or is not yet as before; empty if all is as it should be."""


class SwitchesEnforced(msgspec.Struct, frozen=True):
    """What the switches hold, as read back from them."""

    ports: tuple[HeldPort, ...] = ()
    refusals: dict[DeviceId, str] = {}
    """Why a device that a switch should hold is not held by one."""
    failures: dict[str, str] = {}
    """Why a switch could not be read or set, by its name."""

    def held(self) -> dict[DeviceId, str]:
        """Return where each device is that is held by every port on which it should be."""
        shortfalls = self.shortfalls()
        return {each.device: each.where for each in self.ports if not each.ending and each.device not in shortfalls}

    def shortfalls(self) -> dict[DeviceId, str]:
        """Return why each device that a switch should hold is not held."""
        broken = {
            each.device: f"{each.where}: {each.why_not}" for each in self.ports if each.why_not and not each.ending
        }
        return self.refusals | broken

    def troubles(self) -> list[str]:
        """Return what is not as it should be, for people: of switches, and of ports that do not hold or come back."""
        return [
            *(f"switch {name}: {why}" for name, why in sorted(self.failures.items())),
            *(
                f"{each.where}: {each.why_not}"
                for each in self.ports
                if each.why_not and each.switch not in self.failures
            ),
        ]


class Seen(msgspec.Struct, frozen=True):
    """An outcome, and when it was read (Unix seconds)."""

    at: float
    enforced: SwitchesEnforced


def last_seen(file: Path) -> Seen | None:
    """Return what was read last, or None where nothing was or it cannot be told."""
    try:
        return codec.decode(file.read_bytes(), Seen)
    except (OSError, Malformed):
        return None
