"""Following what the controller carries out by itself, until it ends or stops."""

import time
from collections.abc import Callable

import click

from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.terminal import Exit, Failed, Terminal

POLL_SECONDS = 1.0
timeout_option = click.option("--timeout", default=3600.0, help="Seconds after which to give up.", show_default=True)


def follow(
    terminal: Terminal, controller: Controller, path: str, headline: Callable[[Json], str], timeout: float
) -> None:
    """Say how it is each time that changes; as JSON, once, how it ended.

    Args:
        terminal: Where it is said.
        controller: Asked about once a second.
        path: Of what is followed.
        headline: Makes one line of its state.
        timeout: Seconds after which nobody waits any longer.

    Raises:
        Failed: It is neither over nor stopped by then.
        SystemExit: With `Exit.REFUSED`: it ended or stopped otherwise than finished.
    """
    until, said = time.monotonic() + timeout, ""
    while True:
        state = controller.get(path, Json)
        if not terminal.as_json and (line := headline(state)) != said:
            click.echo(line)
            said = line
        if state["intent"]["state"] != "running":
            break
        if time.monotonic() > until:
            raise Failed(f"not over after {timeout:.0f} s: {headline(state)}")
        time.sleep(POLL_SECONDS)
    if terminal.as_json:
        terminal.json(state)
    if state["intent"]["state"] != "finished":
        raise SystemExit(Exit.REFUSED)
