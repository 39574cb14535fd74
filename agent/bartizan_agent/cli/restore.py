"""`bartizan-agent restore`: load what was enforced last, as the boot unit does before the network is up."""

import argparse
import sys

from bartizan_agent.cli import DONE, FAILED, Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "restore",
        help="load the ruleset that was enforced last, without the agent",
        description=(
            "Loads the stored ruleset into the kernel. The boot unit does the same before the network comes up. While"
            " containment is released by hand, nothing is loaded."
        ),
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load it, unless containment is released."""
    import time

    from bartizan_agent import release
    from bartizan_agent.nftables.restore import restore
    from bartizan_agent.places import Places

    places = Places(arguments.state)
    with release.changing(places):
        standing = release.standing(places, time.time())
        if standing is not None:
            print(f"bartizan-agent: nothing loaded: containment is {standing.sentence()}", file=sys.stderr)
            return DONE
        name = restore(str(places.state))
    if not name:
        print("bartizan-agent: no stored ruleset could be loaded; start the agent", file=sys.stderr)
        return FAILED
    print(f"{places.state / name} is in force")
    return DONE
