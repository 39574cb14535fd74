"""Errors as `application/problem+json` (RFC 9457): one shape for everything that goes wrong."""

from typing import Any, TypeAlias

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from bartizan.errors import BartizanError, Refused, Unavailable
from bartizan_controller.errors import Conflict, NotAllowed, NotFound

AnyRequest: TypeAlias = Request[Any, Any, Any]

log = structlog.get_logger()


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, and what to do."""

    title: str
    status: int
    detail: str
    code: str = ""
    """Stable name of a refusal."""


_STATUS: tuple[tuple[type[BartizanError], int, str], ...] = (
    (NotFound, 404, "Not found"),
    (NotAllowed, 403, "Not allowed"),
    (Conflict, 409, "Conflict"),
    (Refused, 422, "Refused"),
    (Unavailable, 503, "Not possible at present"),
)


def answer(problem: Problem) -> Response[bytes]:
    """Return a problem as a response."""
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type="application/problem+json")


def on_error(_request: AnyRequest, error: BartizanError) -> Response[bytes]:
    """Answer with what one of our own errors means."""
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            return answer(Problem(title, status, str(error), error.code if isinstance(error, Refused) else ""))
    return answer(Problem("Not possible", 500, str(error)))


def on_value_error(_request: AnyRequest, error: ValueError) -> Response[bytes]:
    """Answer a request whose values make no sense together."""
    return answer(Problem("Bad request", 400, str(error)))


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answer with what the framework found wrong with a request."""
    detail = error.detail
    if error.status_code == 400 and isinstance(error.extra, list):
        detail = "; ".join(f"{entry.get('key', 'body')}: {entry.get('message', '')}" for entry in error.extra)
    if error.status_code >= 500:
        log.error("request failed", path=request.url.path, exc_info=error)
        detail = "the controller's log says more"
    response = answer(Problem(error.__class__.__name__.removesuffix("Exception"), error.status_code, detail))
    response.headers.update(error.headers or {})
    return response


def on_bug(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer when the controller itself is wrong; the log has all of it."""
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer(Problem("Internal error", 500, "the controller's log says more"))


HANDLERS: ExceptionHandlersMap = {
    BartizanError: on_error,
    ValueError: on_value_error,
    HTTPException: on_http_error,
    Exception: on_bug,
}
