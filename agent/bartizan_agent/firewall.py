"""The packet filter as the agent sees it: set whole, read back, removed whole."""

from typing import Protocol

import msgspec

from bartizan.containment.model import ContainedDevice, DeviceDrops, DropCounter, Ruleset
from bartizan.errors import BartizanError


class FirewallRefused(BartizanError):
    """The kernel refused the transaction. What was in force before is still in force."""


class Enforced(msgspec.Struct, frozen=True):
    """What the kernel holds, read back from it."""

    intact: bool
    """Whether every chain, set and element is as last applied."""
    digest: str
    """Of the ruleset last applied, as the table itself says; empty if there is no table."""
    devices: tuple[ContainedDevice, ...]
    """Those that the kernel holds, each at the level it holds them at, loosest if its MACs and addresses differ."""
    missing: tuple[str, ...] = ()
    """What differs, in words."""
    bypasses: tuple[str, ...] = ()
    """What takes packets past the table, in words. Applying again does not help: the gateway must be changed."""


class Proof(msgspec.Struct, frozen=True):
    """What is known of the time between two looks at the kernel."""

    since: int
    """Generation of the ruleset at the look before; at the first, as the firewall was opened."""
    until: int
    """Generation at this look."""
    broken_because: str = ""
    """Why it cannot be told that our table was there throughout; empty: nobody else changed what it holds."""


class Firewall(Protocol):
    """One owner of one nftables table. Nothing outside that table is ever touched."""

    kernel: str
    """Names the running kernel and the network namespace; another after each boot."""
    deaf_because: str | None
    """Why the kernel copies no packets to whoever listens; empty where it does, None where it was not to."""

    def apply(self, ruleset: Ruleset) -> tuple[str, ...]:
        """Make the kernel enforce exactly `ruleset`, in one transaction. Idempotent; counters survive.

        Returns:
            In words, what somebody else had changed of what was applied before; empty where nobody had.

        Raises:
            Malformed: The ruleset cannot be enforced by anyone; the last good state stands.
            FirewallRefused: The kernel refused; the last good state stands.
        """

    def read(self) -> Enforced:
        """Return what the kernel really enforces."""

    def counters(self) -> tuple[DropCounter, ...]:
        """Return the packets dropped, by device and destination."""

    def totals(self) -> tuple[DeviceDrops, ...]:
        """Return the packets dropped on either side of each device, those without drops left out."""

    def spared(self) -> int:
        """Return the packets of the management path that were let through where they would have been dropped."""

    def proof(self) -> Proof:
        """Return what is known of the time from the last call to the last `read`."""

    def remove_all(self) -> None:
        """Remove the table. Works after a crash, needs no other state, succeeds if there is none."""
