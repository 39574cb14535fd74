"""`bartizan estate import|lists|forget|reconcile|export`: other lists of the same devices, in and out."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

from bartizan.cli.connection import Controller
from bartizan.cli.devices import sort_option
from bartizan.cli.filters import Wanted, filtering
from bartizan.cli.inventory import Json
from bartizan.cli.options import PATH, asking
from bartizan.cli.terminal import Exit, Failed, Terminal, when

RESULTS = ("found", "elsewhere", "missing", "ambiguous", "unexpected")
NO_LISTS = "No asset list was imported. Import one with: bartizan estate import FILE --format csv"

site_option = click.option("--site", help="Only at this site.")


@click.command(name="import")
@click.argument("file", type=PATH)
@click.option("--format", "written", type=click.Choice(["csv", "netbox"]), required=True, help="How FILE is written.")
@click.option("--list", "name", help="What to call the list.  [default: the file's name]")
@click.option("--site", help="Where entries are that name no site.")
@click.option(
    "--map",
    "column",
    multiple=True,
    metavar="FIELD=HEADING",
    help="The CSV column of site, name, serial, mac, address, …",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@asking
def import_list(
    terminal: Terminal, controller: Controller, file: Path, *, name: str | None, written: str, **how: Any
) -> None:
    """Take in FILE, a list of the devices that should be there, in place of what the list had before.

    A CSV names its columns in the first line; each entry needs a site, and a serial number, MAC or address. From
    NetBox, save /api/dcim/devices/?limit=0 (and &role=… for cameras only). All of it is taken in, or nothing.
    """
    name = name or _slug(file.stem)
    how["column"] = list(how["column"]) or None
    imported = controller.submit(f"assets/{name}", Json, _read(file), format=written, **how)
    left = "".join(f", {count} {why} left out" for why, count in imported["left_out"].items())
    told = f"{name}: {imported['assets']} assets ({imported['added']} new, {imported['removed']} gone{left})"
    if imported["dry_run"]:
        terminal.say(f"{told}; nothing was changed", value=imported)
    else:
        terminal.say(f"{told}; compare with: bartizan estate reconcile --list {name}", value=imported)


@click.command()
@asking
def lists(terminal: Terminal, controller: Controller) -> None:
    """List the asset lists that were imported."""
    held = controller.get("assets", list[Json])
    rows = [(each["name"], each["assets"]) for each in held]
    terminal.table(("list", "assets"), rows, value=held, nothing=NO_LISTS)


@click.command()
@click.argument("name")
@asking
def forget(terminal: Terminal, controller: Controller, name: str) -> None:
    """Forget asset list NAME: nothing is expected for its sake any more."""
    controller.delete(f"assets/{name}", type(None))
    terminal.say(f"{name} is forgotten", value={"forgotten": name})


@click.command()
@click.option("--list", "name", help="Which asset list, if there are several.")
@site_option
@click.option("--result", multiple=True, type=click.Choice(RESULTS), help="Only these.  [default: all but found]")
@click.option("--limit", default=1000, show_default=True, help="Show at most so many; the counts are of all.")
@asking
def reconcile(
    terminal: Terminal, controller: Controller, name: str | None, *, result: tuple[str, ...], **within: Any
) -> None:
    """Compare an asset list with what was found: what is missing, elsewhere, not expected, or not clear.

    Assets are matched by serial number, then MAC, then address within their site. Nothing is guessed.
    """
    results = list(result or RESULTS[1:])
    found = controller.get("reconciliation", Json, list=name, result=results, **within)
    if terminal.as_json:
        terminal.json(found)
        return
    counts = ", ".join(f"{found['counts'][each]} {each}" for each in RESULTS)
    click.echo(f"{found['list']}: {found['expected']} expected; {counts}\n")
    terminal.table(
        ("result", "site", "expected", "device", "by", "note"),
        [_outcome_row(each) for each in found["items"]],
        value=found,
        nothing="Nothing of that kind." if result else "All that was expected was found, and nothing else.",
    )
    if found["left_out"]:
        click.echo(f"and {found['left_out']} more: narrow with --site or --result, or raise --limit")


@click.command()
@click.option("--format", "written", type=click.Choice(["csv", "json", "cyclonedx"]), required=True, help="For whom.")
@click.option("--output", type=PATH, help="Write into this file.  [default: standard output]")
@filtering
@click.option("--view", help="Only those of this saved view.")
@sort_option
@asking
def export(
    terminal: Terminal, controller: Controller, *, wanted: Wanted, written: str, output: Path | None, **how: Any
) -> None:
    """Write the inventory, or the part of it that fits the filters.

    csv is for spreadsheets, json has all that is known, cyclonedx is a bill of materials (1.6) of devices and firmware.
    """
    with _open(output) as to:
        controller.download("export", to, format=written, **wanted, **how)
    if output is not None:
        terminal.say(f"written to {output}", value={"written": str(output)})


def _outcome_row(outcome: Json) -> tuple[object, ...]:
    asset, devices = outcome.get("asset") or {}, outcome["devices"]
    expected = " ".join(filter(None, (asset.get("name"), asset.get("serial"), asset.get("mac"), asset.get("address"))))
    seen = "\n".join(_seen(each, asset) for each in devices)
    site = asset.get("site") or devices[0]["site"]
    return outcome["result"], site, expected, seen, outcome["by"] or "", outcome["note"]


def _seen(device: Json, asset: Json) -> str:
    told = str(device["device"])
    if asset and device["site"] != asset["site"]:
        told += f" at {device['site']}"
    if device["lost"]:
        told += f", last seen {when(device['last_seen'])}"
    return told


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-") or "assets"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", Exit.USAGE) from error


@contextlib.contextmanager
def _open(output: Path | None) -> Iterator[IO[bytes]]:
    """Open what is written to; a file comes to be only whole."""
    if output is None:
        yield sys.stdout.buffer
        return
    partial = output.with_name(f"{output.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(output)
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}", Exit.USAGE) from error
    finally:
        partial.unlink(missing_ok=True)
