"""`bartizan credentials`: camera passwords, sealed on this machine to one gateway's key."""

import time
from pathlib import Path

import click
import msgspec

from bartizan.cli import documents
from bartizan.cli.connection import Controller
from bartizan.cli.inventory import Json
from bartizan.cli.options import PATH, asking
from bartizan.cli.terminal import Exit, Failed, Terminal
from bartizan.ids import DeviceId, SiteId
from bartizan.trust.credentials import Credential, CredentialBook
from bartizan.trust.sealing import seal


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """What people write, as TOML: a user name and password for each maker, and for single devices."""

    makers: dict[str, Credential] = {}
    devices: dict[DeviceId, Credential] = {}


@click.group()
def credentials() -> None:
    """Camera credentials. Only the site's gateway can open them; the controller cannot."""


@credentials.command(name="set")
@click.argument("site")
@click.argument("file", type=PATH)
@asking
def set_credentials(terminal: Terminal, controller: Controller, site: str, file: Path) -> None:
    """Seal the credentials in FILE (TOML) to the gateway of SITE and send them. They replace those before.

    \b
    [makers.hikvision]
    username = "admin"
    password = "…"
    [devices."serial:hikvision:DS-…"]
    username = "admin"
    password = "…"
    """  # noqa: D301 - \b is click's word for "do not rewrap"
    try:
        wanted = msgspec.toml.decode(documents.read_text(file).encode(), type=_File)
    except msgspec.MsgspecError as error:
        raise Failed(f"{file}: {error}", Exit.USAGE) from error
    key = str(controller.get(f"sites/{site}/gateway", Json)["sealing_key"])
    # Rises with the clock, so that two operators need not agree on numbers.
    book = CredentialBook(generation=int(time.time() * 1000), devices=wanted.devices, makers=wanted.makers)
    sealed = seal(book, SiteId(site), key)
    body = {"generation": sealed.generation, "sealed": sealed.sealed, "sealed_to": key}
    controller.put(f"sites/{site}/credentials", type(None), body)
    count = len(book.devices) + len(book.makers)
    terminal.say(
        f"{count} credentials are sealed to the gateway of {site}",
        value={"site": site, "generation": book.generation, "credentials": count},
    )
