"""`bartizan-agent self-test`: prove from inside a camera segment that a stranger there does not get out."""

import argparse
from typing import TYPE_CHECKING

from bartizan_agent.cli import DONE, FAILED, Subparsers, complain, json_option, say

if TYPE_CHECKING:
    from bartizan_agent.self_test import SegmentResult


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "self-test",
        help="try to get out of the camera segments as a stranger, and say whether that is blocked",
        description=(
            "Has a device that nobody knows send, on each camera segment, datagrams to a documentation address in each"
            " address family, three at most and none after the first that was not dropped. It counts as blocked if"
            " the packet filter counted all of them as dropped and none left. The controller is told. Only strangers"
            " are tested: known devices are held by rules of their own. The agent does the same by itself: see"
            " self_test_seconds in its configuration. Needs root."
        ),
        epilog="Exit codes: 0 every segment was tested and blocks, 1 one does not, or could not be tested.",
    )
    parser.add_argument("--interface", metavar="NAME", help="only this segment (default: all of the configuration)")
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Test, print and record."""
    from bartizan.containment.render import digest
    from bartizan.errors import Unavailable
    from bartizan_agent import proving, release
    from bartizan_agent.errors import NotEnrolled
    from bartizan_agent.local import last_applied
    from bartizan_agent.nftables.enforcer import Nftables
    from bartizan_agent.places import Places
    from bartizan_agent.probe import CannotTest, probe
    from bartizan_agent.settings import Topology, load

    places = Places(arguments.state)
    try:
        settings = load(arguments.config)
    except NotEnrolled:
        if not arguments.interface:
            raise
        names, topology = [arguments.interface], Topology.ROUTER
    else:
        names = [arguments.interface] if arguments.interface else [each.interface for each in settings.segments]
        topology = settings.containment.topology
    applied = last_applied(places)
    results: list[SegmentResult] = []
    firewall = Nftables(places.state, topology=topology)
    try:
        for name in names:
            try:
                results.append(probe(name, applied, firewall, topology))
            except CannotTest as refusal:
                complain(refusal)
    finally:
        firewall.close()
    say(arguments, "\n".join(line for result in results for line in lines(result)), results)
    try:
        for result in results:
            ruleset = digest(applied) if applied else ""
            release.leave(places, proving.told(result, ruleset=ruleset, why=proving.HAND))
    except Unavailable as refusal:  # what was found is printed already
        complain(refusal)
        return FAILED
    release.wake(places)
    return DONE if len(results) == len(names) and _is_blocked(results) else FAILED


def lines(result: "SegmentResult") -> list[str]:
    """Return a result for people."""
    words = {"blocked": "blocked", "not-blocked": "NOT BLOCKED", "not-tested": "not tested"}
    level = result.level or "an unknown level"
    return [
        f"{result.interface}: a stranger ({result.mac}), to be held at {level}",
        *(
            f"  {name}  {words[family.outcome.value]}: {family.reason}"
            + (f" ({family.source} to {family.destination})" if family.destination else "")
            for name, family in (("IPv4", result.ipv4), ("IPv6", result.ipv6))
        ),
    ]


def _is_blocked(results: "list[SegmentResult]") -> bool:
    from bartizan_agent.self_test import Outcome

    found = {family.outcome for result in results for family in (result.ipv4, result.ipv6)}
    return Outcome.BLOCKED in found and Outcome.NOT_BLOCKED not in found
