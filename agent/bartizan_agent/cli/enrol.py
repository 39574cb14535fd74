"""`bartizan-agent enrol`: bring this gateway into the estate, once."""

import argparse
import sys

from bartizan_agent.cli import DONE, USAGE, Ended, Subparsers, json_option, say


def add_parser(subparsers: Subparsers) -> None:
    """Attach the command to the agent's command line."""
    parser = subparsers.add_parser(
        "enrol",
        help="bring this gateway into the estate with a one-time token",
        description=(
            "Makes this gateway's keys, exchanges the token for a certificate and writes the configuration."
            " On failure nothing is changed."
        ),
    )
    parser.add_argument("url", metavar="URL", help="the controller's API: https://host:port")
    parser.add_argument(
        "--token", default="", help="as `bartizan site token` printed it; without this it is read from standard input"
    )
    parser.add_argument(
        "--interface", "-i", action="append", default=[], metavar="NAME", help="where the cameras are; may be repeated"
    )
    parser.add_argument("--replace", action="store_true", help="give up the enrolment that is here already")
    json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Enrol, and say what comes next."""
    from bartizan_agent.discovery.interfaces import interfaces, scannable
    from bartizan_agent.enrol import enrol
    from bartizan_agent.places import Places

    present = {interface.name for interface in interfaces()}
    missing = [name for name in arguments.interface if name not in present]
    if missing or not arguments.interface:
        raise _choose(missing, [interface.name for interface in scannable()])
    settings = enrol(
        arguments.url,
        arguments.token or sys.stdin.readline(),
        arguments.interface,
        places=Places(arguments.state),
        configuration=arguments.config,
        replace=arguments.replace,
    )
    say(
        arguments,
        f"This gateway is enrolled as the one of {settings.site}. Its configuration is {arguments.config}.\n"
        "Next: systemctl enable bartizan-restore bartizan-agent && systemctl restart bartizan-agent",
        {"site": settings.site, "controller": arguments.url, "configuration": str(arguments.config.absolute())},
    )
    return DONE


def _choose(missing: list[str], present: list[str]) -> Ended:
    wrong = f"there is no interface {missing[0]!r}" if missing else "say where the cameras are, with --interface"
    return Ended(f"{wrong}; this gateway has {', '.join(present) or 'none that is up'}", USAGE)
