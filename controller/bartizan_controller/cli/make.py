"""`bartizan-controller init`."""

import time
from pathlib import Path

import click

from bartizan.cli.shipped import shipped_data
from bartizan_controller.cli.answers import JSON, say
from bartizan_controller.config import Config
from bartizan_controller.directory import Folder
from bartizan_controller.initialise import Plan, initialise

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("folder", type=DIRECTORY)
@click.option(
    "--offline-keys",
    type=DIRECTORY,
    help="Where the keys of root, targets and approvers go.  [default: FOLDER-offline-keys]",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=("localhost",),
    show_default=True,
    help="Name or address by which the controller is reached; repeat it. The first one is told to gateways.",
)
@click.option("--organisation", default="estate", show_default=True, help="Id of the first organisation.")
@click.option("--data", type=DIRECTORY, help="Folder of makers.yaml and advisories/.  [default: as installed]")
@click.option(
    "--database",
    metavar="URL",
    default="",
    help="An empty PostgreSQL database, postgresql+psycopg://USER@HOST/DATABASE.  [default: SQLite in FOLDER]",
)
@click.option("--passphrase-file", type=FILE, help="Encrypts the offline keys with the first line of this file.")
@JSON
def init(  # noqa: PLR0913 - one for each option
    folder: Path,
    *,
    offline_keys: Path | None,
    hosts: tuple[str, ...],
    organisation: str,
    data: Path | None,
    database: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a new controller in FOLDER, which must be empty or not exist.

    Makes keys, a certificate authority, the database, a first catalogue with makers and advisories (but no policy:
    policies are proposed and signed by people), and an administrator's API token.
    """
    where = Folder(folder.absolute())
    offline = (offline_keys or folder.with_name(f"{folder.name}-offline-keys")).absolute()
    passphrase = passphrase_file.read_bytes().splitlines()[0] if passphrase_file else None
    made = initialise(
        Plan(where, offline, Config(hosts=hosts, database=database), organisation, data or shipped_data(), passphrase),
        now=time.time(),
    )
    say(
        f"controller:    {where.root}\n"
        f"catalogue:     {made.makers} makers, {made.advisories} advisories, no policies yet\n"
        f"offline keys:  {offline}\n"
        f"admin token:   {made.admin_token}\n"
        f"               shown only now; also in {where.admin_token}, for scripts on this machine",
        {
            "folder": str(where.root),
            "makers": made.makers,
            "advisories": made.advisories,
            "offline_keys": str(offline),
            "admin_token": made.admin_token,
            "admin_token_file": str(where.admin_token),
        },
        as_json=as_json,
    )
    click.secho(
        f"\nTake {offline} off this machine before any gateway is enrolled.\n"
        "Give each file to one person, on media that they keep. Two of them together can open the network or approve\n"
        "firmware; whoever finds all of them beside the controller can do it alone.",
        bold=True,
        err=True,
    )
    click.echo(f"\nNext:  bartizan-controller serve {folder}", err=True)
