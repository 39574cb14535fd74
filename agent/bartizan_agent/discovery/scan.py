"""One scan of whole segments: listen and ask by datagram, wake the link, and connect only to what is alive."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from bartizan.identity.model import Observation
from bartizan.ids import Address
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.answer import Heard, Rubbish
from bartizan_agent.discovery.channels import channels
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.neighbours import Neighbours, News, Table
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.ports import Ports
from bartizan_agent.discovery.rtnetlink import Neighbour
from bartizan_agent.discovery.segment import Segment
from bartizan_agent.discovery.sweep import Target, nudge, wake_ipv6
from bartizan_agent.discovery.visits import Visits

_ROUNDS = 2  # every request is sent twice, because datagrams get lost
_ROUND_SECONDS = 0.2
_SETTLE_SECONDS = 0.3  # for the last address nudged to answer

Progress = Callable[[str], None]


async def scan(
    targets: Sequence[Target],
    limits: Limits | None = None,
    progress: Progress | None = None,
    looked: Looked | None = None,
    ports: Ports | None = None,
    neighbours: Table | None = None,
) -> tuple[Observation, ...]:
    """Return what is on the links of some interfaces, one observation per device.

    Whatever a device does, the scan ends within `Limits.total_seconds`, with what it has found until then.

    Args:
        targets: Interfaces, and where on their links addresses may be tried.
        limits: How politely.
        progress: Told in words what goes on, and what is left out.
        looked: What earlier scans looked at: who has not changed since is seen, but not asked again.
        ports: Of a bridge, where the devices are; by default everybody on the link is looked at.
        neighbours: Who was on the link before; follows who is, until the scan ends.

    Raises:
        OSError: The kernel refuses a socket that it refuses nobody.
    """
    return await _Scan(
        targets, limits or Limits(), progress or _say_nothing, looked or Looked(), ports or Ports(), neighbours
    ).run()


class _Scan:
    """The state of one scan."""

    def __init__(
        self,
        targets: Sequence[Target],
        limits: Limits,
        progress: Progress,
        looked: Looked,
        ports: Ports,
        table: Table | None,
    ) -> None:
        self._targets = targets
        self._limits = limits
        self._progress = progress
        self._tasks = asyncio.TaskGroup()
        self._neighbours = Neighbours([target.interface.index for target in targets], self._neighbour, table=table)
        self._visits = Visits(targets, limits, self._tasks, self._neighbours.table, looked, ports)
        self._asked_alone: set[tuple[int, Address]] = set()
        self._is_open = True
        self._last_heard = 0.0

    async def run(self) -> tuple[Observation, ...]:
        with contextlib.ExitStack() as sockets:
            sockets.enter_context(self._neighbours)
            segments = [
                sockets.enter_context(Segment(target.interface, channels(), self._heard)) for target in self._targets
            ]
            for problem in (problem for segment in segments for problem in segment.problems):
                self._progress(problem)
            try:
                async with asyncio.timeout(self._limits.total_seconds), self._tasks:
                    await self._find(segments)
            except TimeoutError:
                self._progress(f"stopped after {self._limits.total_seconds:g} s; what was found until then follows")
            return self._visits.take()

    async def _find(self, segments: list[Segment]) -> None:
        """Let everything begin at once; what is found along the way is looked at at once, too."""
        try:
            self._consider_neighbours()
            waking = [self._tasks.create_task(self._wake(target)) for target in self._targets]
            for number in range(_ROUNDS):
                for segment in segments:
                    await segment.ask(number, self._visits.caller.pace)
                await asyncio.sleep(_ROUND_SECONDS)
            await self._ask_the_silent(segments)
            await asyncio.gather(self._listen(), *waking)
            if await self._ask_the_silent(segments):  # who was so slow to wake that it was not there before
                await self._listen()
            self._consider_what_has_no_ipv4()
            await self._visits.finished()
        finally:
            self._is_open = False

    def _consider_neighbours(self) -> None:
        for entry in self._neighbours.table.entries():
            if entry.state & rtnetlink.REACHABLE:
                self._visits.see(entry.index, entry.address)
            self._consider(entry.index, entry.address)

    async def _ask_the_silent(self, segments: list[Segment]) -> bool:
        """Ask those alone, once, who are there and have said nothing; return whether there were any.

        Some switches keep groups and broadcasts away.
        """
        asked_before = len(self._asked_alone)
        for segment, target in zip(segments, self._targets, strict=True):
            for entry in self._neighbours.table.entries():
                if self._is_silent(entry, target):
                    self._asked_alone.add((entry.index, entry.address))
                    await segment.ask_directly(entry.address, self._visits.caller.pace)
        return len(self._asked_alone) > asked_before

    def _is_silent(self, entry: Neighbour, target: Target) -> bool:
        place = (entry.index, entry.address)
        is_there = entry.index == target.interface.index and target.covers(entry.address) and ":" not in entry.address
        is_new = is_there and place not in self._asked_alone and not self._visits.has_heard(*place)
        return is_new and self._visits.is_ours(*place)

    async def _listen(self) -> None:
        limits, loop = self._limits, asyncio.get_running_loop()
        asked = loop.time() - _ROUND_SECONDS
        while True:
            until = max(asked + limits.listen_seconds, self._last_heard + limits.quiet_seconds)
            remaining = min(until, asked + limits.listen_seconds_at_most) - loop.time()
            if remaining <= 0:
                return
            await asyncio.sleep(remaining)

    async def _wake(self, target: Target) -> None:
        has_ipv6 = bool(target.networks) and target.interface.has_ipv6
        if has_ipv6 and not wake_ipv6(target.interface):
            self._progress(
                f"devices on {target.interface.name} that speak only IPv6 may be missed: waking them needs root"
            )
        await nudge(target, self._limits, self._visits.caller.pace)
        if has_ipv6:
            # All answer at once, each after asking everybody for us: where that was too much, the second time is calm.
            wake_ipv6(target.interface)
        await asyncio.sleep(_SETTLE_SECONDS)

    def _heard(self, interface: Interface, address: Address, answer: Heard | Rubbish) -> None:
        self._last_heard = asyncio.get_running_loop().time()
        if self._is_open:
            self._visits.hear(interface, address, answer)
            self._consider(interface.index, address)

    def _neighbour(self, entry: Neighbour, news: News) -> None:
        if self._is_open and news is not News.GONE:
            self._visits.see(entry.index, entry.address)
            self._consider(entry.index, entry.address)

    def _consider(self, index: int, address: Address) -> None:
        """Look at an address. IPv6 waits: most devices that have it have IPv4, too."""
        if ":" not in address:
            self._visits.visit(index, address)

    def _consider_what_has_no_ipv4(self) -> None:
        entries = self._neighbours.table.entries()
        have_ipv4 = {(entry.index, entry.mac) for entry in entries if ":" not in entry.address}
        for entry in entries:
            if (entry.index, entry.mac) not in have_ipv4 and ip_address(entry.address).is_link_local:
                self._visits.visit(entry.index, entry.address)


def _say_nothing(_text: str) -> None:
    pass
