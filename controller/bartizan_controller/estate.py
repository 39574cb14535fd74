"""The tree of organisations and sites, and the tokens of people who look after it: every change is audited."""

import secrets

from sqlalchemy import Connection

from bartizan.ids import OrganisationId, SiteId, slug
from bartizan_controller.access import SECRET_OCTETS, ApiToken, Person, Role, token_digest, write_token
from bartizan_controller.authority import CONTROLLER_NAME
from bartizan_controller.errors import NotAllowed
from bartizan_controller.store import audit, organisations, tokens
from bartizan_controller.store.organisations import Organisation, Site


def add_organisation(
    connection: Connection, identifier: str, name: str, parent: OrganisationId | None, *, by: str, now: float
) -> Organisation:
    """Return a new organisation.

    Raises:
        Conflict: There is one of that id.
        NotFound: Its parent is unknown.
        ValueError: The id is no slug.
    """
    organisation = Organisation(OrganisationId(slug(identifier)), name or identifier, parent, now)
    organisations.add_organisation(connection, organisation)
    audit.record(connection, by, "organisation.add", organisation.id, now=now, detail={"parent": parent or ""})
    return organisation


def add_site(
    connection: Connection, identifier: str, name: str, organisation: OrganisationId, *, by: str, now: float
) -> Site:
    """Return a new site.

    Raises:
        Conflict: There is one of that id.
        NotFound: Its organisation is unknown.
        ValueError: The id is no slug, or the controller's own name.
    """
    if identifier == CONTROLLER_NAME:
        raise ValueError(f"{identifier!r} is the controller's own name: choose another")
    site = Site(SiteId(slug(identifier)), organisation, name or identifier, now)
    organisations.add_site(connection, site)
    audit.record(connection, by, "site.add", site.id, now=now, detail={"organisation": organisation})
    return site


def issue_token(
    connection: Connection,
    name: str,
    roles: tuple[Role, ...],
    *,
    organisation: OrganisationId | None = None,
    by: str,
    now: float,
    lifetime_seconds: float | None = None,
) -> tuple[ApiToken, str]:
    """Return a new API token: what is kept of it, and the token itself, which is not.

    Raises:
        NotFound: The organisation is unknown.
        ValueError: It has no name or no role.
    """
    if not name.strip() or not roles:
        raise ValueError("a token needs the name of its holder and at least one role")
    if organisation is not None:
        organisations.find_organisation(connection, organisation, None)
    token = ApiToken(
        id=secrets.token_hex(4),
        name=name.strip(),
        roles=roles,
        organisation=organisation,
        created_by=by,
        created_at=now,
        expires_at=now + lifetime_seconds if lifetime_seconds is not None else None,
    )
    shown = write_token(token.id, secrets.token_bytes(SECRET_OCTETS))
    tokens.add_api_token(connection, token, token_digest(shown))
    detail = {"name": token.name, "roles": " ".join(role.value for role in roles), "organisation": organisation or ""}
    audit.record(connection, by, "token.issue", token.id, now=now, detail=detail)
    return token, shown


def revoke_token(connection: Connection, identifier: str, *, by: str, now: float) -> None:
    """Make an API token invalid from now on.

    Raises:
        NotFound: There is none of that id, or it is revoked already.
    """
    tokens.revoke_api_token(connection, identifier, now=now)
    audit.record(connection, by, "token.revoke", identifier, now=now)


def authenticate(connection: Connection, token: str, *, now: float) -> Person:
    """Return whose API token it is.

    Raises:
        NotAllowed: It is nobody's, expired or revoked.
    """
    held = tokens.find_api_token(connection, token_digest(token), now=now)
    if held is None:
        raise NotAllowed("this token is not valid: ask an administrator for a new one")
    scope = organisations.descendants(connection, held.organisation) if held.organisation is not None else None
    return Person(held.name, frozenset(held.roles), scope, held.organisation)
