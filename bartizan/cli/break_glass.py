"""`bartizan break-glass`: containment that was lifted by hand, and its review afterwards."""

import click

from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json, walk
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal, when


@click.group(name="break-glass")
def break_glass() -> None:
    """Containment that somebody lifted on a gateway by hand, and the review that follows."""


@break_glass.command(name="list")
@click.option("--all", "every", is_flag=True, help="Those that were reviewed, too.")
@asking
def list_releases(terminal: Terminal, controller: Controller, *, every: bool) -> None:
    """List releases that wait for a review, oldest first."""
    found = list(walk(controller, "break-glass", **({} if every else {"reviewed": False})))
    terminal.table(
        ("number", "time (UTC)", "site", "by", "reason", "held again", "review"),
        [_row(each) for each in found],
        value=found,
        nothing="Containment was never lifted by hand." if every else "No release by hand waits for a review.",
    )


@break_glass.command()
@click.argument("number", type=int)
@click.option("--finding", required=True, help="Whether it was right, and what is to change.")
@asking
def review(terminal: Terminal, controller: Controller, number: int, finding: str) -> None:
    """Review release NUMBER. Needs the role auditor or approver; who broke the glass cannot."""
    done = controller.post(f"break-glass/{number}/review", Json, {"finding": finding})
    terminal.say(f"the release at {done['site']} is reviewed", value=done)


def _row(each: Json) -> tuple[object, ...]:
    held_again = when(each["held_again_at"]) or "not yet"
    review = f"{each['reviewed_by']}: {each['finding']}" if each["reviewed_by"] else "waits"
    return each["number"], when(each["at"]), each["site"], each["by"], each["reason"], held_again, review
