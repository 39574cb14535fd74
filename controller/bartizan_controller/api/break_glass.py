"""Releases by hand, and their reviews."""

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import Connection

from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs
from bartizan_controller.api.estate import PAGE, Limit
from bartizan_controller.errors import Conflict, NotAllowed
from bartizan_controller.store import audit, break_glass
from bartizan_controller.store.break_glass import BreakGlass


class NewReview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a review found."""

    finding: str
    """Whether it was right, and what is to change."""


class BreakGlassPage(msgspec.Struct, frozen=True):
    """Some releases by hand."""

    items: tuple[BreakGlass, ...]
    next: int | None
    """Give it as `after` for the next page; null: there are no more."""


@get("/break-glass", summary="List releases by hand")
async def list_releases(
    request: Asking,
    parts: TheParts,
    reviewed: FromQuery[bool | None] = None,
    after: FromQuery[int] = 0,
    limit: Limit = PAGE,
) -> BreakGlassPage:
    """Containment that somebody lifted on a gateway, oldest first; those that wait for a review are never forgotten."""
    scope = request.user.scope
    items = await parts.database.read(lambda c: break_glass.page(c, scope, reviewed=reviewed, after=after, limit=limit))
    return BreakGlassPage(items, items[-1].number if len(items) == limit else None)


@post(
    "/break-glass/{number:int}/review", guards=[needs(Role.AUDITOR, Role.APPROVER)], summary="Review a release by hand"
)
async def review_release(
    request: Asking, parts: TheParts, number: FromPath[int], data: JSONBody[NewReview]
) -> BreakGlass:
    """Once, and not by who did it. It goes into the audit chain."""
    person, finding, now = request.user, data.finding.strip(), parts.clock()
    if not finding:
        raise ValueError("a review needs a finding: was it right, and what is to change?")

    def change(connection: Connection) -> BreakGlass:
        release = break_glass.find(connection, number, person.scope)
        if release.by.strip().casefold() == person.name.strip().casefold():
            raise NotAllowed(f"{person.name} broke the glass: somebody else reviews it")
        if not break_glass.review(connection, number, by=person.name, finding=finding, now=now):
            raise Conflict(f"{release.reviewed_by} has reviewed it already: {release.finding}")
        detail = {"site": release.site, "by": release.by, "reason": release.reason, "finding": finding}
        audit.record(connection, person.name, "break-glass.reviewed", str(number), now=now, detail=detail)
        return break_glass.find(connection, number, person.scope)

    return await parts.database.write(change)


router = Router("/", tags=["orders"], route_handlers=[list_releases, review_release])
