"""One scan of whole segments: listen and ask by datagram, wake the link, and look only at what is alive."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from bartizan.identity.model import Observation
from bartizan.ids import Address, Mac
from bartizan_agent.discovery import rtnetlink, ssdp
from bartizan_agent.discovery.answer import Heard, Rubbish
from bartizan_agent.discovery.channels import channels
from bartizan_agent.discovery.exchange import Caller, Peer
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.looks import Hints, Look
from bartizan_agent.discovery.neighbours import Neighbours, News
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.rtnetlink import Neighbour
from bartizan_agent.discovery.segment import Segment
from bartizan_agent.discovery.sightings import Place, Sighting, merge
from bartizan_agent.discovery.sweep import Target, nudge, wake_ipv6

_ROUNDS = 2  # every request is sent twice, because datagrams get lost
_ROUND_SECONDS = 0.2
_SETTLE_SECONDS = 0.3  # for the last address nudged to answer

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]


async def scan(
    targets: Sequence[Target], limits: Limits | None = None, progress: Progress | None = None
) -> tuple[Observation, ...]:
    """Return what is on the links of some interfaces, one observation per device.

    Whatever a device does, the scan ends within `Limits.total_seconds`, with what it has found until then.

    Args:
        targets: Interfaces, and where on their links addresses may be tried.
        limits: How politely.
        progress: Told in words what goes on, and what is left out.

    Raises:
        OSError: The kernel refuses a socket that it refuses nobody.
    """
    return await _Scan(targets, limits or Limits(), progress or _say_nothing).run()


class _Scan:
    """The state of one scan. Everything happens in the event loop's thread."""

    def __init__(self, targets: Sequence[Target], limits: Limits, progress: Progress) -> None:
        self._targets = {target.interface.index: target for target in targets}
        self._limits = limits
        self._progress = progress
        self._caller = Caller(limits)
        self._slots = asyncio.Semaphore(limits.concurrent_devices)
        self._sightings: list[Sighting] = []
        self._hints: dict[Place, Hints] = {}
        self._turns: dict[tuple[int, str], asyncio.Lock] = {}
        self._looked: set[Place] = set()
        self._fetched: set[tuple[Place, tuple[int, str]]] = set()
        self._open = True
        self._tasks = asyncio.TaskGroup()
        self._neighbours = Neighbours(self._targets, self._neighbour)

    async def run(self) -> tuple[Observation, ...]:
        with contextlib.ExitStack() as sockets:
            sockets.enter_context(self._neighbours)
            segments = [sockets.enter_context(self._segment(target)) for target in self._targets.values()]
            for problem in (problem for segment in segments for problem in segment.problems):
                self._progress(problem)
            try:
                async with asyncio.timeout(self._limits.total_seconds), self._tasks:
                    await self._find(segments)
            except TimeoutError:
                self._progress(f"stopped after {self._limits.total_seconds:g} s; what was found until then follows")
        return merge(self._sightings, self._macs())

    async def _find(self, segments: list[Segment]) -> None:
        """Let everything begin at once. What is found along the way is looked at by tasks of its own."""
        for entry in self._neighbours.table.entries():
            if entry.state & rtnetlink.REACHABLE:
                self._neighbour(entry, News.CONFIRMED)
            self._consider(entry.index, entry.address)
        waking = [self._tasks.create_task(self._wake(target)) for target in self._targets.values()]
        for number in range(_ROUNDS):
            for segment in segments:
                segment.ask(number)
            await asyncio.sleep(_ROUND_SECONDS)
        await asyncio.sleep(self._limits.listen_seconds - _ROUND_SECONDS)
        await asyncio.gather(*waking)
        self._consider_addresses_without_ipv4()
        self._open = False

    async def _wake(self, target: Target) -> None:
        if target.networks and target.interface.has_ipv6 and not wake_ipv6(target.interface):
            self._progress("devices that speak only IPv6 may be missed: waking them needs root")
        await nudge(target, self._limits, self._caller.pace)
        await asyncio.sleep(_SETTLE_SECONDS)

    def _segment(self, target: Target) -> Segment:
        return Segment(target.interface, channels(), self._heard)

    def _heard(self, interface: Interface, address: Address, answer: Heard | Rubbish) -> None:
        if isinstance(answer, Rubbish):
            self._sightings.append(Sighting(interface.name, address, problems=(answer.reason,)))
            return
        self._sightings.append(Sighting(interface.name, address, answer.evidence, answer.claimed_mac))
        self._hint((interface.name, address)).learn(answer.evidence, answer.web_ports)
        self._describe(interface, address, answer.location)
        self._consider(interface.index, address)

    def _neighbour(self, entry: Neighbour, news: News) -> None:
        if news is not News.GONE:
            self._sightings.append(Sighting(self._targets[entry.index].interface.name, entry.address))
            self._consider(entry.index, entry.address)

    def _consider(self, index: int, address: Address) -> None:
        """Look at an address if this scan may, once. IPv6 waits: most of its devices have IPv4 too."""
        if ":" not in address:
            self._look(index, address)

    def _consider_addresses_without_ipv4(self) -> None:
        table = self._neighbours.table
        has_ipv4 = {(entry.index, entry.mac) for entry in table.entries() if ":" not in entry.address}
        for entry in table.entries():
            if (entry.index, entry.mac) not in has_ipv4 and ip_address(entry.address).is_link_local:
                self._look(entry.index, entry.address)

    def _look(self, index: int, address: Address) -> None:
        target = self._targets[index]
        place = (target.interface.name, address)
        if self._open and target.covers(address) and place not in self._looked:
            self._looked.add(place)
            look = Look(Peer(target.interface, address), self._hint(place), self._caller, self._sightings.append)
            self._tasks.create_task(self._in_turn(index, address, look.run))

    def _describe(self, interface: Interface, address: Address, location: str) -> None:
        """Fetch a UPnP description, if it lies on the device itself and this scan may connect to it."""
        where = ssdp.description_target(location, address) if location else None
        if where is None or not self._open or not self._targets[interface.index].covers(address):
            return
        place = (interface.name, address)
        if (place, where) not in self._fetched:
            self._fetched.add((place, where))
            look = Look(Peer(interface, address), self._hint(place), self._caller, self._sightings.append)
            self._tasks.create_task(self._in_turn(interface.index, address, functools.partial(look.describe, *where)))

    async def _in_turn(self, index: int, address: Address, look: Callable[[], Awaitable[None]]) -> None:
        """Look when the device has no other connection of ours: one device may have several addresses."""
        device = self._neighbours.table.mac_of(index, address) or address
        async with self._turns.setdefault((index, device), asyncio.Lock()), self._slots:
            try:
                await look()
            except Exception:  # noqa: BLE001 - supervising: one camera must not stop the others
                _log.exception("look failed", extra={"address": address})

    def _hint(self, place: Place) -> Hints:
        return self._hints.setdefault(place, Hints())

    def _macs(self) -> dict[Place, Mac]:
        return {
            (self._targets[entry.index].interface.name, entry.address): entry.mac
            for entry in self._neighbours.table.entries()
            if entry.mac
        }


def _say_nothing(_text: str) -> None:
    pass
