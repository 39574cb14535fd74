"""`bartizan site self-test`: have a gateway try to get out of its own segments; and what came of it, in words."""

import time
from typing import Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.options import asking
from bartizan.cli.terminal import Failed, Terminal, when

Json = dict[str, Any]
LOOK_SECONDS = 1.0
WORDS = {"blocked": "blocked", "not-blocked": "GOT OUT", "not-run": "not run"}


@click.command(name="self-test")
@click.argument("name")
@click.option("--wait", default=120, show_default=True, help="Seconds to wait for the result; 0: only ask.")
@asking
def self_test(terminal: Terminal, controller: Controller, name: str, wait: int) -> None:
    """Have the gateway of site NAME try to get out of its camera segments as a stranger, and show what came of it.

    It ends with 1 unless it was seen to be blocked. A gateway that is away is asked when it is back.
    """
    before = _last(controller, name)
    asked = controller.post("self-tests", Json, {"site": name})
    if not wait:
        terminal.say("asked for", value=asked)
        return
    ends_at = time.monotonic() + wait
    while (found := _last(controller, name)) == before:
        if time.monotonic() >= ends_at:
            raise Failed(f"{name} has not answered within {wait} s: is it connected? See: bartizan site list")
        time.sleep(LOOK_SECONDS)
    assert found is not None
    terminal.say("\n".join(lines(found)), value=found)
    if found["outcome"] != "blocked":
        raise click.exceptions.Exit(1)


def summary(test: Json | None) -> str:
    """Return what came of a test in a few words."""
    return "never" if test is None else f"{WORDS[test['outcome']]} {when(test['at'])}"


def lines(test: Json | None) -> list[str]:
    """Return what came of a test, and what it rests on."""
    if test is None:
        return ["never"]
    because = {"order": "somebody asked"}.get(test["why"], f"by {test['why']}" if test["why"] == "schedule" else "")
    because = because or "what is enforced had changed"
    return [
        f"{summary(test)} ({because}), ruleset {test['ruleset'][:12] or 'none'}",
        *(f"GOT OUT: {each}" for each in test["failed"]),
        *(f"blocked: {each}" for each in test["proven"]),
        *(f"not tested: {each}" for each in test["untested"]),
    ]


def _last(controller: Controller, name: str) -> Json | None:
    posture: Json | None = controller.get(f"sites/{name}/posture", Json)["posture"]
    return None if posture is None else posture["self_test"]
