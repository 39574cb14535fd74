"""What the switches really hold, judged from what was read back from them. Pure."""

from collections.abc import Iterable, Mapping

from bartizan.containment.model import Ruleset
from bartizan.ids import DeviceId, Mac
from bartizan_agent.switches import writing
from bartizan_agent.switches.journal import Hold
from bartizan_agent.switches.outcome import HeldPort, SwitchesEnforced
from bartizan_agent.switches.planning import Site, companions, port_of
from bartizan_agent.switches.reading import Port, View


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
    is_apart = site.switches[hold.switch].vlans_keep_ports_apart
    mates = [each for each in holds if is_apart or each.device == hold.device]
    with_it = companions(hold.vlan, site, mates) if hold.vlan else []
    if with_it:
        return f"other ports are in its VLAN: {', '.join(with_it)}"
    is_here = any(port.number in view.learned.get(mac, frozenset()) for mac in macs)
    elsewhere = [name for name, each in site.views.items() if not each.learned.keys().isdisjoint(macs)]
    if elsewhere and not is_here and (hold.shut or not port.oper_up):
        return f"the device is seen elsewhere: on switch {', '.join(elsewhere)}"
    return ""
