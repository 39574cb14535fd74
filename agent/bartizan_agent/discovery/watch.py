"""Watching segments for ever: announcements and new neighbours as they come, and a full scan now and then."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, ip_network

import msgspec

from bartizan.identity.model import Observation
from bartizan.ids import Address
from bartizan_agent.discovery import dhcp
from bartizan_agent.discovery.answer import Heard, Rubbish
from bartizan_agent.discovery.channels import channels
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interface_news import InterfaceNews
from bartizan_agent.discovery.interfaces import Interface, named
from bartizan_agent.discovery.leases import Leases
from bartizan_agent.discovery.looked import Looked
from bartizan_agent.discovery.neighbours import Neighbours, News, Table
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.ports import Ports
from bartizan_agent.discovery.rtnetlink import Neighbour
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.segment import Segment
from bartizan_agent.discovery.sweep import Target, target
from bartizan_agent.discovery.visits import Visits
from bartizan_agent.settings import SegmentSettings

_NEIGHBOUR_PAUSE_SECONDS = 10.0  # ageing entries of 200 known cameras would wake us 20 times a second
_GATHER_SECONDS = 1.0  # a device that comes up says several things at once
_RETRY_SECONDS = 30.0  # while no interface can be watched

_log = logging.getLogger(__name__)

Found = tuple[Observation, ...]
Tell = Callable[[Found], None]


class Watch:
    """Tells of everything that is seen on the configured segments, as long as `run` runs.

    Args:
        segments: The interfaces, and their networks.
        tell: Called in the event loop with observations: of all devices after a scan, of single ones in between.
        interval_seconds: Between full scans.
        limits: How politely.
        ports: Of a bridge, where the devices are; by default each segment is an interface of its own.
        interfaces_changed: Called when some interface or address of this machine came, went or changed.
    """

    def __init__(
        self,
        segments: Sequence[SegmentSettings],
        tell: Tell,
        *,
        interval_seconds: float,
        limits: Limits | None = None,
        ports: Ports | None = None,
        interfaces_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._segments = tuple(segments)
        self._interfaces_changed = interfaces_changed
        self._tell = tell
        self._interval_seconds = interval_seconds
        self._limits = limits or Limits()
        self._ports = ports or Ports()
        self._scan_wanted = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self._scanned: list[Target] = []
        self._looked = Looked()
        self._table = Table()
        self._complaints: set[str] = set()

    def scan_now(self) -> None:
        """Ask for a scan that looks at every device again, whether due or not. Asking twice is asking once."""
        self._looked.forget_all()
        self._scan_wanted.set()

    async def run(self) -> None:
        """Scan, listen until the next scan is due or wanted, and so on, until cancelled."""
        with InterfaceNews(self._look_at_interfaces):
            while True:
                self._scan_wanted.clear()
                targets = self._scanned = self._targets()
                if targets:
                    await self._listen(targets, await self._scan(targets))
                else:
                    await self._wanted_within(_RETRY_SECONDS)

    async def _scan(self, targets: Sequence[Target]) -> Found | None:
        try:
            return await scan(targets, self._limits, _log.debug, self._looked, self._ports, self._table)
        except OSError as error:
            _log.warning("scan failed", exc_info=error)
            return None

    async def _listen(self, targets: Sequence[Target], found: Found | None) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                listening = _Listening(
                    targets=targets,
                    limits=self._limits,
                    tasks=tasks,
                    tell=self._tell,
                    looked=self._looked,
                    table=self._table,
                    ports=self._ports,
                    complain=self._complain_once,
                )
                with contextlib.ExitStack() as sockets:
                    try:
                        listening.open(sockets)
                    finally:  # told once whoever acts on it would be heard
                        if found is not None:
                            self._tell(found)
                    telling = tasks.create_task(listening.run())
                    await self._wanted_within(self._interval_seconds)
                    telling.cancel()
        except* OSError as error:  # an interface went away under us: what is there now is found out anew
            _log.warning("listening failed", exc_info=error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _look_at_interfaces(self) -> None:
        """Scan anew if a segment's interface came, went, or has another address: our sockets are bound to the old.

        So too once its cable is plugged in: what was asked before that, nobody heard.
        """
        targets, before = self._targets(), self._scanned
        self._scanned = targets
        self._interfaces_changed()
        if list(map(_unplugged, targets)) != list(map(_unplugged, before)):
            self.scan_now()
        elif any(
            now.interface.has_carrier and not old.interface.has_carrier
            for now, old in zip(targets, before, strict=True)
        ):
            self._scan_wanted.set()

    def _complain_once(self, problem: str) -> None:
        if problem and problem not in self._complaints:
            self._complaints.add(problem)
            _log.warning("not everything is heard", extra={"reason": problem})

    async def _wanted_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._scan_wanted.wait()

    def _targets(self) -> list[Target]:
        found = [self._target(segment) for segment in self._segments]
        of_link: dict[int, Target] = {}
        for one in filter(None, found):  # ports of one bridge are one link
            before = of_link.get(one.interface.index)
            networks = dict.fromkeys((*(before.networks if before else ()), *one.networks))
            of_link[one.interface.index] = Target(one.interface, tuple(networks))
        return list(of_link.values())

    def _target(self, segment: SegmentSettings) -> Target | None:
        """Return what can be watched of a segment. What cannot is logged once, and once when it can again."""
        try:
            interface = self._ports.link_of(named(segment.interface))
        except CannotScan as error:
            self._trouble(segment.interface, str(error))
            return None
        networks = [network for text in segment.networks if isinstance(network := ip_network(text), IPv4Network)]
        try:
            wanted = target(interface, networks if segment.networks else None, self._limits)
        except CannotScan as error:
            self._trouble(segment.interface, f"only listening: {error}")
            return Target(interface)
        self._trouble(segment.interface, "")
        return wanted

    def _trouble(self, interface: str, trouble: str) -> None:
        if self._troubles.get(interface, "") != trouble:
            self._troubles[interface] = trouble
            _log.warning(
                "segment cannot be scanned" if trouble else "segment can be scanned again",
                extra={"interface": interface, "trouble": trouble},
            )


def _unplugged(target: Target) -> Target:
    return msgspec.structs.replace(target, interface=msgspec.structs.replace(target.interface, has_carrier=False))


class _Listening:
    """Listens between two scans. Wakes up for what arrives, and for nothing else."""

    def __init__(  # noqa: PLR0913 - built in one place, by keyword
        self,
        *,
        targets: Sequence[Target],
        limits: Limits,
        tasks: asyncio.TaskGroup,
        tell: Tell,
        looked: Looked,
        table: Table,
        ports: Ports,
        complain: Callable[[str], None],
    ) -> None:
        self._complain = complain
        self._looked = looked
        self._targets = targets
        self._names = {target.interface.index: target.interface.name for target in targets}
        self._tell = tell
        self._neighbours = Neighbours(
            [target.interface.index for target in targets],
            self._neighbour,
            pause_seconds=_NEIGHBOUR_PAUSE_SECONDS,
            table=table,
            go_on=True,
        )
        self._visits = Visits(targets, limits, tasks, self._neighbours.table, looked, ports)

    def open(self, sockets: contextlib.ExitStack) -> None:
        """Listen from now on, until `sockets` is closed.

        Raises:
            OSError: An interface is gone.
        """
        sockets.enter_context(self._neighbours)
        for one in self._targets:
            sockets.enter_context(Segment(one.interface, channels(), self._heard, listen=True))
            self._complain(sockets.enter_context(Leases(one.interface, self._requested)).problem)

    async def run(self) -> None:
        """Tell what comes, until cancelled."""
        while True:
            await self._visits.news()
            await asyncio.sleep(_GATHER_SECONDS)
            self._neighbours.catch_up()  # who has just announced itself is known by its MAC from the first
            self._tell(self._visits.take())

    def _heard(self, interface: Interface, address: Address, answer: Heard | Rubbish) -> None:
        """An announcement comes when the services are up, which they may not have been when the neighbour appeared."""
        self._visits.hear(interface, address, answer)
        self._looked.forget_closed((interface.name, address))
        if not (isinstance(answer, Heard) and answer.is_leaving):
            self._visits.visit(interface.index, address, "announced")

    def _requested(self, interface: Interface, request: dhcp.Request) -> None:
        """A request is believed of an address that nobody else is known to have."""
        holder = self._neighbours.table.mac_of(interface.index, request.address)
        if holder in {None, request.claimed_mac}:
            self._heard(interface, request.address, request)

    def _neighbour(self, entry: Neighbour, news: News) -> None:
        if news is News.GONE:
            self._forget(entry)
        elif news is News.APPEARED:
            self._visits.see(entry.index, entry.address)
            if ":" not in entry.address:
                self._visits.visit(entry.index, entry.address)

    def _forget(self, entry: Neighbour) -> None:
        """Who was away may be another, or run other firmware, when it is back."""
        self._looked.forget((self._names[entry.index], entry.address))
