"""`bartizan-agent contain`: end a release by hand; containment is put back at once."""

import argparse
import sys

from bartizan_agent.cli import DONE, FAILED, Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "contain",
        help="end a release: put containment back",
        description="Ends a release by hand. The running agent puts containment back at once.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """End the release, if there is one, and call the agent."""
    from bartizan_agent import release
    from bartizan_agent.places import Places

    places = Places(arguments.state)
    with release.changing(places):
        release.end(places)
    if not release.wake(places):
        print(
            "bartizan-agent: nothing lifts containment any more, but no agent is running to put it back:"
            " start it (systemctl start bartizan-agent)",
            file=sys.stderr,
        )
        return FAILED
    print("Containment is being put back; `bartizan-agent status` shows it.")
    return DONE
