"""The agent's `Firewall` on a real kernel.

How a change is known to be in force without reading everything back: the kernel counts the ruleset's generations and
commits a transaction whole. A difference is sent for the generation we last verified, and done only if that still
stands: then the table is what it was plus what we sent. Where it does not stand, the whole table is read and compared.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from bartizan.containment import nft_text
from bartizan.containment.bridge import BRIDGED
from bartizan.containment.check import check
from bartizan.containment.elements import elements
from bartizan.containment.listening import listening
from bartizan.containment.model import DeviceDrops, DropCounter, Ruleset
from bartizan.containment.render import Marked, differing, marked, render, text_of
from bartizan.containment.rules import ROUTED, SPARED, TABLE
from bartizan.containment.words import Key, Layout
from bartizan.errors import Unavailable
from bartizan_agent.firewall import Enforced, FirewallRefused, Proof
from bartizan_agent.nftables import comparison, evidence
from bartizan_agent.nftables.continuity import Continuity
from bartizan_agent.nftables.listing import Evidence, Held, Part, parse
from bartizan_agent.nftables.netlink import Generations, kernel_and_namespace
from bartizan_agent.nftables.stored import StoredRulesets
from bartizan_agent.nftables.tool import Nft, open_nft
from bartizan_agent.settings import NOTHING_HEARD, EvidenceSettings, Topology

log = logging.getLogger(__name__)

_UNKEPT = "the ruleset could not be stored: after a reboot the one before it would be enforced"

READ_ATTEMPTS = 3
"""A listing is made of many dumps; it is taken again if the ruleset changed meanwhile."""


def layout_of(topology: Topology, evidence: EvidenceSettings = NOTHING_HEARD) -> Layout:
    """Return the table of a gateway that is set up like this."""
    layout = BRIDGED if topology is Topology.BRIDGE else ROUTED
    return listening(layout, headers=evidence.headers, names=evidence.dns_names)


class _Applied(NamedTuple):
    """What the kernel is known to have held at a generation."""

    marked: Marked
    parts: tuple[Part, ...]
    generation: int

    @property
    def ruleset(self) -> Ruleset:
        return self.marked.ruleset


class _Read(NamedTuple):
    """What was read back, and when; as long as the generation stands, nobody has changed anything."""

    generation: int
    of: Ruleset | None
    enforced: Enforced


class Nftables:
    """Owns the table `bartizan` of the network namespace it was made in. Not to be used by two threads at once.

    Args:
        state: The agent's state folder, where the ruleset is stored for the next boot.
        nft: How nftables is spoken to; by default the library, or the program where there is none.
        topology: Of the gateway. A table of another, left from when it was set up otherwise, is removed in the
            transaction that makes this one.
        hearing: What the table copies to the agent. A kernel that cannot do it enforces without.
    """

    def __init__(
        self,
        state: Path,
        nft: Nft | None = None,
        *,
        topology: Topology = Topology.ROUTER,
        hearing: EvidenceSettings = NOTHING_HEARD,
    ) -> None:
        self._layout = layout_of(topology, hearing)
        self._deaf = layout_of(topology)
        self.deaf_because: str | None = None if self._layout is self._deaf else ""
        self._nft = nft or open_nft()
        self._generations = Generations()
        self._continuity = Continuity(self._generations.now())
        self.kernel = kernel_and_namespace()
        self._stored = StoredRulesets(state)
        self._kept: Ruleset | None = None
        self._applied: _Applied | None = None
        self._read: _Read | None = None
        self._evidence: dict[str, Mapping[Key, tuple[int, int]]] = {}

    @property
    def verified_generation(self) -> int:
        """The newest generation of the ruleset at which our table was known to be as applied; 0 before the first."""
        return self._applied.generation if self._applied else 0

    def apply(self, ruleset: Ruleset) -> tuple[str, ...]:
        """Make the kernel enforce exactly `ruleset`; see `Firewall.apply`."""
        before, changed = self._applied, tuple[str, ...]()
        check(ruleset, accepted=before.ruleset if before else None)
        if before is None or before.ruleset == ruleset or not self._exchange(before, ruleset):
            changed = self._make_certain(ruleset)
        self._store(ruleset)
        return changed

    def read(self) -> Enforced:
        """Return what the kernel really enforces, element by element; see `Firewall.read`."""
        ruleset = self._applied.ruleset if self._applied else None
        read = self._read
        if read is None or read.of is not ruleset or read.generation != self._generations.now():
            read = self._read = self._read_table()
        around = comparison.bypasses(self._nft.listing("list flowtables"))
        unkept = () if ruleset is None or self._is_stored(ruleset) else (_UNKEPT,)
        return msgspec.structs.replace(read.enforced, missing=read.enforced.missing + unkept, bypasses=around)

    def counters(self) -> tuple[DropCounter, ...]:
        """Return the packets dropped, by device and destination."""
        return evidence.drop_counters(self._read_evidence(evidence.is_of_destinations))

    def totals(self) -> tuple[DeviceDrops, ...]:
        """Return the packets dropped on either side of each device of the ruleset last applied."""
        devices = self._applied.ruleset.devices if self._applied else ()
        return evidence.device_drops(devices, self._read_evidence(evidence.is_of_totals))

    def spared(self) -> int:
        """Return the packets of the management path that would have been dropped."""
        return sum(packets for packets, _ in self._read_evidence(SPARED.__eq__).get(SPARED, {}).values())

    def proof(self) -> Proof:
        """Return what is known of the time from the last call to the last `read`."""
        return self._continuity.proof()

    def remove_all(self) -> None:
        """Remove the table; see `Firewall.remove_all`. What is stored for the next boot stays."""
        self._transact("".join(nft_text.remove(family) for family in self._families()))
        self._applied = None
        self._evidence = {}

    def close(self) -> None:
        """Let go of the kernel, which goes on enforcing."""
        self._nft.close()
        self._generations.close()

    def _read_table(self) -> _Read:
        generation, held = self._held()
        mark = held.marks[0] if held.marks else ""
        if self._applied is None:
            nothing = "nothing was applied since the agent started"
            self._continuity.looked(generation, nothing)
            return _Read(generation, None, Enforced(False, mark, (), (nothing,)))
        missing = self._unlike(self._applied, held)
        self._continuity.looked(generation, missing[0] if missing else "")
        if not missing:
            self._applied = self._applied._replace(generation=generation)
        # Elements hold nothing where the rules that look into them were changed.
        sound = held.parts == self._applied.parts
        devices = comparison.held_devices(self._applied.ruleset, held) if sound else ()
        return _Read(generation, self._applied.ruleset, Enforced(not missing, mark, devices, missing))

    def _changed_by_others(self, applied: _Applied) -> tuple[str, ...]:
        """Return what the kernel holds otherwise than applied, reading the table only if anybody changed anything."""
        if self._generations.now() == applied.generation:
            return ()
        generation, held = self._held()
        unlike = self._unlike(applied, held)
        if not unlike:
            self._applied = applied._replace(generation=generation)
        return unlike

    def _exchange(self, before: _Applied, ruleset: Ruleset) -> bool:
        """Go the short way, which is open to routers while nobody else has changed anything; return whether it was."""
        if self._layout.family != ROUTED.family:
            return False
        after = marked(ruleset, before.marked)
        if not self._nft.exchange(differing(before.marked, after), before.generation):
            return False
        self._continuity.changed()
        self._applied = before._replace(marked=after, generation=_after(before.generation))
        return True

    def _make_certain(self, ruleset: Ruleset) -> tuple[str, ...]:
        """Go the long way: whatever the table holds by now, it holds `ruleset` then. Return what others had changed."""
        if self._applied is None:
            self._replace(ruleset)
            return ()
        changed = self._changed_by_others(self._applied)
        if changed:
            self._replace(ruleset)
        elif self._applied.ruleset != ruleset:
            self._change(self._applied, marked(ruleset, self._applied.marked))
        return changed

    def _change(self, before: _Applied, after: Marked) -> None:
        try:
            self._transact(text_of(differing(before.marked, after, self._layout), self._layout.family))
        except FirewallRefused:
            # Somebody changed the table after it was looked at.
            log.warning("difference refused; replacing the table", exc_info=True)
            self._replace(after.ruleset)
            return
        generation = self._generations.now()
        if generation == _after(before.generation):
            self._applied = before._replace(marked=after, generation=generation)
        else:
            self._verify(after, before.parts)

    def _replace(self, ruleset: Ruleset) -> None:
        counted = self._read_evidence(lambda _: True)
        others = [family for family in self._families() if family != self._layout.family]
        before = "".join(map(nft_text.remove, others))
        try:
            self._transact(before + render(ruleset, layout=self._layout))
        except FirewallRefused as refused:
            if self._layout is self._deaf:
                raise
            self._transact(before + render(ruleset, layout=self._deaf))
            log.warning("the kernel cannot copy packets; it enforces without", exc_info=True)
            self._layout, self.deaf_because = self._deaf, str(refused)
        self._put_back(counted)
        self._verify(marked(ruleset), None)

    def _transact(self, text: str) -> None:
        self._nft.transact(text)
        self._continuity.changed()

    def _verify(self, after: Marked, parts: tuple[Part, ...] | None) -> None:
        """Compare the whole table with what was just applied; without `parts`, take those that are complete.

        Raises:
            FirewallRefused: They differ; the next `apply` replaces the table.
        """
        self._applied = None
        generation, held = self._held()
        applied = _Applied(after, held.parts if parts is None else parts, generation)
        wrong = (*comparison.incomplete(held, self._layout), *self._unlike(applied, held))
        if wrong:
            raise FirewallRefused(f"the kernel took the ruleset, but {wrong[0]}: is another program changing it?")
        self._applied = applied

    def _unlike(self, applied: _Applied, held: Held) -> tuple[str, ...]:
        return comparison.unlike(held, applied.marked.digest, applied.parts, elements(applied.ruleset, self._layout))

    def _held(self) -> tuple[int, Held]:
        """Return a generation and the table as it was then."""
        for _ in range(READ_ATTEMPTS):
            generation = self._generations.now()
            try:
                held = parse(self._nft.table(self._layout.family, TABLE))
            except FirewallRefused:
                if self._generations.now() == generation:
                    raise
                continue
            if self._generations.now() == generation:
                return generation, held
        raise FirewallRefused("the ruleset changes faster than it can be read: which program keeps rewriting it?")

    def _families(self) -> tuple[str, ...]:
        """Return the families in which there is a table of ours."""
        tables = (entry.get("table", {}) for entry in self._nft.listing("list tables"))
        return tuple(table["family"] for table in tables if table.get("name") == TABLE)

    def _read_evidence(self, wanted: Callable[[str], bool]) -> Evidence:
        """Return the evidence in the kernel; of a set that is not there or not wanted, what was last seen in it."""
        for name in (spec.name for spec in self._layout.sets if spec.size and spec.counts and wanted(spec.name)):
            with suppress(FirewallRefused):
                listing = self._nft.listing(f"list set {self._layout.family} {TABLE} {name}")
                self._evidence |= parse(listing).evidence
        return self._evidence

    def _put_back(self, counted: Evidence) -> None:
        text = "".join(
            nft_text.put_counted(self._layout.family, name, contents) for name, contents in counted.items() if contents
        )
        if not text:
            return
        try:
            self._transact(text)
        except FirewallRefused:
            log.warning("drop counters could not be carried over; they begin at zero", exc_info=True)

    def _is_stored(self, ruleset: Ruleset) -> bool:
        return self._kept == ruleset and self._stored.is_there

    def _store(self, ruleset: Ruleset) -> None:
        if self._is_stored(ruleset):
            return
        # What is in force matters more than what the next boot begins with: said, and tried again with the next apply.
        try:
            self._stored.keep(render(ruleset, layout=self._deaf))
        except Unavailable:
            log.exception("ruleset not stored for the next boot")
        else:
            self._kept = ruleset


def _after(generation: int) -> int:
    return generation + 1 & 0xFFFFFFFF or 1  # the kernel's counter has 32 bits and leaves out 0
