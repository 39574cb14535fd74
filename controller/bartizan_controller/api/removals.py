"""Days of removal: what policy wants gone, by when, and how far sites have come."""

from litestar import Router, get
from litestar.params import FromPath
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.store import organisations, removals
from bartizan_controller.store.removals import DeviceRemoval, SiteRemoval


@get("/removals", summary="List sites where devices have a day of removal")
async def list_removals(request: Asking, parts: TheParts) -> tuple[SiteRemoval, ...]:
    """The earliest day first, as gateways last reported their devices; sites where none is seen any more come last."""
    scope, now = request.user.scope, parts.clock()
    return await parts.database.read(lambda c: removals.by_site(c, scope, now=now))


@get("/sites/{site:str}/removals", summary="List what has to go at a site")
async def list_removals_of_site(request: Asking, parts: TheParts, site: FromPath[SiteId]) -> tuple[DeviceRemoval, ...]:
    """Devices with a day of removal; those that are still there first, by their day."""
    scope, now = request.user.scope, parts.clock()

    def query(connection: Connection) -> tuple[DeviceRemoval, ...]:
        organisations.find_site(connection, site, scope)
        return removals.at_site(connection, site, now=now)

    return await parts.database.read(query)


router = Router("/", tags=["inventory"], route_handlers=[list_removals, list_removals_of_site])
