"""Asset lists: import, and reconciliation with what was found."""

import asyncio
from typing import Annotated

from litestar import Router, delete, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from bartizan.ids import SiteId
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs
from bartizan_controller.api.query import only
from bartizan_controller.assets import register
from bartizan_controller.assets.reconcile import Result
from bartizan_controller.assets.register import Imported, ListFormat, Reconciliation
from bartizan_controller.store import assets
from bartizan_controller.store.assets import HeldList

LIST_OCTETS = 64 * 1024 * 1024
OUTCOMES = 1_000
OUTCOMES_AT_MOST = 200_000


@get("/assets", guards=[only()], summary="List asset lists")
async def list_lists(request: Asking, parts: TheParts) -> tuple[HeldList, ...]:
    """Those that have assets at sites that you may see."""
    return await parts.database.read(lambda c: assets.lists(c, request.user.scope))


@post(
    "/assets/{name:str}",
    guards=[needs(Role.ESTATES), only("format", "site", "column", "dry_run")],
    status_code=200,
    request_max_body_size=LIST_OCTETS,
    summary="Import an asset list",
)
async def import_list(
    *,
    request: Asking,
    parts: TheParts,
    name: FromPath[str],
    format: Annotated[ListFormat, QueryParameter(description="`netbox` is what /api/dcim/devices/?limit=0 gives.")],  # noqa: A002 - the parameter's name
    site: Annotated[SiteId | None, QueryParameter(description="Where entries are that name no site.")] = None,
    column: Annotated[
        list[str] | None, QueryParameter(description="Where a CSV has a field: `serial=Serial No.`; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, QueryParameter(description="Only say what would change.")] = False,
) -> Imported:
    """The body is the list. It is taken whole, in place of what was held under the name, or not at all."""
    octets, columns, now = await request.body(), _columns(column or []), parts.clock()
    places = await parts.database.read(lambda c: register.places(c, request.user, site))
    read = await asyncio.to_thread(register.read_list, octets, format, columns, places)
    return await parts.database.write(lambda c: register.take_in(c, request.user, name, read, dry_run=dry_run, now=now))


@delete("/assets/{name:str}", guards=[needs(Role.ESTATES)], summary="Forget an asset list")
async def forget_list(request: Asking, parts: TheParts, name: FromPath[str]) -> None:
    """Nothing is expected for its sake any more."""
    await parts.database.write(lambda c: register.forget(c, request.user, name, now=parts.clock()))


@get(
    "/reconciliation",
    guards=[only("list", "site", "result", "limit")],
    summary="Compare an asset list with what was found",
)
async def show_reconciliation(
    *,
    request: Asking,
    parts: TheParts,
    name: Annotated[str | None, QueryParameter(name="list", description="Needed if there are several lists.")] = None,
    site: FromQuery[SiteId | None] = None,
    result: Annotated[list[Result] | None, QueryParameter(description="Only these; all, if left out.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=OUTCOMES_AT_MOST)] = OUTCOMES,
) -> Reconciliation:
    """Matched by serial number, MAC, then address within a site. Counts are of all, items the first `limit`."""
    results = frozenset(result or Result)
    return await parts.database.read(
        lambda c: register.compare(c, request.user, name=name, site=site, results=results, limit=limit)
    )


def _columns(given: list[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for each in given:
        field, sign, heading = each.partition("=")
        if not sign:
            raise ValueError(f"{each!r} maps nothing: write it as in serial=Serial No.")
        columns[field.strip()] = heading.strip()
    return columns


router = Router("/", tags=["assets"], route_handlers=[list_lists, import_list, forget_list, show_reconciliation])
