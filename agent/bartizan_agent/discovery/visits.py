"""What is heard and seen on some segments, and the looks that follow from it: the part that scan and watch share."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

from bartizan.identity.model import Observation
from bartizan.ids import Address, Mac
from bartizan_agent.changes import LEAVING
from bartizan_agent.discovery import ssdp
from bartizan_agent.discovery.answer import Heard, Rubbish
from bartizan_agent.discovery.exchange import Caller, Peer
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.looks import Hints, Look
from bartizan_agent.discovery.neighbours import Table
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.ports import Ports
from bartizan_agent.discovery.sightings import Place, Sighting, merge
from bartizan_agent.discovery.sweep import Target

_log = logging.getLogger(__name__)


class Visits:
    """Sightings as they come in, and at most one look at a time at any device. Lives in the event loop's thread.

    Args:
        targets: Where looks are allowed.
        limits: How politely.
        tasks: Owns the looks.
        table: The neighbour table, followed by somebody else.
        looked: What was looked at before and need not be again.
        ports: Who is ours to look at, and where.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        limits: Limits,
        tasks: asyncio.TaskGroup,
        table: Table,
        looked: Looked,
        ports: Ports,
    ) -> None:
        self.caller = Caller(limits)
        self._looked = looked
        self._ports = ports
        self._began = asyncio.get_running_loop().time()
        self._skipped: set[Place] = set()
        self._heard: set[Place] = set()
        self._targets = {target.interface.index: target for target in targets}
        self._slots = asyncio.Semaphore(limits.concurrent_devices)
        self._tasks = tasks
        self._table = table
        self._sightings: list[Sighting] = []
        self._hints: dict[Place, Hints] = {}
        self._turns: dict[tuple[int, str], asyncio.Lock] = {}
        self._asked: set[tuple[Place, object]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._told = asyncio.Event()

    def hear(self, interface: Interface, address: Address, answer: Heard | Rubbish) -> None:
        """Take in an answer. A UPnP description that it points to is fetched, if it lies on the device itself."""
        if isinstance(answer, Rubbish):
            self._tell(Sighting(interface.name, address, problems=(answer.reason,)))
            return
        problems = (LEAVING,) if answer.is_leaving else ()
        self._tell(Sighting(interface.name, address, answer.evidence, answer.claimed_mac, problems=problems))
        self._hint((interface.name, address)).learn(answer.evidence, answer.web_ports)
        self._look_again_if_changed(interface, address, answer)
        where = ssdp.description_target(answer.location, address) if answer.location else None
        if where and not self._is_known(interface.index, address):
            look = self._look_at(interface, address)
            self._once(interface.index, address, where, functools.partial(look.describe, *where))

    def see(self, index: int, address: Address) -> None:
        """Take in that an address has just answered on the link."""
        self._tell(Sighting(self._targets[index].interface.name, address))

    def visit(self, index: int, address: Address, occasion: str = "") -> None:
        """Look at an address, if that is allowed, needed, and was not done on this occasion before."""
        place = (self._targets[index].interface.name, address)
        if self._is_known(index, address):
            self._skipped.add(place)
            return
        self._looked.note(place, self._table.mac_of(index, address), asyncio.get_running_loop().time())
        self._once(index, address, occasion, self._look_at(self._targets[index].interface, address).run)

    def has_heard(self, index: int, address: Address) -> bool:
        """Return whether a device said anything by itself, or was looked at before and so need not be asked."""
        place = (self._targets[index].interface.name, address)
        return place in self._heard or self._is_known(index, address)

    def is_ours(self, index: int, address: Address) -> bool:
        """Return whether who is at an address may be looked at: beyond a bridge's uplink it may not."""
        return self._ports.is_ours(self._table.mac_of(index, address))

    async def finished(self) -> None:
        """Return when no look is under way, those included that follow from what is heard meanwhile."""
        while self._running:
            await asyncio.wait(self._running)

    async def news(self) -> None:
        """Return when something was seen since `take`."""
        await self._told.wait()

    def take(self) -> tuple[Observation, ...]:
        """Return what was seen since it was last taken, one observation per device."""
        seen, self._sightings = self._sightings, []
        self._told.clear()
        return self._ports.placed(merge(seen, self._macs()))

    def _is_known(self, index: int, address: Address) -> bool:
        place = (self._targets[index].interface.name, address)
        now = asyncio.get_running_loop().time()
        return self._looked.is_known(place, self._table.mac_of(index, address), before=self._began, now=now)

    def _look_again_if_changed(self, interface: Interface, address: Address, answer: Heard) -> None:
        place = (interface.name, address)
        self._heard.add(place)
        has_changed = self._looked.is_news(place, answer.evidence)
        if has_changed or answer.is_arriving:
            self._looked.forget(place)
            if place in self._skipped:
                self.visit(interface.index, address)

    def _once(self, index: int, address: Address, occasion: object, look: Callable[[], Awaitable[None]]) -> None:
        target = self._targets[index]
        key = ((target.interface.name, address), occasion)
        if target.covers(address) and key not in self._asked and self.is_ours(index, address):
            self._asked.add(key)
            running = self._tasks.create_task(self._in_turn(index, address, look))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def _in_turn(self, index: int, address: Address, look: Callable[[], Awaitable[None]]) -> None:
        """Look when no other connection of ours is open to the device, which may have several addresses."""
        device = self._table.mac_of(index, address) or address
        async with self._turns.setdefault((index, device), asyncio.Lock()), self._slots:
            try:
                await look()
            except Exception:  # noqa: BLE001 - supervising: one camera must not stop the others
                _log.exception("look failed", extra={"address": address})

    def _look_at(self, interface: Interface, address: Address) -> Look:
        return Look(Peer(interface, address), self._hint((interface.name, address)), self.caller, self._tell)

    def _hint(self, place: Place) -> Hints:
        return self._hints.setdefault(place, Hints())

    def _tell(self, sighting: Sighting) -> None:
        self._sightings.append(sighting)
        if sighting.open_ports:
            self._looked.opened((sighting.interface, sighting.address))
        self._told.set()

    def _macs(self) -> dict[Place, Mac]:
        return {
            (self._targets[entry.index].interface.name, entry.address): entry.mac
            for entry in self._table.entries()
            if entry.mac and entry.index in self._targets
        }
