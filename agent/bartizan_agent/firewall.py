"""The packet filter as the agent sees it: set whole, read back, removed whole."""

from typing import Protocol

import msgspec

from bartizan.containment.model import ContainedDevice, DropCounter, Ruleset
from bartizan.errors import BartizanError


class FirewallRefused(BartizanError):
    """The kernel refused the transaction. What was in force before is still in force."""


class Enforced(msgspec.Struct, frozen=True):
    """What the kernel holds, read back from it."""

    intact: bool
    """Whether every chain, set and element is as last applied."""
    digest: str
    """Of the ruleset last applied, as stored in the table's own comment; empty if there is no table."""
    devices: tuple[ContainedDevice, ...]
    missing: tuple[str, ...] = ()
    """What differs, in words."""


class Firewall(Protocol):
    """One owner of one nftables table. Nothing outside that table is ever touched."""

    def apply(self, ruleset: Ruleset) -> None:
        """Make the kernel enforce exactly `ruleset`, in one transaction. Idempotent; counters survive.

        Raises:
            FirewallRefused: The kernel refused; the last good state stands.
        """

    def read(self) -> Enforced:
        """Return what the kernel really enforces."""

    def counters(self) -> tuple[DropCounter, ...]:
        """Return the packets dropped, by device and destination."""

    def remove_all(self) -> None:
        """Remove the table. Works after a crash, needs no other state, succeeds if there is none."""
