"""What the switches really hold, judged from what was read back from them. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from bartizan.containment.model import Ruleset
from bartizan.ids import DeviceId, Mac
from bartizan_agent.switches import writing
from bartizan_agent.switches.journal import Hold
from bartizan_agent.switches.planning import Site, companions, port_of
from bartizan_agent.switches.reading import Port, View


class HeldPort(msgspec.Struct, frozen=True):
    """A port of the journal as it was found."""

    switch: str
    port: str
    device: DeviceId
    where: str
    """For people: `switch sw1 port 7 (vlan 666)`."""
    ending: bool = False
    """Whether it is on its way to be as before."""
    why_not: str = ""
    """Why it does not hold its device, or is not yet as before; empty if all is as it should be."""


class SwitchesEnforced(msgspec.Struct, frozen=True):
    """What the switches hold, as read back from them."""

    ports: tuple[HeldPort, ...] = ()
    refusals: dict[DeviceId, str] = {}
    """Why a device that a switch should hold is not held by one."""
    failures: dict[str, str] = {}
    """Why a switch could not be read or set, by its name."""

    def held(self) -> dict[DeviceId, str]:
        """Return where each device is that is held by every port on which it should be."""
        shortfalls = self.shortfalls()
        return {each.device: each.where for each in self.ports if not each.ending and each.device not in shortfalls}

    def shortfalls(self) -> dict[DeviceId, str]:
        """Return why each device that a switch should hold is not held."""
        broken = {
            each.device: f"{each.where}: {each.why_not}" for each in self.ports if each.why_not and not each.ending
        }
        return self.refusals | broken


def report(
    holds: Iterable[Hold],
    refusals: Mapping[DeviceId, str],
    site: Site,
    failures: Mapping[str, str],
    ruleset: Ruleset,
) -> SwitchesEnforced:
    """Return how every port of the journal was found, and what else is to be known.

    Args:
        holds: Of the journal.
        refusals: Why devices are not to be held.
        site: With what the switches said last.
        failures: Why some said nothing.
        ruleset: Whose devices they are.
    """
    holds = tuple(holds)
    macs = {device.id: device.macs for device in ruleset.devices}
    ports = (
        HeldPort(
            hold.switch,
            hold.port,
            hold.device,
            hold.where(),
            hold.ending,
            _why_not(hold, holds, site, failures, macs.get(hold.device, ())),
        )
        for hold in holds
    )
    return SwitchesEnforced(tuple(ports), dict(refusals), dict(failures))


def _why_not(hold: Hold, holds: Iterable[Hold], site: Site, failures: Mapping[str, str], macs: Iterable[Mac]) -> str:
    view = site.views.get(hold.switch)
    if hold.switch not in site.switches:
        return "this switch is not configured any more: put it back, so that the port can be given back"
    if view is None:
        return failures.get(hold.switch, "the switch does not answer")
    port = port_of(hold, view)
    if port is None:
        return "the switch has no port of this name any more"
    if writing.steps(view, port.number, hold.target()):
        return failures.get(hold.switch, "") or ("it is not as before yet" if hold.ending else "it is not set so")
    return "" if hold.ending else _reached(hold, port, view, holds, site, macs)


def _reached(hold: Hold, port: Port, view: View, holds: Iterable[Hold], site: Site, macs: Iterable[Mac]) -> str:
    """Return what a device reaches all the same, though its port is set as it should be."""
    with_it = companions(hold.vlan, site, holds) if hold.vlan else []
    if with_it:
        return f"other ports are in its VLAN: {', '.join(with_it)}"
    is_here = any(port.number in view.learned.get(mac, frozenset()) for mac in macs)
    elsewhere = [name for name, each in site.views.items() if not each.learned.keys().isdisjoint(macs)]
    if elsewhere and not is_here and (hold.shut or not port.oper_up):
        return f"the device is seen elsewhere: on switch {', '.join(elsewhere)}"
    return ""
