"""`bartizan estate`: the inventory as a whole, now and at two dates."""

import time
from typing import Any

import click

from bartizan.cli.assets import export, forget, import_list, lists, reconcile
from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json, pages
from bartizan.cli.options import asking
from bartizan.cli.terminal import Terminal, when
from bartizan.policy.facts import day

DAY_SECONDS = 86_400.0
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


@estate.command()
@click.option("--site", help="The devices of this site, one by one.")
@asking
def removals(terminal: Terminal, controller: Controller, site: str | None) -> None:
    """Show what policy wants gone, by when, and how far sites have come.

    A device that its gateway has lost sight of is counted apart: it may be removed, or only unplugged.
    """
    if site is None:
        _sites_to_clear(terminal, controller.get("removals", list[Json]))
    else:
        _devices_to_go(terminal, controller.get(f"sites/{site}/removals", list[Json]))


for command in (import_list, lists, forget, reconcile, export):
    estate.add_command(command)


def _sites_to_clear(terminal: Terminal, found: list[Json]) -> None:
    terminal.table(
        ("site", "organisation", "remove by", "left", "still there", "overdue", "not seen"),
        [
            (
                *(each["site"], each["organisation"], day(each["due_at"])),
                *(
                    _left(each) if each["remaining"] else "none seen",
                    each["remaining"],
                    each["overdue"],
                    each["unseen"],
                ),
            )
            for each in found
        ],
        value=found,
        nothing="No policy gives any device a day of removal.",
    )


def _devices_to_go(terminal: Terminal, found: list[Json]) -> None:
    terminal.table(
        ("device", "maker", "model", "remove by", "left", "last seen (UTC)"),
        [
            (
                *(each["device"], each["maker"], each["model"], day(each["due_at"])),
                *("not seen" if each["unseen"] else _left(each), when(each["last_seen"])),
            )
            for each in found
        ],
        value=found,
        nothing="Nothing has to go at this site.",
    )


def _left(removal: Json) -> str:
    """Return the countdown in words."""
    seconds = removal["due_at"] - time.time()
    days = round(abs(seconds) / DAY_SECONDS)
    spoken = f"{days} days" if days > 1 else "1 day" if days else "hours"
    return f"{spoken} over" if seconds < 0 else spoken


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
