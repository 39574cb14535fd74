"""A packet filter in memory that keeps the promises of `Firewall`; its fields make it misbehave."""

from bartizan.containment.check import check
from bartizan.containment.model import DeviceDrops, DropCounter, Ruleset
from bartizan.containment.render import digest
from bartizan_agent.firewall import Enforced, FirewallRefused, Proof


class MemoryFirewall:
    """Enforces whatever it is given, until told otherwise."""

    def __init__(self) -> None:
        self.enforced: Ruleset | None = None
        """What is in force; set to None to play somebody who flushed the table."""
        self.refuses = ""
        """If not empty, `apply` is refused with this text, and what was in force stays."""
        self.drops: tuple[DropCounter, ...] = ()
        self.device_totals: tuple[DeviceDrops, ...] = ()
        self.spared_packets = 0
        self.bypasses: tuple[str, ...] = ()
        self.history: list[Ruleset] = []
        """Every ruleset that `apply` made to be in force, oldest first; one that already was is not in it again."""
        self.kernel = "kernel 1"
        self.deaf_because: str | None = None
        self.generation = 1
        """Of the ruleset; whoever changes it from outside adds to it."""
        self._own = 0
        self._told = (1, 0)
        self._applied: Ruleset | None = None

    def apply(self, ruleset: Ruleset) -> tuple[str, ...]:
        """Enforce exactly this ruleset; return what was changed from outside since the last time."""
        check(ruleset)
        if self.refuses:
            raise FirewallRefused(self.refuses)
        changed = self.read().missing if self._applied is not None else ()
        self._applied = ruleset
        if self.enforced != ruleset:
            self.enforced = ruleset
            self.generation += 1
            self._own += 1
            self.history.append(ruleset)
        return changed

    def read(self) -> Enforced:
        """Return what is in force."""
        if self._applied is None:
            return Enforced(False, self._mark(), (), ("nothing was applied since the agent started",), self.bypasses)
        if self.enforced is None:
            return Enforced(False, "", (), ("the table is gone",), self.bypasses)
        intact = self.enforced == self._applied
        missing = () if intact else ("the table is not as applied",)
        return Enforced(intact, self._mark(), self.enforced.devices, missing, self.bypasses)

    def counters(self) -> tuple[DropCounter, ...]:
        """Return `drops`."""
        return self.drops

    def totals(self) -> tuple[DeviceDrops, ...]:
        """Return `device_totals`."""
        return self.device_totals

    def spared(self) -> int:
        """Return `spared_packets`."""
        return self.spared_packets

    def proof(self) -> Proof:
        """Return whether anybody changed the generation since last asked."""
        (since, own), self._told = self._told, (self.generation, self._own)
        foreign = self.generation - since != self._own - own
        wrong = "the table is gone" if self.enforced is None else ""
        return Proof(since, self.generation, wrong or ("somebody changed the packet filter" if foreign else ""))

    def remove_all(self) -> None:
        """Enforce nothing."""
        self.enforced = None
        self._applied = None

    def _mark(self) -> str:
        return digest(self.enforced) if self.enforced else ""
