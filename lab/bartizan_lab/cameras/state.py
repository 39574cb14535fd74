"""What an emulated device is and remembers: the values that survive its reboots."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from bartizan.ids import Mac
from bartizan_lab.cameras.faults import Fault


@dataclass
class DeviceState:
    """One device, apart from the network it stands in. Tests read and change it while it runs."""

    model: str
    serial: str
    mac: Mac
    firmware: str
    """The version as the maker writes it."""
    build: date
    """When the firmware was built; each maker shows it in another form."""
    users: dict[str, str]
    """Passwords by name. Empty in factory state."""
    factory_state: bool = False
    """No password has been set yet: unactivated, or in need of setup."""
    faults: set[Fault] = field(default_factory=set)
    clock_error_seconds: float = 0.0
    """How far its clock is ahead."""
    meddling: list[str] = field(default_factory=list)
    """Requests that would have changed the device and that no inventory tool may send."""
    boots: int = 0
    boot_id: str = ""
    booted_at: float = 0.0
    """Unix seconds, by the true clock."""


@dataclass(frozen=True)
class Timings:
    """How long things take. The defaults are for the lab: a real camera is down for minutes."""

    reboot_seconds: float = 2.0
    """From the sockets closing to their opening again."""
    shutdown_seconds: float = 0.2
    """From the order to reboot to the sockets closing, so that the answer still goes out."""
    flash_seconds: float = 2.0
    """Writing an image."""
    settle_seconds: float = 0.5
    """From the sockets opening to the video encoder running."""
    lockout_seconds: float = 1800.0
    slow_seconds: float = 5.0
    phone_home_seconds: float = 2.0
    minute_seconds: float = 60.0
    """What counts as a minute where a maker's interface takes minutes."""


@dataclass(frozen=True)
class CloudAddress:
    """Where a device calls its maker."""

    address: str
    port: int


@dataclass(frozen=True)
class Setting:
    """What surrounds a device: how long things take there, whom it calls, and what time it is."""

    timings: Timings = field(default_factory=Timings)
    cloud: tuple[CloudAddress, ...] = ()
    """Whom it calls."""
    https: bool = False
    """Whether its web server answers on port 443 as well."""
    now: Callable[[], float] = time.time
    """Unix seconds."""
