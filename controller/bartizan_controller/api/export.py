"""The inventory as a file."""

import asyncio
import enum
from collections.abc import AsyncIterator
from typing import Annotated

from litestar import Response, Router, get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from bartizan.wire import codec
from bartizan_controller.access import Person
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.api.query import ASKED, FIELDS, AskedFor, narrowed, only
from bartizan_controller.export import cyclonedx, spreadsheet
from bartizan_controller.parts import Parts
from bartizan_controller.search import BATCH, DeviceQuery, Found, search
from bartizan_controller.store.devices import DeviceState, Position


class ExportFormat(enum.Enum):
    """How devices are written."""

    CSV = "csv"
    JSON = "json"
    CYCLONEDX = "cyclonedx"


@get(
    "/export",
    dependencies=ASKED,
    guards=[only(*FIELDS, "view", "format")],
    summary="Export devices",
    media_type="application/octet-stream",
)
async def export(
    *,
    request: Asking,
    parts: TheParts,
    asked: AskedFor,
    format: FromQuery[ExportFormat],  # noqa: A002 - the parameter's name
    view: Annotated[str, QueryParameter(description="Within this saved view.")] = "",
) -> Response[str] | Stream:
    """Those that fit every parameter: CSV for spreadsheets, JSON with all that is known, or a CycloneDX 1.6 bill."""
    person = request.user
    query = await parts.database.read(lambda c: narrowed(c, person, view, asked))
    first = await _page(parts, person, query, None)
    if format is ExportFormat.CYCLONEDX:
        return Response(await _bill(parts, person, query, first), media_type="application/vnd.cyclonedx+json")
    pages = _pages(parts, person, query, first)
    if format is ExportFormat.CSV:
        return Stream(_csv(pages), media_type="text/csv; charset=utf-8")
    return Stream(_json(pages), media_type="application/json")


async def _page(parts: Parts, person: Person, query: DeviceQuery, after: Position | None) -> Found:
    catalogue = parts.publication.catalogue

    def find(connection: Connection) -> Found:
        return search(connection, query, catalogue=catalogue, scope=person.scope, after=after, limit=BATCH)

    return await parts.database.read(find)


async def _pages(
    parts: Parts, person: Person, query: DeviceQuery, first: Found
) -> AsyncIterator[tuple[DeviceState, ...]]:
    yield first.states
    after = first.next
    while after is not None and not parts.stopping.is_set():
        found = await _page(parts, person, query, after)
        yield found.states
        after = found.next


async def _csv(pages: AsyncIterator[tuple[DeviceState, ...]]) -> AsyncIterator[str]:
    yield spreadsheet.heading()
    async for states in pages:
        yield spreadsheet.lines(states)


async def _json(pages: AsyncIterator[tuple[DeviceState, ...]]) -> AsyncIterator[str]:
    separator = '{"devices":[\n'
    async for states in pages:
        for state in states:
            yield f"{separator}{codec.encode(state).decode()}"
            separator = ",\n"
    yield "\n]}\n" if separator.startswith(",") else f"{separator}]}}\n"


async def _bill(parts: Parts, person: Person, query: DeviceQuery, first: Found) -> str:
    states: list[DeviceState] = []
    async for page in _pages(parts, person, query, first):
        states += page
        if len(states) > cyclonedx.DEVICES_AT_MOST:
            raise ValueError(
                f"a bill has at most {cyclonedx.DEVICES_AT_MOST:,} devices: filter by site or organisation"
            )
    makers = {maker.id: maker.name for maker in parts.publication.catalogue.makers}
    estate = person.organisation or "estate"
    return await asyncio.to_thread(cyclonedx.bill, states, makers, estate=estate, now=parts.clock())


router = Router("/", tags=["inventory"], route_handlers=[export])
