"""`bartizan estate`: the inventory as a whole, now and at two dates."""

from typing import Any

import click

from bartizan.cli.assets import export, forget, import_list, lists, reconcile
from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json, pages
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal

BY = (
    "organisation",
    "site",
    "maker",
    "jurisdiction",
    "kind",
    "level",
    "enforced",
    "agrees",
    "vulnerable",
    "vulnerability",
)


@click.group()
def estate() -> None:
    """The inventory as a whole: totals, differences between dates, asset lists, export."""


@estate.command()
@click.option("--by", type=click.Choice(BY), required=True, help="What to count by.")
@click.option("--site", help="Only at this site.")
@click.option("--organisation", help="Only of this organisation and those below it.")
@asking
def totals(terminal: Terminal, controller: Controller, by: str, **within: Any) -> None:
    """Count devices. The figures are kept with every report, so that this is quick for any estate."""
    found = controller.get("totals", Json, by=by, **within)
    rows = [(each["value"] or "unknown", each["devices"]) for each in found["items"]]
    if by != "vulnerability" and rows:  # a device is open to several, or to none
        rows.append(("all", found["devices"]))
    terminal.table(
        (by, "devices"),
        rows,
        value=found,
        nothing="No device is open to any advisory." if found["devices"] else "No device was reported yet.",
    )


@estate.command()
@click.option("--from", "since", required=True, metavar="DATE|TIME", help="2026-03-01 is its beginning, in UTC.")
@click.option("--to", "until", metavar="DATE|TIME", help="The same.  [default: now]")
@click.option("--site", help="Only at this site.")
@asking
def diff(terminal: Terminal, controller: Controller, **between: Any) -> None:
    """Show which devices were not the same at two dates: new, gone, or changed."""
    found = pages(controller, "differences", **between)
    terminal.table(
        ("site", "device", "", "what differs"),
        [(each["site"], each["device"], _sort(each), "\n".join(_lines(each))) for each in found],
        value=found,
        nothing="Nothing differs.",
    )


for command in (import_list, lists, forget, reconcile, export):
    estate.add_command(command)


def _sort(difference: Json) -> str:
    if not difference["before"]:
        return "new"
    return "changed" if difference["after"] else "gone"


def _lines(difference: Json) -> list[str]:
    before, after = difference["before"], difference["after"]
    if not before or not after:
        facts = before or after
        return [" ".join(facts[name] for name in ("maker", "model", "firmware", "addresses") if name in facts)]
    return [
        f"{name}: {before.get(name) or '(nothing)'} -> {after.get(name) or '(nothing)'}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
