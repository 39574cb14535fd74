"""`bartizan statement`: what gateways sign of how a device was held."""

from pathlib import Path

import click

from bartizan.cli.connection import Controller
from bartizan.cli.devices import find
from bartizan.cli.inventory import Json
from bartizan.cli.options import PATH, asking, speaking
from bartizan.cli.terminal import Exit, Failed, Terminal, when
from bartizan.containment.statement import Part, Statement, Verdict, verdict
from bartizan.errors import Refused
from bartizan.trust.statements import Verified, open_statement

MEANS = {
    Verdict.PROVEN: "PROVEN: all of the time, no packet of it could pass this gateway but to what `could reach` names.",
    Verdict.NOT_PROVEN: "NOT PROVEN for all of the time: see the parts that say why. The others are proven.",
    Verdict.NOT_HELD: "NOT HELD for all of the time: in some parts it could go anywhere, or past the gateway.",
}


@click.group()
def statement() -> None:
    """What a gateway states of a device, signed with its own key."""


@statement.command()
@click.argument("name")
@click.option("--site", help="Where it is, if it is known at several sites.")
@click.option(
    "--from", "since", default="7d", show_default=True, metavar="AGO|TIME", help="12h, 7d, 2026-03-01, a time."
)
@click.option("--to", "until", default="", metavar="TIME", help="2026-03-08, a time.  [default: now]")
@click.option("--out", type=PATH, help="Write it there.  [default: standard output]")
@asking
def make(
    terminal: Terminal, controller: Controller, name: str, *, site: str | None, out: Path | None, **when_: str
) -> None:
    """Have the gateway of a device state, signed, how it was held from when to when.

    NAME is the device's id, serial number, MAC or address. Its gateway must be connected; if not, run `bartizan-agent
    statement` on it.
    """
    at = find(controller, name, site)
    made = controller.post(f"sites/{at['site']}/devices/{at['device']['id']}/statements", Json, when_)
    if out is None:
        terminal.say(made["envelope"], value=made)
        return
    out.write_text(made["envelope"] + "\n", encoding="utf-8")
    terminal.say(f"written to {out}; verify it with: bartizan statement verify {out} --ca ca.pem", value=made)


@statement.command()
@click.argument("file", type=PATH)
@click.option(
    "--ca",
    "ca_file",
    required=True,
    type=PATH,
    help="The estate's certificate authority (ca.pem), from somebody you trust and not from whoever gave you FILE.",
)
@speaking
def verify(terminal: Terminal, file: Path, ca_file: Path) -> None:
    """Verify the statement in FILE, without a controller, and say what it proves.

    Exit codes: 0 it is genuine and proves the whole time; 1 it is not genuine; 5 it is genuine and does not prove the
    whole time.
    """
    try:
        verified = open_statement(file.read_bytes(), ca_file.read_bytes())
    except OSError as error:
        raise Failed(f"{error.filename} cannot be read: {error.strerror}", Exit.USAGE) from error
    except Refused as refused:
        raise Failed(f"{file} is NOT genuine: {refused}") from refused
    found = verdict(verified.statement.parts)
    terminal.fields(
        _fields(verified, found),
        value={"verdict": found, "certificate": verified.serial, "statement": verified.statement},
    )
    if found is not Verdict.PROVEN:
        raise Failed(f"it is genuine, and does not prove the whole time: {found.value}", Exit.NOT_PROVEN)


def _fields(verified: Verified, found: Verdict) -> list[tuple[str, object]]:
    stated = verified.statement
    return [
        ("verdict", MEANS[found]),
        ("device", f"{stated.device} at {stated.site}"),
        ("time", f"{when(stated.since)} to {when(stated.until)} UTC, by the gateway's clock"),
        ("signed by", f"the gateway of {stated.site}, certificate {verified.serial}, at {when(stated.made_at)}"),
        ("parts", "\n".join(_part(each) for each in stated.parts)),
        ("could reach", "\n".join(sorted(_reach(stated))) or "nothing but the gateway, in the parts that are proven"),
        (
            "was kept from",
            "\n".join(_dropped(stated)) or "nothing: it tried nothing that is forbidden, as far as is listed",
        ),
        ("cannot see", "\n".join(stated.limits)),
    ]


def _part(part: Part) -> str:
    time = f"{when(part.since)} to {when(part.until)}"
    if part.not_proven_because:
        return f"{time}  NOT PROVEN: {part.not_proven_because}"
    if part.held is None:
        return f"{time}  not held by name: nobody knew it"
    around = f", but past the packet filter: {part.held.around}" if part.held.around else ""
    return f"{time}  proven: {part.held.level.value}{around}"


def _reach(stated: Statement) -> set[str]:
    return {each for part in stated.parts if part.held is not None for each in part.held.reach}


def _dropped(stated: Statement) -> list[str]:
    rows = [
        f"{each.destination} {each.protocol} {each.port or ''}".rstrip()
        + f"  {each.packets} packets, {when(each.first_at)} to {when(each.last_at)}"
        for each in stated.dropped
    ]
    more = ["and more destinations than are listed; those packets were dropped as well"] if stated.unlisted else []
    return [*rows, *more]
