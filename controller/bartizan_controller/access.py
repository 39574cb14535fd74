"""Who may do what: roles, the people and programs that hold them, and the tokens they show."""

import base64
import enum
import hashlib

import msgspec

from bartizan.ids import OrganisationId

PREFIX = "bzt"
SECRET_OCTETS = 32

Scope = frozenset[OrganisationId] | None
"""The organisations that somebody may see; None: all."""


class Role(enum.Enum):
    """What a person does here. Every role may look; only `admin` may do everything."""

    VIEWER = "viewer"
    ESTATES = "estates"
    SOC = "soc"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Person(msgspec.Struct, frozen=True):
    """Somebody who showed a valid token."""

    name: str
    roles: frozenset[Role]
    scope: Scope = None
    """The organisations they may see; None: all."""
    organisation: OrganisationId | None = None
    """The one that their token is for; `scope` is that and what is below it. None: the whole estate."""

    def has(self, *roles: Role) -> bool:
        """Return whether they hold one of these roles, or are an administrator."""
        return bool(self.roles & {Role.ADMIN, *roles})


class ApiToken(msgspec.Struct, frozen=True):
    """What is kept of a token: never the token itself."""

    id: str
    name: str
    """Who holds it, as the audit log will say."""
    roles: tuple[Role, ...]
    organisation: OrganisationId | None
    created_by: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None


def write_token(identifier: str, secret: bytes) -> str:
    """Return a token as it is shown, once: `bzt_<id>_<secret>`."""
    return f"{PREFIX}_{identifier}_{base64.b32encode(secret).decode().rstrip('=').lower()}"


def token_digest(token: str) -> str:
    """Return what is stored of a token. 32 random octets need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
