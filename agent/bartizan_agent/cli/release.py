"""`bartizan-agent release`: lift containment by hand, for an emergency, for some hours."""

import argparse
from typing import TYPE_CHECKING

from bartizan_agent.cli import DONE, Subparsers, json_option, say
from bartizan_agent.nftables.restore import LONGEST_RELEASE_SECONDS

if TYPE_CHECKING:
    from bartizan_agent.places import Places

STILL_HELD = 4
DEFAULT_HOURS, LONGEST_HOURS = 4.0, LONGEST_RELEASE_SECONDS / 3600


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "release",
        help="lift containment of the whole site for some hours (emergency)",
        description=(
            "Removes this gateway's packet filter table, gives held ports of managed switches back, and keeps the agent"
            " from putting either back until the hours are over, `bartizan-agent contain` is run, or the controller"
            " orders a new raise. Outlives a reboot. The controller is told who did it and why as soon as it can be"
            " reached."
        ),
        epilog=(
            "Exit codes: 0 containment is lifted, 1 it is not, 4 it is, but ports of managed switches are still held,"
            " or may be."
        ),
    )
    parser.add_argument("--all", action="store_true", required=True, help="all devices of the site; say so")
    parser.add_argument("--reason", required=True, help="why, for the audit trail")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided it")
    parser.add_argument(
        "--hours",
        type=_hours,
        default=DEFAULT_HOURS,
        help=f"how long, at most {LONGEST_HOURS:g} (default: {DEFAULT_HOURS:g})",
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Lift containment."""
    import time

    from bartizan.wire import events
    from bartizan_agent import release
    from bartizan_agent.local import orders_in_force
    from bartizan_agent.nftables.enforcer import Nftables
    from bartizan_agent.notes import note
    from bartizan_agent.places import Places

    places, now = Places(arguments.state), time.time()
    raises = orders_in_force(places, arguments.config)
    lifted = release.Release(
        by=arguments.by,
        reason=arguments.reason,
        began_at=now,
        ends_at=now + arguments.hours * 3600,
        raises=raises,
    )
    until = f"{lifted.ends_at:.0f}"
    told = note(events.CONTAINMENT_RELEASED, by=arguments.by, reason=arguments.reason, until=until)
    firewall = Nftables(places.state)
    try:
        with release.changing(places):
            release.begin(places, lifted, told)
            firewall.remove_all()
    finally:
        firewall.close()
    back, is_free = _give_back_ports(arguments, places)
    told_agent = release.wake(places)
    knows = "The agent knows." if told_agent else "No agent is running; it will tell the controller when it starts."
    say(
        arguments,
        "\n".join([f"Containment is {lifted.sentence()}.", *back, knows]),
        {"released": lifted, "agent_knows": told_agent, "switches": back},
    )
    return DONE if is_free else STILL_HELD


def _give_back_ports(arguments: argparse.Namespace, places: "Places") -> tuple[list[str], bool]:
    """Give back every port of managed switches that is held; return what came of it, a line each, and if all are."""
    if not places.switches.exists():
        return [], True
    from bartizan.errors import BartizanError
    from bartizan_agent.settings import load
    from bartizan_agent.switches.work import Job, Task, perform

    try:
        left = perform(Job(Task.REMOVE_ALL, load(arguments.config).switches), places)
    except BartizanError as error:
        return [f"Ports of managed switches may still be held: {error}."], False
    if not left.ports:
        return ["No port of a managed switch is held any more."], True
    return [f"Still held, the agent tries again: {each.where}: {each.why_not}." for each in left.ports], False


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= LONGEST_HOURS:
        raise argparse.ArgumentTypeError(f"give hours, more than 0 and at most {LONGEST_HOURS:g}")
    return hours
