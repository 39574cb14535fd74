"""The camera segments as this gateway is connected to them now."""

import logging
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path

from bartizan.containment.check import ROUTERS
from bartizan.ids import Address, Network
from bartizan_agent.clock import Clock
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.interfaces import Interface, dump, interfaces
from bartizan_agent.reconcile import Link
from bartizan_agent.renamed import Remembered
from bartizan_agent.settings import ContainmentSettings, SegmentSettings, Topology

GOOD_FOR_SECONDS = 10.0
_FORWARDING = {"net.ipv4.ip_forward": "ipv4/ip_forward", "net.ipv6.conf.all.forwarding": "ipv6/conf/all/forwarding"}

log = logging.getLogger(__name__)


class Links:
    """Gives each configured segment with its networks: the configured ones, or else its interface's or bridge's."""

    def __init__(
        self,
        segments: Iterable[SegmentSettings],
        containment: ContainmentSettings,
        clock: Clock,
        remembered: Remembered,
    ) -> None:
        self._segments = tuple(segments)
        self._remembered = remembered
        self._containment = containment
        self._clock = clock
        self._links: tuple[Link, ...] = ()
        self._routers: tuple[Address, ...] = ()
        self._read_at = float("-inf")

    def __call__(self) -> tuple[Link, ...]:
        """Return the segments, as of a few seconds ago at most."""
        self._renew()
        return self._links

    def routers(self) -> tuple[Address, ...]:
        """Return the routers of the bridged link; none where this gateway routes itself."""
        self._renew()
        return self._routers

    def look_again(self) -> None:
        """Have the kernel asked anew the next time: an interface came, went or changed."""
        self._read_at = float("-inf")

    def _renew(self) -> None:
        now = self._clock.monotonic()
        if now - self._read_at < GOOD_FOR_SECONDS:
            return
        self._read_at = now
        names = [each.interface for each in self._segments]
        present: dict[str, Interface] = {}
        routes: list[rtnetlink.Message] = []
        try:
            present = {one.name: one for one in interfaces()}
            if self._containment.topology is Topology.BRIDGE and not self._containment.routers:
                routes = dump(rtnetlink.RTM_GETROUTE)
        except OSError:
            log.warning("the kernel does not tell its interfaces", exc_info=True)
            unknown = (Link(each.interface, each.networks, each.ports_isolated) for each in self._segments)
            self._links = self._links or tuple(unknown)
            return
        around = bypasses(self._containment.topology, names, present, _forwards())
        configured = (
            Link(
                each.interface,
                each.networks or _networks(each.interface, present),
                each.ports_isolated,
                around[each.interface],
                missing=each.interface not in present,
                own=_own(each.interface, present),
            )
            for each in self._segments
        )
        renamed = self._remembered.look(names, present)
        called_now = (
            Link(now, _networks(now, present), own=_own(now, present), instead_of=name)
            for name, now in sorted(renamed.items())
        )
        self._links = (*configured, *called_now)
        if self._containment.topology is Topology.BRIDGE:
            bridges = {present[each.interface].bridge for each in self._segments if each.interface in present}
            self._routers = self._containment.routers or next_hops(routes, bridges)


def bypasses(
    topology: Topology, names: Iterable[str], present: Mapping[str, Interface], forwards: Iterable[str]
) -> dict[str, str]:
    """Return for each segment what takes its packets past the packet filter, in words; nothing where nothing does.

    Args:
        topology: Of the gateway.
        names: Of the segments' interfaces.
        present: The interfaces that there are, by name. One that is not there has no packets.
        forwards: The sysctls by which this gateway routes.
    """
    routing = " and ".join(forwards)
    found = {}
    for name in names:
        interface = present.get(name)
        problem = ""
        if interface is not None and topology is Topology.ROUTER and interface.bridge:
            bridge = next((each.name for each in present.values() if each.index == interface.bridge), "a bridge")
            problem = f"{name} is a port of {bridge}, whose frames no router sees: set topology to bridge"
        elif interface is not None and topology is Topology.BRIDGE and not interface.bridge:
            problem = f"{name} is no port of a bridge, so nothing of it passes the filter: set topology to router"
        elif topology is Topology.BRIDGE and routing:
            problem = f"this gateway routes besides, and what it routes does not cross its bridge: set {routing} to 0"
        found[name] = problem
    return found


def next_hops(routes: Iterable[rtnetlink.Message], bridges: Iterable[int]) -> tuple[Address, ...]:
    """Return the next hops of this gateway's own routes by any of these bridges."""
    ours = set(bridges)
    hops = (hop for route in routes if isinstance(route, rtnetlink.Routes) for hop in route.hops)
    return tuple(sorted({address for index, address in hops if index in ours}))[:ROUTERS]


def _networks(name: str, present: Mapping[str, Interface]) -> tuple[Network, ...]:
    return tuple(Network(str(net)) for each in _with_bridge(name, present) for net in each.networks)


def _own(name: str, present: Mapping[str, Interface]) -> tuple[Address, ...]:
    found = {address for each in _with_bridge(name, present) for address in each.addresses}
    return tuple(sorted(address for address in found if not ip_address(address).is_link_local))


def _with_bridge(name: str, present: Mapping[str, Interface]) -> tuple[Interface, ...]:
    """Return the interface of a segment, and the bridge that it is a port of."""
    interface = present.get(name)
    if interface is None:
        return ()
    indexes = {interface.index, interface.bridge}
    return tuple(each for each in present.values() if each.index in indexes)


def _forwards() -> tuple[str, ...]:
    return tuple(name for name, path in _FORWARDING.items() if _reads(Path("/proc/sys/net", path)))


def _reads(path: Path) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() != "0"
    except OSError:
        return False
