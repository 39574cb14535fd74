"""Totals: how many devices there are by what."""

import msgspec
from litestar import Router, get, post
from litestar.params import FromQuery, JSONBody

from bartizan.ids import OrganisationId, SiteId
from bartizan_controller import recount
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.api.query import only
from bartizan_controller.store.counters import Miscount
from bartizan_controller.totals import By, Totals, totals


class Recount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether wrong counters are put right."""

    repair: bool = False


@get("/totals", guards=[only("by", "site", "organisation")], summary="Count devices by what")
async def show_totals(
    *,
    request: Asking,
    parts: TheParts,
    by: FromQuery[By],
    site: FromQuery[SiteId | None] = None,
    organisation: FromQuery[OrganisationId | None] = None,
) -> Totals:
    """Over all that you may see, or within a site, or an organisation and those below it."""
    makers = parts.publication.catalogue.makers
    return await parts.database.read(
        lambda c: totals(c, by, request.user.scope, site=site, organisation=organisation, makers=makers)
    )


@post("/totals/recount", guards=[needs(Role.ADMIN)], status_code=200, summary="Compare the totals with counting")
async def recount_totals(request: Asking, parts: TheParts, data: JSONBody[Recount]) -> tuple[Miscount, ...]:
    """Counters that were wrong. Reports wait while everything is counted: seconds for a million devices."""
    require_whole_estate(request.user)
    change = recount.repair if data.repair else recount.check
    return await parts.database.write(lambda c: change(c, by=request.user.name, now=parts.clock()))


router = Router("/", tags=["inventory"], route_handlers=[show_totals, recount_totals])
