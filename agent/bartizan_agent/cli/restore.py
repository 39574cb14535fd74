"""`bartizan-agent restore`: load what was enforced last, as the boot unit does before the network is up."""

import argparse

from bartizan_agent.cli import DONE, Ended, Subparsers, json_option, say


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
    json_option(parser)
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
            sentence = f"nothing loaded: containment is {standing.sentence()}"
            say(arguments, sentence, {"loaded": None, "released": standing})
            return DONE
        name = restore(str(places.state))
    if not name:
        raise Ended("no stored ruleset could be loaded; start the agent")
    loaded = str(places.state / name)
    say(arguments, f"{loaded} is in force", {"loaded": loaded, "released": None})
    return DONE
