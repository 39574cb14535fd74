"""What devices were: the history of one, and the differences between two dates."""

from datetime import date
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy import Connection

from bartizan.ids import DeviceId, SiteId
from bartizan.policy.fields import moment
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.api.estate import PAGE, Limit
from bartizan_controller.api.query import only
from bartizan_controller.search import read_cursor, write_cursor
from bartizan_controller.store import history, organisations
from bartizan_controller.store.devices import Position
from bartizan_controller.store.history import Difference, Interval

DAY_SECONDS = 86_400.0


class DifferencePage(msgspec.Struct, frozen=True):
    """Some devices that were not the same at two moments."""

    begin: float
    end: float
    items: tuple[Difference, ...]
    next: str | None
    """Give it as `after` for the next page; null: there are no more."""


@get(
    "/sites/{site:str}/devices/{device:str}/history",
    guards=[only("at", "limit")],
    summary="Show the history of a device",
)
async def show_history(
    request: Asking,
    parts: TheParts,
    site: FromPath[SiteId],
    device: FromPath[DeviceId],
    at: Annotated[
        str, QueryParameter(description="What it was then: on a day (2026-03-01, UTC), or at a time with a zone.")
    ] = "",
    limit: Limit = PAGE,
) -> tuple[Interval, ...]:
    """Intervals in which its facts stayed the same, newest first. Devices that are gone have a history too."""
    begin = moment(at) if at else None
    end = begin + DAY_SECONDS if begin is not None and _is_day(at) else begin

    def query(connection: Connection) -> tuple[Interval, ...]:
        organisations.find_site(connection, site, request.user.scope)
        if begin is None or end is None:
            return history.of_device(connection, site, device, limit=limit)
        return history.within(connection, site, device, begin=begin, end=end, limit=limit)

    return await parts.database.read(query)


@get("/differences", guards=[only("since", "until", "site", "after", "limit")], summary="Compare two dates")
async def compare(
    *,
    request: Asking,
    parts: TheParts,
    since: Annotated[str, QueryParameter(description="A date (its beginning, UTC), or a time with a zone.")],
    until: Annotated[str, QueryParameter(description="The same; now, if left out.")] = "",
    site: FromQuery[SiteId | None] = None,
    after: FromQuery[str] = "",
    limit: Limit = PAGE,
) -> DifferencePage:
    """Devices that were not the same at the two, by site and id. A page may be short: go on while there is a `next`."""
    begin, end = moment(since), moment(until) if until else parts.clock()
    if begin >= end:
        raise ValueError("`since` must be before `until`")
    position = read_cursor(after)
    start = ("", "") if position is None else (position.site, position.device)
    found, rest = await parts.database.read(
        lambda c: history.differences(c, request.user.scope, site=site, begin=begin, end=end, after=start, limit=limit)
    )
    place = Position("", SiteId(rest[0]), DeviceId(rest[1])) if rest else None
    return DifferencePage(begin, end, found, write_cursor(place))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


router = Router("/", tags=["inventory"], route_handlers=[show_history, compare])
