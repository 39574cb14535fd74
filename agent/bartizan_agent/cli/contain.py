"""`bartizan-agent contain`: end a release by hand; containment is put back at once."""

import argparse

from bartizan_agent.cli import DONE, Ended, Subparsers, json_option, say


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "contain",
        help="end a release: put containment back",
        description="Ends a release by hand. The running agent puts containment back at once.",
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """End the release, if there is one, and call the agent."""
    from bartizan_agent import release
    from bartizan_agent.places import Places

    places = Places(arguments.state)
    with release.changing(places):
        release.end(places)
    if not release.wake(places):
        raise Ended(
            "nothing lifts containment any more, but no agent is running to put it back:"
            " start it (systemctl start bartizan-agent)"
        )
    say(arguments, "Containment is being put back; `bartizan-agent status` shows it.", {"released": None})
    return DONE
