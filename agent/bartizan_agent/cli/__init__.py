"""The agent's command line. Each command is a module with `add_parser`; only the one that is called is imported."""

import argparse
import os
import select
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TypeAlias

from bartizan_agent import __version__, later
from bartizan_agent.first import STATE_VARIABLE
from bartizan_agent.places import DEFAULT_CONFIGURATION, DEFAULT_STATE

COMMANDS = (
    "enrol",
    "run",
    "status",
    "explain",
    "scan",
    "record",
    "contain",
    "release",
    "restore",
    "self-test",
    "statement",
    "switches",
)
DONE, FAILED, USAGE, NOT_ENROLLED, INTERRUPTED = 0, 1, 2, 3, 130

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names it nowhere else


class Ended(Exception):
    """A command ends with a line for people, and an exit code."""

    def __init__(self, said: str, code: int = FAILED) -> None:
        super().__init__(said)
        self.code = code


class _Parser(argparse.ArgumentParser):
    """Leaves to `main` how a wrong call ends."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise Ended(message, USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 called wrongly, 3 not enrolled, 130 Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    later.put_off()
    try:
        try:
            return _answered(given)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return FAILED


def _answered(given: list[str]) -> int:
    try:
        return _run(given)
    except Ended as end:
        complain(end)
        if "--json" in given:
            answer({"error": str(end), "exit_code": end.code})
        return end.code


def _nobody_reads() -> bool:
    """Return whether whoever read the answer has enough, as `head` does; then nothing more is said to them."""
    looking = select.poll()
    looking.register(sys.stdout, 0)
    if not looking.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _run(given: list[str]) -> int:
    from bartizan.errors import BartizanError
    from bartizan_agent.errors import NotEnrolled

    parsed = parser([command for command in COMMANDS if command in given] or COMMANDS).parse_args(given)
    try:
        code: int = parsed.run(parsed)
    except NotEnrolled as error:
        raise Ended(str(error), NOT_ENROLLED) from error
    except BartizanError as error:
        raise Ended(str(error)) from error
    except PermissionError as error:
        raise Ended(f"{error.filename}: permission denied; run this as root") from error
    return code


def parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of some commands, or of all."""
    root = _Parser(
        prog="bartizan-agent",
        description="Finds the cameras of a site, contains them, and installs vetted firmware on them.",
        epilog="Exit codes: 0 done, 1 failed (for status: degraded), 2 called wrongly, 3 not enrolled.",
    )
    root.add_argument("--version", action="version", version=f"bartizan-agent {__version__}")
    root.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get(STATE_VARIABLE, DEFAULT_STATE)),
        metavar="DIR",
        help=f"where the agent keeps its state (BARTIZAN_STATE; default: {DEFAULT_STATE})",
    )
    root.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("BARTIZAN_CONFIG", DEFAULT_CONFIGURATION)),
        metavar="FILE",
        help=f"its configuration (BARTIZAN_CONFIG; default: {DEFAULT_CONFIGURATION})",
    )
    subparsers = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        import_module(f"bartizan_agent.cli.{command.replace('-', '_')}").add_parser(subparsers)
    return root


def json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def say(arguments: argparse.Namespace, text: str, value: object) -> None:
    """Print text for people or, with `--json`, one document for programs."""
    if arguments.json:
        answer(value)
    else:
        print(text)


def answer(value: object) -> None:
    """Print a document."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def complain(error: Exception) -> None:
    """Say what is wrong on standard error."""
    print(f"bartizan-agent: {error}", file=sys.stderr)
