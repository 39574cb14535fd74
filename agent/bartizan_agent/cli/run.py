"""`bartizan-agent run`: be the agent, in the foreground."""

import argparse

from bartizan_agent.cli import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "run",
        help="run the agent in the foreground, as its service does",
        description=(
            "Enforces the last good state, then connects to the controller and watches the segments until told to"
            " stop. Stopping leaves containment in place. Logs JSON lines to standard error."
        ),
    )
    parser.add_argument("--verbose", action="store_true", help="log at DEBUG; may name devices")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    from bartizan_agent import app, logs, settings
    from bartizan_agent.places import Places

    logs.begin(verbose=arguments.verbose)
    return app.run(settings.load(arguments.config), Places(arguments.state))
