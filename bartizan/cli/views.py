"""`bartizan view`: filters of the device list that have a name."""

import itertools

import click

from bartizan.cli.connection import Controller
from bartizan.cli.devices import limit_option, show_devices, sort_option
from bartizan.cli.filters import Wanted, filtering
from bartizan.cli.inventory import Json, walk
from bartizan.cli.options import asking
from bartizan.cli.terminal import Exit, Failed, Terminal, when


@click.group()
def view() -> None:
    """Saved filters of the device list."""


@view.command()
@click.argument("name")
@filtering
@sort_option
@asking
def save(terminal: Terminal, controller: Controller, name: str, *, wanted: Wanted, sort: str | None) -> None:
    """Save a filter as view NAME, in place of what your organisation has under that name."""
    query = wanted | ({"sort": sort} if sort else {})
    if not query:
        raise Failed("a view needs a filter: see  bartizan view save --help", Exit.USAGE)
    saved = controller.put(f"views/{name}", Json, query)
    terminal.say(f"{name} is saved; look with: bartizan view show {name}", value=saved)


@view.command(name="list")
@asking
def list_views(terminal: Terminal, controller: Controller) -> None:
    """List saved views."""
    views = controller.get("views", list[Json])
    terminal.table(
        ("view", "organisation", "asks for", "saved by", "at (UTC)"),
        [_row(each) for each in views],
        value=views,
        nothing="No view is saved. Save one with: bartizan view save NAME --maker hikvision --vulnerable",
    )


@view.command()
@click.argument("name")
@limit_option
@asking
def show(terminal: Terminal, controller: Controller, name: str, limit: int | None) -> None:
    """Show what view NAME asks for, and its devices."""
    saved = controller.get(f"views/{name}", Json)
    found = list(itertools.islice(walk(controller, "devices", view=name), limit))
    if not terminal.as_json:
        click.echo(f"{name}: {_asks_for(saved)}\n")
    show_devices(terminal, found, value={"view": saved, "devices": found}, filtered=True)


@view.command()
@click.argument("name")
@asking
def delete(terminal: Terminal, controller: Controller, name: str) -> None:
    """Delete view NAME of your organisation."""
    controller.delete(f"views/{name}", type(None))
    terminal.say(f"{name} is deleted", value={"deleted": name})


def _row(saved: Json) -> tuple[object, ...]:
    organisation = saved["organisation"] or "(whole estate)"
    return saved["name"], organisation, _asks_for(saved), saved["saved_by"], when(saved["saved_at"])


def _asks_for(saved: Json) -> str:
    return ", ".join(
        f"{name.replace('_', '-')} {' or '.join(value) if isinstance(value, list) else str(value).lower()}"
        for name, value in saved["query"].items()
    )
