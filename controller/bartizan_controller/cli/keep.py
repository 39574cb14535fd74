"""Tokens and the audit chain, on the controller's own machine.

While the controller runs, its database is its own: changes then go through its API, with the administrator's token
that lies in the folder. Otherwise the folder is locked and changed directly.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import Connection

from bartizan.ids import OrganisationId, SiteId
from bartizan_controller import config, enrolment, estate, recount
from bartizan_controller.access import ApiToken, Role
from bartizan_controller.api.estate import EnrolmentTokenShown, IssuedToken, NewEnrolmentToken, NewSite, NewToken
from bartizan_controller.api.totals import Recount
from bartizan_controller.audit import GENESIS, verify
from bartizan_controller.authority import Authority
from bartizan_controller.cli.answers import JSON, say
from bartizan_controller.cli.running import RunningController
from bartizan_controller.directory import Folder, InUse, locked
from bartizan_controller.errors import NotFound
from bartizan_controller.store import audit as audit_rows
from bartizan_controller.store import dialect, organisations, tokens
from bartizan_controller.store.counters import Miscount
from bartizan_controller.store.database import Database
from bartizan_controller.store.organisations import Site

BY = "local administrator"
FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))

T = TypeVar("T")


@click.group()
def token() -> None:
    """API tokens: make, list, revoke."""


@token.command("create")
@FOLDER
@click.option("--name", required=True, help="Who holds it, as the audit chain will say.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="Repeat it for several.",
)
@click.option("--organisation", help="Only this one and what is below it.  [default: the whole estate]")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="How long it is valid.  [default: for ever]")
@JSON
def create(
    folder: Path, *, name: str, roles: tuple[str, ...], organisation: str | None, days: float | None, as_json: bool
) -> None:
    """Make an API token for the controller in FOLDER, and print it. It is shown only now."""
    wanted = NewToken(
        name, tuple(Role(role) for role in roles), OrganisationId(organisation) if organisation else None, days
    )

    def change(database: Database) -> IssuedToken:
        about, token = database.change(
            lambda c: estate.issue_token(
                c,
                wanted.name,
                wanted.roles,
                organisation=wanted.organisation,
                by=BY,
                now=time.time(),
                lifetime_seconds=days * 86400 if days else None,
            )
        )
        return IssuedToken(token, about)

    issued = _either(folder, change, lambda api: api.ask("POST", "tokens", IssuedToken, wanted))
    say(issued.token, issued, as_json=as_json)


@token.command("list")
@FOLDER
@JSON
def list_(folder: Path, *, as_json: bool) -> None:
    """Print id, state, roles, organisation and holder of every token of the controller in FOLDER."""
    with _database(_checked(folder)) as database:
        found = database.query(tokens.all_api_tokens)
    lines = (
        f"{held.id}  {_state(held):<22}  {','.join(role.value for role in held.roles):<20}"
        f"  {held.organisation or '-':<16}  {held.name}"
        for held in found
    )
    say("\n".join(lines), found, as_json=as_json)


@token.command("revoke")
@FOLDER
@click.argument("identifier", metavar="ID")
@JSON
def revoke(folder: Path, identifier: str, *, as_json: bool) -> None:
    """Make the token with this ID invalid, at the controller in FOLDER."""
    _either(
        folder,
        lambda database: database.change(lambda c: estate.revoke_token(c, identifier, by=BY, now=time.time())),
        lambda api: api.ask("DELETE", f"tokens/{identifier}", type(None)),
    )
    say(f"{identifier} is not valid any more", {"id": identifier, "revoked": True}, as_json=as_json)


@click.command("enrolment-token")
@FOLDER
@click.argument("site")
@click.option("--organisation", help="Make the site in this organisation if there is none of that name.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="How long it is valid.  [default: 7]")
@JSON
def enrolment_token(folder: Path, site: str, *, organisation: str | None, days: float | None, as_json: bool) -> None:
    """Print a one-time token that enrols the gateway of SITE with the controller in FOLDER."""
    where = _checked(folder)
    lifetime_days = days or config.load(where.config).enrolment_token_days

    def change(database: Database) -> str:
        return database.change(lambda c: _make_token(c, where, site, organisation, lifetime_days * 86400))

    def ask(api: RunningController) -> str:
        if organisation is not None:
            _ensure_site(api, site, organisation)
        path = f"sites/{site}/enrolment-token"
        return api.ask("POST", path, EnrolmentTokenShown, NewEnrolmentToken(lifetime_days)).token

    made = _either(folder, change, ask)
    say(made, {"site": site, "token": made}, as_json=as_json)


@click.group()
def audit() -> None:
    """The audit chain."""


@audit.command("verify")
@FOLDER
@click.option("--head", help="Digest that was noted earlier; it must be in the chain.")
@JSON
def verify_chain(folder: Path, *, head: str | None, as_json: bool) -> None:
    """Walk the chain of the controller in FOLDER and print its newest digest, to be kept somewhere else."""
    with _database(_checked(folder)) as database:
        found = database.query(lambda c: verify(audit_rows.walk(c), wanted=head or GENESIS))
    if found.broken_at is not None:
        raise click.ClickException(
            f"entry {found.broken_at} does not follow from the one before it: the chain was changed afterwards"
        )
    if not found.has_wanted:
        raise click.ClickException(f"the chain has no entry {head}: its end was cut off, or it was written anew")
    say(f"{found.entries} entries, unbroken; head {found.head}", found, as_json=as_json)


@click.group("inventory")
def inventory_() -> None:
    """The inventory's counters."""


@inventory_.command("recount")
@FOLDER
@click.option("--repair", is_flag=True, help="Put wrong counters right.")
@JSON
def recount_(folder: Path, *, repair: bool, as_json: bool) -> None:
    """Count every device, and print which kept counters of the controller in FOLDER are wrong.

    Exit code 1 if any are, and are left so.
    """
    change = recount.repair if repair else recount.check
    wrong = _either(
        folder,
        lambda database: database.change(lambda c: change(c, by=BY, now=time.time())),
        lambda api: api.ask("POST", "totals/recount", tuple[Miscount, ...], Recount(repair)),
    )
    lines = [
        f"{each.scope} {each.dimension} {each.value or '-'}: kept {each.kept}, counted {each.counted}" for each in wrong
    ]
    if not wrong:
        lines.append("every counter agrees with counting")
    elif repair:
        lines.append(f"{len(wrong)} counters were put right")
    say("\n".join(lines), wrong, as_json=as_json)
    if wrong and not repair:
        raise click.ClickException(f"{len(wrong)} counters are wrong: run it again with --repair")


def _either(folder: Path, change: Callable[[Database], T], ask: Callable[[RunningController], T]) -> T:
    """Change the database if it is free, or ask the controller that holds it."""
    where = _checked(folder)
    try:
        with locked(where), _database(where) as database:
            return change(database)
    except InUse:
        return ask(RunningController(where))


def _checked(folder: Path) -> Folder:
    where = Folder(folder.absolute())
    where.check()
    return where


def _database(where: Folder) -> Database:
    return Database(config.load(where.config).database or dialect.sqlite_url(where.database))


def _make_token(
    connection: Connection, where: Folder, site: str, organisation: str | None, lifetime_seconds: float
) -> str:
    now = time.time()
    try:
        organisations.find_site(connection, SiteId(site))
    except NotFound:
        if organisation is None:
            raise
        estate.add_site(connection, site, site, OrganisationId(organisation), by=BY, now=now)
    return enrolment.make_token(
        connection, Authority(where.keys), SiteId(site), by=BY, now=now, lifetime_seconds=lifetime_seconds
    )


def _ensure_site(api: RunningController, site: str, organisation: str) -> None:
    try:
        api.ask("GET", f"sites/{site}", Site)
    except NotFound:
        api.ask("POST", "sites", Site, NewSite(site, OrganisationId(organisation)))


def _state(held: ApiToken) -> str:
    if held.revoked_at is not None:
        return "revoked"
    if held.expires_at is None:
        return "valid"
    until = datetime.fromtimestamp(held.expires_at, UTC)
    return f"{'expired' if held.expires_at <= time.time() else 'until'} {until:%Y-%m-%d %H:%M}"
