"""Rows of API tokens and of enrolment tokens. Only digests are kept."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from bartizan.ids import OrganisationId, SiteId
from bartizan_controller.access import ApiToken, Role
from bartizan_controller.errors import NotFound
from bartizan_controller.store.tables import api_tokens, enrolment_tokens


class EnrolmentToken(msgspec.Struct, frozen=True):
    """What is kept of a one-time token."""

    digest: str
    site: SiteId
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None


def add_api_token(connection: Connection, token: ApiToken, digest: str) -> None:
    """Keep a new API token."""
    row = msgspec.structs.asdict(token) | {"roles": " ".join(role.value for role in token.roles), "digest": digest}
    connection.execute(api_tokens.insert().values(row))


def find_api_token(connection: Connection, digest: str, *, now: float) -> ApiToken | None:
    """Return the token of that digest if it is valid now."""
    row = connection.execute(select(api_tokens).where(api_tokens.c.digest == digest)).mappings().first()
    if row is None:
        return None
    token = _api_token(row)
    expired = token.expires_at is not None and token.expires_at <= now
    return None if expired or token.revoked_at is not None else token


def all_api_tokens(connection: Connection) -> tuple[ApiToken, ...]:
    """Return every token, revoked ones too, oldest first."""
    rows = connection.execute(select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.id)).mappings()
    return tuple(_api_token(row) for row in rows)


def revoke_api_token(connection: Connection, identifier: str, *, now: float) -> None:
    """Make a token invalid from now on.

    Raises:
        NotFound: There is none of that id, or it is revoked already.
    """
    revoked = connection.execute(
        update(api_tokens)
        .where(api_tokens.c.id == identifier, api_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if not revoked.rowcount:
        raise NotFound(f"there is no token {identifier!r} that could be revoked")


def add_enrolment_token(connection: Connection, token: EnrolmentToken) -> None:
    """Keep a new one-time token."""
    connection.execute(enrolment_tokens.insert().values(msgspec.structs.asdict(token)))


def use_enrolment_token(connection: Connection, digest: str, site: SiteId, *, now: float) -> bool:
    """Use a token up; return whether it was there, for this site, unused and in time."""
    used = connection.execute(
        update(enrolment_tokens)
        .where(
            enrolment_tokens.c.digest == digest,
            enrolment_tokens.c.site == site,
            enrolment_tokens.c.used_at.is_(None),
            enrolment_tokens.c.expires_at > now,
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def find_enrolment_token(connection: Connection, digest: str) -> EnrolmentToken | None:
    """Return what is kept of a one-time token, for the audit log."""
    row = connection.execute(select(enrolment_tokens).where(enrolment_tokens.c.digest == digest)).mappings().first()
    return EnrolmentToken(**row) if row else None


def forget_enrolment_tokens(connection: Connection, *, before: float) -> int:
    """Delete one-time tokens that expired before a time; return how many."""
    return connection.execute(delete(enrolment_tokens).where(enrolment_tokens.c.expires_at < before)).rowcount


def _api_token(row: RowMapping) -> ApiToken:
    return ApiToken(
        id=row["id"],
        name=row["name"],
        roles=tuple(Role(text) for text in row["roles"].split()),
        organisation=OrganisationId(row["organisation"]) if row["organisation"] is not None else None,
        created_by=row["created_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
