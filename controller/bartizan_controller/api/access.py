"""Who asks: bearer tokens, roles, and the organisations that somebody may see."""

from collections.abc import Callable
from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp, Guard

from bartizan_controller import estate
from bartizan_controller.access import Person, Role
from bartizan_controller.errors import NotAllowed
from bartizan_controller.parts import Parts

Asking: TypeAlias = Request[Person, str, State]
"""A request of somebody who is known."""

TheParts: TypeAlias = NamedDependency[Parts]
"""The running controller."""

OPEN = ("^/schema", "^/api/1/enrol$", "^/api/1/health$")
"""Paths that need no token. Enrolment brings its own."""


class BearerTokens(AbstractAuthenticationMiddleware):
    """Finds out whose token a request shows."""

    def __init__(self, app: ASGIApp, parts: Callable[[], Parts]) -> None:
        super().__init__(app, exclude=list(OPEN))
        self._parts = parts

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Return the person.

        Raises:
            NotAuthorizedException: There is no valid token.
        """
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthorizedException("show an API token: `Authorization: Bearer bzt_…`", headers=_CHALLENGE)
        parts = self._parts()
        try:
            person = await parts.database.read(lambda c: estate.authenticate(c, token.strip(), now=parts.clock()))
        except NotAllowed as error:
            raise NotAuthorizedException(str(error), headers=_CHALLENGE) from error
        return AuthenticationResult(user=person, auth="bearer")


def needs(*roles: Role) -> Guard:
    """Return a guard that lets holders of one of these roles pass, and administrators."""

    def guard(connection: ASGIConnection[Any, Person, Any, Any], _handler: BaseRouteHandler) -> None:
        if not connection.user.has(*roles):
            names = " or ".join(role.value for role in (*roles, Role.ADMIN))
            raise NotAllowed(f"this needs the role {names}")

    return guard


def require_whole_estate(person: Person) -> None:
    """Check that somebody is not confined to some organisations.

    Raises:
        NotAllowed: They are.
    """
    if person.scope is not None:
        raise NotAllowed("this concerns the whole estate; your token is for one organisation")


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="bartizan"'}
