"""The API as one ASGI application."""

from collections.abc import Callable, Sequence

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler

from bartizan_controller import __version__
from bartizan_controller.api import (
    assets,
    attempts,
    break_glass,
    catalogue,
    estate,
    explanation,
    export,
    history,
    inventory,
    orders,
    preview,
    removals,
    statements,
    status,
    totals,
    views,
    vulnerabilities,
)
from bartizan_controller.api.access import BearerTokens
from bartizan_controller.api.problems import HANDLERS
from bartizan_controller.parts import Parts

ROUTERS: tuple[ControllerRouterHandler, ...] = (
    estate.router,
    inventory.router,
    explanation.router,
    history.router,
    attempts.router,
    statements.router,
    totals.router,
    assets.router,
    export.router,
    views.router,
    orders.router,
    break_glass.router,
    catalogue.router,
    preview.router,
    removals.router,
    status.router,
    vulnerabilities.router,
)
BODY_OCTETS = 8 * 1024 * 1024


def application(
    parts: Callable[[], Parts], *, body_octets: int = BODY_OCTETS, more: Sequence[ControllerRouterHandler] = ()
) -> Litestar:
    """Return the application.

    Args:
        parts: Returns the running controller; called for each request.
        body_octets: Largest request body, where a route does not say otherwise.
        more: Routes of other parts of the controller, below `/api/1`.
    """

    def provide() -> Parts:
        return parts()

    return Litestar(
        route_handlers=[Router("/api/1", route_handlers=[*ROUTERS, *more])],
        dependencies={"parts": Provide(provide, sync_to_thread=False)},
        middleware=[DefineMiddleware(BearerTokens, parts=parts)],
        exception_handlers=HANDLERS,
        request_max_body_size=body_octets,
        openapi_config=OpenAPIConfig(
            title="Bartizan controller",
            version=__version__,
            path="/schema",
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin()],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"token": []}],
        ),
        logging_config=None,
    )
