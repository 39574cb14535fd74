"""Which ports are to be held for which devices, decided from what is wanted, what switches say and what is held. Pure.

What is held stays held until its device is wanted otherwise, or is seen on a port of its own elsewhere while its old
port has no link. So neither a device that sends under strange addresses, nor one that borrows a held one's, nor a
switch that does not answer opens a port.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, Mac
from bartizan_agent.switches import writing
from bartizan_agent.switches.journal import Hold
from bartizan_agent.switches.locate import Place, places
from bartizan_agent.switches.reading import Port, View
from bartizan_agent.switches.settings import SwitchSettings

Key = tuple[str, str]
"""A switch, and the name of a port on it."""


class Wanted(NamedTuple):
    """A device that is to be held at a level."""

    device: DeviceId
    level: Level
    macs: tuple[Mac, ...]


class Site(NamedTuple):
    """What is known when it is decided."""

    switches: Mapping[str, SwitchSettings]
    views: Mapping[str, View]
    """Of those that answered, by name."""
    protected: Mapping[Mac, str]
    """Addresses whose port is never touched, and what they are."""
    barred: Mapping[Key, str] = {}
    """Ports that are not to be tried at present, and why."""


class Plan(NamedTuple):
    """What is to be so."""

    holds: tuple[Hold, ...]
    """All that are to be, and those that are to end."""
    refusals: dict[DeviceId, str]
    """Why a device that a switch should hold cannot be."""


def plan(wanted: Iterable[Wanted], site: Site, holds: Iterable[Hold]) -> Plan:
    """Return which ports are to be held from now on, given those that are."""
    planner = _Planner(wanted, site, (_by_todays_name(hold, site.views) for hold in holds))
    planner.keep()
    refusals = dict(planner.begin())
    return Plan(planner.holds(), refusals)


def port_of(hold: Hold, view: View) -> Port | None:
    """Return a held port as its switch numbers it today; None if it has none of this name, or several.

    A port held while its switch told no names is called by its ifIndex.
    """
    port = view.ports.get(hold.number)
    if port is not None and port.name == hold.port:
        return port
    named = [each for each in view.ports.values() if each.name == hold.port]
    if not named:
        named = [each for each in view.ports.values() if str(each.interface) == hold.port]
    return named[0] if len(named) == 1 else None


def _by_todays_name(hold: Hold, views: Mapping[str, View]) -> Hold:
    view = views.get(hold.switch)
    port = None if view is None else port_of(hold, view)
    return hold if port is None or port.awaits_name else replace(hold, port=port.name)


def companions(vlan: int, site: Site, holds: Iterable[Hold]) -> list[str]:
    """Return the ports in an isolation VLAN, on any switch that answered, that are neither held nor never touched."""
    held = {(hold.switch, hold.port) for hold in holds if hold.vlan == vlan}
    return sorted(
        f"{name} port {port.name}"
        for name, view in site.views.items()
        if vlan in view.vlans
        for port in view.ports.values()
        if port.number in view.vlans[vlan].untagged
        and port.name not in site.switches[name].untouched
        and (name, port.name) not in held
    )


class _Planner:
    def __init__(self, wanted: Iterable[Wanted], site: Site, holds: Iterable[Hold]) -> None:
        self._site = site
        self._left = {(hold.switch, hold.port): hold for hold in holds}
        self._kept: dict[Key, Hold] = {}
        self._seen = {each: self._places(each) for each in wanted}
        self._own = {
            (place.switch, place.port.name): each.device
            for each, seen in self._seen.items()
            for place in seen
            if not place.why_not
        }
        """Whose own each port is."""

    def keep(self) -> None:
        """Decide what of that which is held stays so."""
        for wanted, seen in self._seen.items():
            for key, hold in list(self._left.items()):
                if hold.device == wanted.device and not (hold.ending and key in self._site.barred):
                    kept = None if self._has_moved(hold, seen) else self._kept_at(hold, wanted.level)
                    if kept is not None:
                        self._kept[key] = kept
                        del self._left[key]

    def begin(self) -> Iterator[tuple[DeviceId, str]]:
        """Decide what is held from now on; yield the devices that are not, and why."""
        for wanted, seen in self._seen.items():
            reasons = [
                f"switch {place.switch} port {place.port.name}: {reason}"
                for place in seen
                if (reason := self._not_begun(place, wanted))
            ]
            is_held = any(hold.device == wanted.device for hold in self._kept.values())
            if not is_held and any(settings.acts(wanted.level) for settings in self._site.switches.values()):
                yield wanted.device, "; ".join(reasons) or "no managed switch has seen its MAC"

    def holds(self) -> tuple[Hold, ...]:
        """Return what is held; what nobody wants any more ends."""
        return (*self._kept.values(), *unwanted(self._left.values()))

    def _places(self, wanted: Wanted) -> tuple[Place, ...]:
        site = self._site
        found = places(wanted.macs, site.switches, site.views, site.protected)
        return tuple(place for place in found if site.switches[place.switch].acts(wanted.level))

    def _has_moved(self, hold: Hold, seen: Iterable[Place]) -> bool:
        """Return whether a device has a port of its own elsewhere, and its old one no link, or another's device."""
        here, view = (hold.switch, hold.port), self._site.views.get(hold.switch)
        places_now = {(place.switch, place.port.name): place for place in seen}
        if view is None or here in places_now or not any(not place.why_not for place in places_now.values()):
            return False
        port = port_of(hold, view)
        return hold.shut or port is None or not port.oper_up or here in self._own

    def _kept_at(self, hold: Hold, level: Level) -> Hold | None:
        settings = self._site.switches.get(hold.switch)
        if settings is None:
            return replace(hold, ending=False)
        if not settings.acts(level):
            return None
        shut, vlan = settings.shutdown_from.holds(level), hold.vlan or None
        if not shut and not vlan:
            vlan = self._free_vlan(hold.switch, hold.port)
            shut = vlan is None  # it was shut, and stays so rather than be open
        kept = replace(hold, ending=False, shut=shut, vlan=vlan or 0)
        return kept if kept.target() == hold.target() else replace(kept, settled=False)

    def _not_begun(self, place: Place, wanted: Wanted) -> str:
        """Hold a port where it may be; return why it may not, or nothing."""
        site, settings, port, key = self._site, self._site.switches[place.switch], place.port, _key(place)
        holder, former = self._kept.get(key), self._left.get(key)
        if holder is not None:
            return "" if holder.device == wanted.device else f"it is held for {holder.device}"
        if place.why_not or key in site.barred:
            return place.why_not or site.barred[key]
        shut = settings.shutdown_from.holds(wanted.level)
        vlan = former.vlan or None if former else None
        if not shut and not vlan:
            if port.pvid is None:
                return "it has no Q-BRIDGE-MIB: it can shut ports down, but not move them; set shutdown_from"
            vlan = self._free_vlan(*key)
            if vlan is None:
                return "no isolation VLAN is free: give the switch more in vlans"
        before = former.before if former else writing.setting(site.views[place.switch], port.number)
        self._kept[key] = Hold(place.switch, port.name, port.number, wanted.device, before, vlan or 0, shut)
        self._left.pop(key, None)
        return ""

    def _free_vlan(self, switch: str, port: str) -> int | None:
        """Return an isolation VLAN that no other device is in, on any switch: trunks carry it to all of them."""
        settings, all_holds = self._site.switches[switch], (*self._left.values(), *self._kept.values())
        others = [hold for hold in all_holds if (hold.switch, hold.port) != (switch, port)]
        taken = set() if settings.vlans_keep_ports_apart else {hold.vlan for hold in others}
        return next(
            (
                vlan
                for vlan in settings.vlans
                if vlan not in taken and not set(companions(vlan, self._site, others)) - {f"{switch} port {port}"}
            ),
            None,
        )


def _key(place: Place) -> Key:
    return (place.switch, place.port.name)


def unwanted(holds: Iterable[Hold]) -> Iterator[Hold]:
    """Yield the same holds, all to end."""
    return (replace(hold, ending=True) for hold in holds)
