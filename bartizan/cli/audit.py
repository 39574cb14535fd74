"""`bartizan audit`: who changed what, in the controller's hash chain."""

import click

from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal, when


@click.group()
def audit() -> None:
    """The audit chain: every change of the estate, who made it and when. Needs the role `auditor`."""


@audit.command(name="list")
@click.option("--after", default=0, help="Only after this number.")
@asking
def list_entries(terminal: Terminal, controller: Controller, after: int) -> None:
    """List entries, oldest first. Each digest covers the entry and the one before it.

    Whether the chain is whole is said by `bartizan-controller audit verify`, on the controller's machine.
    """
    entries: list[Json] = []
    while page := controller.get("audit", Json, after=after, limit=1000)["items"]:
        entries += page
        after = page[-1]["number"]
    terminal.table(
        ("number", "time (UTC)", "who", "did", "to", "detail", "digest"),
        [_row(each) for each in entries],
        value=entries,
        nothing="Nothing was changed after that entry." if after else "Nothing was changed yet.",
    )


def _row(each: Json) -> tuple[object, ...]:
    detail = ", ".join(f"{name} {value}" for name, value in each["detail"].items() if value)
    return each["number"], when(each["at"]), each["who"], each["action"], each["subject"], detail, each["digest"][:12]
