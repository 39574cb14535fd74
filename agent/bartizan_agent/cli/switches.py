"""`bartizan-agent switches`: what the managed switches of this site say, and which devices they hold."""

import argparse
from typing import TYPE_CHECKING

from bartizan_agent.cli import DONE, FAILED, Subparsers, json_option, say

if TYPE_CHECKING:
    from bartizan_agent.settings import Settings
    from bartizan_agent.switches.outcome import SwitchesEnforced


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "switches",
        help="ask the managed switches what they hold, and say why some devices are held by none",
        description=(
            "Asks every switch of the configuration by SNMP, as the agent does, and sets nothing. Says whether each"
            " answers, which of its ports hold which devices, and why a device that a switch should hold is not held by"
            " one. Run it after you put a switch into the configuration."
        ),
        epilog="Exit codes: 0 all switches answer and hold what they should, 1 one does not, 3 not enrolled.",
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    from bartizan_agent.local import last_applied
    from bartizan_agent.places import Places
    from bartizan_agent.settings import load
    from bartizan_agent.switches.work import NOTHING, Job, Task, perform

    places, settings = Places(arguments.state), load(arguments.config)
    found = perform(Job(Task.READ, settings.switches, last_applied(places) or NOTHING), places)
    say(arguments, "\n".join(lines(settings, found)), found)
    return FAILED if found.troubles() or found.refusals else DONE


def lines(settings: "Settings", found: "SwitchesEnforced") -> list[str]:
    """Return what was found, for people."""
    from bartizan_agent.switches.settings import SnmpVersion

    shown = []
    for each in settings.switches:
        failure = found.failures.get(each.name)
        shown.append(f"{each.name} at {each.address}: {failure or 'answers'}")
        if each.snmp is SnmpVersion.V2C_IN_THE_CLEAR:
            shown.append("  WARNING: SNMPv2c in the clear: whoever hears it can set this switch too")
        shown += [
            f"  {_port(port.port, port.device, port.why_not)}" for port in found.ports if port.switch == each.name
        ]
    strays = [port for port in found.ports if port.switch not in {each.name for each in settings.switches}]
    shown += [f"{port.where}: {port.why_not}" for port in strays]
    shown += [f"{device} is held by no switch: {reason}" for device, reason in sorted(found.refusals.items())]
    return shown or ["no managed switches are configured: see [[switches]] in the guide"]


def _port(port: str, device: str, why_not: str) -> str:
    return f"port {port} for {device}: {why_not or 'as it should be'}"
