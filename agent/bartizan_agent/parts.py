"""What a gateway is made of."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from bartizan.identity.model import Device
from bartizan.ids import BootId, DeviceId
from bartizan.trust.credentials import Credential
from bartizan_agent.announcements import Announcements
from bartizan_agent.assignments import Assigned
from bartizan_agent.attempts import Attempts
from bartizan_agent.catalogue_fetch import CatalogueFetch
from bartizan_agent.channels import Told
from bartizan_agent.clock import GatewayClock
from bartizan_agent.containment import Containment
from bartizan_agent.firewall import Firewall
from bartizan_agent.holdings import Holdings
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.measurement import Measurement
from bartizan_agent.names import Names
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.proving import Proving
from bartizan_agent.roster import Roster
from bartizan_agent.segments import Links
from bartizan_agent.settings import Settings
from bartizan_agent.state import LastGood
from bartizan_agent.switches.attendant import SwitchAttendant


class CameraWork(Protocol):
    """Updates and reads, as `cameras.Cameras` does them."""

    async def run(self) -> None:
        """Work until cancelled."""

    def assign(self, assigned: Assigned, *, frozen_because: str) -> None:
        """Take over what is to be installed."""

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Take over whom to ask who they are."""

    def check_default_passwords(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """Take over which devices there are to try once with a default password, if the site permits it."""

    def seen_alive(self, device: DeviceId) -> None:
        """A device was seen at work."""


@dataclass(frozen=True)
class Parts:
    """What a gateway is made of. Built by hand in `app`."""

    settings: Settings
    places: Places
    connection: sqlite3.Connection
    clock: GatewayClock
    keys: IdentityKeys
    boot: BootId
    news: asyncio.Event
    """There may be something to say."""
    outbox: Outbox
    announcements: Announcements
    last_good: LastGood
    fetch: CatalogueFetch
    roster: Roster
    firewall: Firewall
    containment: Containment
    attempts: Attempts
    names: Names
    measurement: Measurement
    holdings: Holdings
    proving: Proving
    links: Links
    cameras: Callable[[Told], CameraWork]
    """Makes the work on cameras, given who is told what they say."""
    switches: SwitchAttendant | None = None
    """Has managed switches set; None where none are configured."""
    is_durable: bool = True
    """Whether what is written to the store outlives this process."""
    updates_unfinished: bool = False
    """Whether an update was under way when the agent stopped."""
