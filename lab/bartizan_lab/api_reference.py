"""The controller's HTTP API, read off the application: as an OpenAPI document for programs, as a page for people."""

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from bartizan_controller.api.access import OPEN
from bartizan_controller.api.application import application
from bartizan_controller.parts import Parts
from bartizan_controller.pushes.routes import router as push_routes
from bartizan_controller.rollouts.routes import router as rollout_routes

INTRODUCTION = """\
# HTTP API

HTTPS, JSON, below `/api/1`. Show an API token: `Authorization: Bearer bzt_…`. Errors are problem documents (RFC 9457) whose
`detail` says what to do. Lists come in pages: give the `next` of one as `after` of the following.

The whole of it, with parameters and types, is an OpenAPI 3.1 document: [schemas/openapi.json](../schemas/openapi.json), and
`/schema/openapi.json` on a running controller. Who holds none of the roles named here, and is no `admin`, gets 403; a token that
is confined to an organisation sees that one and those below it.

| | path | | who |
|---|---|---|---|
"""


class Route(NamedTuple):
    """One thing that the API can do."""

    method: str
    path: str
    summary: str
    meaning: str
    who: str
    """Roles, in words."""


def routes() -> tuple[Route, ...]:
    """Return every route below `/api`, by path."""
    return tuple(sorted(_routes(_application()), key=lambda route: (route.path, route.method)))


def api_page() -> str:
    """Return the page, in Markdown."""
    rows = [
        f"| {route.method} | `{route.path}` | **{route.summary}.** {route.meaning} | {route.who} |"
        for route in routes()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def openapi() -> str:
    """Return the document (JSON, OpenAPI 3.1), as a text that is the same each time."""
    schema = _application().openapi_schema.to_schema()
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=1).decode() + "\n"


def _application() -> Litestar:
    return application(_nothing_runs, more=(rollout_routes, push_routes))


def _routes(app: Litestar) -> Iterator[Route]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith("/api/"):
            continue
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield Route(method, route.path_format, handler.summary or "", _meaning(handler), _who(route, handler))


def _meaning(handler: HTTPRouteHandler) -> str:
    promise = inspect.getdoc(handler.fn) or ""
    return " ".join(promise.partition("\n\nRaises:")[0].split())


def _who(route: HTTPRoute, handler: HTTPRouteHandler) -> str:
    if any(re.search(pattern, route.path) for pattern in OPEN):
        return "anybody"
    guards = [inspect.getclosurevars(guard).nonlocals for guard in handler.guards or ()]
    roles = [role.value for found in guards for role in found.get("roles", ())]
    return ", ".join(roles) or "every role"


def _nothing_runs() -> Parts:
    raise RuntimeError("this application only describes itself: nothing runs behind it")
