"""Devices, posture and events: what gateways reported."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy import Connection

from bartizan.hardening.model import Finding
from bartizan.hardening.rules import findings
from bartizan.identity.model import Kind
from bartizan.ids import DeviceId, Mac, SiteId
from bartizan.wire import codec
from bartizan.wire.up import Posture
from bartizan_controller import standby
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.api.estate import PAGE, Limit
from bartizan_controller.api.query import ASKED, FIELDS, AskedFor, narrowed, only
from bartizan_controller.inventory import FieldChange
from bartizan_controller.parts import Parts
from bartizan_controller.registry import registered_to
from bartizan_controller.search import Found, read_cursor, search, write_cursor
from bartizan_controller.standby import Member, Told
from bartizan_controller.store import books, counters, devices, events, gateways, history, judgements, organisations
from bartizan_controller.store.books import StoredBook
from bartizan_controller.store.devices import DeviceState, Filter
from bartizan_controller.store.events import EventFilter, RecordedEvent
from bartizan_controller.store.gateways import Gateway

HISTORY = 200
DISAGREEING = 100
RECORDERS = 200
"""Of one site, looked at for whether they record a camera."""
WAIT_SECONDS_AT_MOST = 60.0


class DevicePage(msgspec.Struct, frozen=True):
    """Some devices."""

    items: tuple[DeviceState, ...]
    next: str | None
    """Give it as `after` for the next page; null: there are no more."""


class RecordedBy(msgspec.Struct, frozen=True):
    """A recorder that records a camera."""

    recorder: DeviceId
    channels: tuple[int, ...]
    """Numbers of the channels, the first is 1."""


class DeviceDetail(msgspec.Struct, frozen=True):
    """One device, and what changed about it."""

    state: DeviceState
    history: tuple[FieldChange, ...]
    """Newest first."""
    hardening: tuple[Finding, ...] = ()
    """Every check, its evidence and how to mend it, what failed first; none of what is no camera or recorder."""
    recorded_by: tuple[RecordedBy, ...] = ()
    """The recorders of its site that say they record it."""
    registered_to: dict[Mac, str] = {}
    """The organisation that each of its MAC blocks is registered to, by the IEEE's register."""


class Standby(msgspec.Struct, frozen=True):
    """A second gateway of a site, and whether it could take over."""

    member: Member
    age_seconds: float | None
    """Since its last report was taken; null: there is none."""
    lacks: tuple[str, ...]
    """What it lacks to enforce all that the site's own gateway does, in words; empty: nothing."""
    differences: tuple[str, ...]
    """How what its kernel holds is otherwise than expected, or than the site's own gateway holds it, in words."""


class SitePosture(msgspec.Struct, frozen=True):
    """What a site was told, and what its gateway measures."""

    site: SiteId
    gateway: Gateway | None
    """Null: none was enrolled."""
    posture: Posture | None
    """As the gateway last measured, without its devices; null: it has not reported."""
    age_seconds: float | None
    """Since that report was taken; null: there is none."""
    estate_orders: int
    """Generation of the estate's order book that the gateway should hold."""
    site_orders: int
    catalogue: dict[str, int]
    """Versions that the gateway should hold."""
    counts: dict[str, dict[str, int]]
    """Devices by dimension (`wanted`, `enforced`, `agrees`, …) and value."""
    disagreeing: tuple[DeviceState, ...]
    """Devices for which what is enforced is not what is wanted; the first hundred."""
    differences: tuple[str, ...]
    """How what its kernel holds is otherwise than expected, in words, as of the last report that was judged."""
    serves: SiteId
    """The site whose policy and orders it carries out: itself, or the one that it stands by for."""
    standbys: tuple[Standby, ...]
    """Gateways that stand by for this site, by name."""


class EventPage(msgspec.Struct, frozen=True):
    """Some events."""

    items: tuple[RecordedEvent, ...]
    next: int
    """Give it as `after` to go on."""


@get("/devices", dependencies=ASKED, guards=[only(*FIELDS, "view", "after", "limit")], summary="List devices")
async def list_devices(
    *,
    request: Asking,
    parts: TheParts,
    asked: AskedFor,
    view: Annotated[str, QueryParameter(description="Within this saved view.")] = "",
    after: FromQuery[str] = "",
    limit: Limit = PAGE,
) -> DevicePage:
    """Those that fit every parameter, in the order of `sort`. A page may be short: go on while there is a `next`."""
    catalogue, position = parts.publication.catalogue, read_cursor(after)

    def find(connection: Connection) -> Found:
        wanted = narrowed(connection, request.user, view, asked)
        return search(connection, wanted, catalogue=catalogue, scope=request.user.scope, after=position, limit=limit)

    found = await parts.database.read(find)
    return DevicePage(found.states, write_cursor(found.next))


@get("/sites/{site:str}/devices/{device:str}", summary="Show a device")
async def show_device(
    request: Asking, parts: TheParts, site: FromPath[SiteId], device: FromPath[DeviceId]
) -> DeviceDetail:
    """Its identity, how it is held and why, and what changed."""

    def query(connection: Connection) -> DeviceDetail:
        state = devices.find(connection, site, device, request.user.scope)
        checked = () if state.device.identity.kind is Kind.OTHER else findings(state.device.hardening)
        changed = history.changes_of(connection, site, device, limit=HISTORY)
        return DeviceDetail(state, changed, checked, tuple(_recorded_by(connection, site, device)))

    detail = await parts.database.read(query)
    return msgspec.structs.replace(detail, registered_to=await registered_to(detail.state.device.macs))


def _recorded_by(connection: Connection, site: SiteId, camera: DeviceId) -> Iterator[RecordedBy]:
    for found in devices.recorders(connection, site, limit=RECORDERS):
        device = found.state.device
        channels = tuple(channel.number for channel in device.channels if channel.camera == camera)
        if channels:
            yield RecordedBy(device.id, channels)


@get("/posture", summary="Count the devices of the estate")
async def count_devices(request: Asking, parts: TheParts) -> dict[str, dict[str, int]]:
    """Devices by dimension and value, over all that you may see."""

    def query(connection: Connection) -> dict[str, dict[str, int]]:
        scope = request.user.scope
        scopes = [counters.ESTATE] if scope is None else [counters.of_organisation(each) for each in scope]
        return counters.counted(connection, scopes)

    return await parts.database.read(query)


@get("/sites/{site:str}/posture", summary="Show the posture of a site")
async def show_posture(request: Asking, parts: TheParts, site: FromPath[SiteId]) -> SitePosture:
    """What is wanted against what is measured."""
    now = parts.clock()

    def query(connection: Connection) -> SitePosture:
        organisations.find_site(connection, site, request.user.scope)
        serves = parts.publication.serves(site)
        held = books.load(connection, [serves])
        own, *others = standby.load(connection, (site, *parts.publication.standbys(site)))
        gateway, told = own.gateway, Told(_generation(held, None), _generation(held, serves))
        disagreeing = devices.page(connection, Filter(site=site, agrees=False), limit=DISAGREEING)
        return SitePosture(
            site=site,
            gateway=gateway,
            posture=own.posture,
            age_seconds=gateways.report_age(gateway, now),
            estate_orders=told.estate_orders,
            site_orders=told.site_orders,
            catalogue=parts.publication.versions,
            counts=counters.counted(connection, [counters.of_site(site)]),
            disagreeing=tuple(placed.state for placed in disagreeing),
            differences=_differences(connection, site),
            serves=serves,
            standbys=tuple(
                Standby(
                    each,
                    gateways.report_age(each.gateway, now),
                    standby.shortfalls(each, own, told),
                    _differences(connection, each.site),
                )
                for each in others
            ),
        )

    return await parts.database.read(query)


def _differences(connection: Connection, gateway: SiteId) -> tuple[str, ...]:
    judged = judgements.load(connection, gateway)
    return judged.differences if judged else ()


def _generation(held: Mapping[SiteId | None, StoredBook], scope: SiteId | None) -> int:
    return held[scope].generation if scope in held else 0


@get("/events", summary="List events")
async def list_events(  # noqa: PLR0913 - one for each query parameter
    *,
    request: Asking,
    parts: TheParts,
    after: FromQuery[int] = 0,
    site: FromQuery[SiteId | None] = None,
    device: FromQuery[DeviceId | None] = None,
    kind: FromQuery[str | None] = None,
    wait_seconds: Annotated[float, QueryParameter(ge=0, le=WAIT_SECONDS_AT_MOST)] = 0.0,
    limit: Limit = PAGE,
) -> EventPage:
    """Oldest first, beginning after `after`. With `wait_seconds`, wait for the first one."""
    wanted = EventFilter(organisations=request.user.scope, site=site, device=device, kind=kind)
    until = asyncio.get_running_loop().time() + wait_seconds
    while True:
        heard = parts.news.listen()
        items = await parts.database.read(lambda c: events.page(c, wanted, after=after, limit=limit))
        if items or not await _wait(heard, parts, until - asyncio.get_running_loop().time()):
            return EventPage(items, items[-1].number if items else after)


@get("/events/stream", summary="Follow events", media_type="text/event-stream")
async def follow_events(
    *,
    request: Asking,
    parts: TheParts,
    after: FromQuery[int | None] = None,
    site: FromQuery[SiteId | None] = None,
    device: FromQuery[DeviceId | None] = None,
    kind: FromQuery[str | None] = None,
) -> ServerSentEvent:
    """Server-sent events. `after` (or `Last-Event-ID`) says where to begin; without it, now."""
    wanted = EventFilter(organisations=request.user.scope, site=site, device=device, kind=kind)
    header = request.headers.get("last-event-id", "")
    start = int(header) if header.isdecimal() else after
    if start is None:
        start = await parts.database.read(events.newest)
    return ServerSentEvent(_follow(parts, wanted, start))


async def _follow(parts: Parts, wanted: EventFilter, after: int) -> AsyncIterator[ServerSentEventMessage]:
    while not parts.stopping.is_set():
        heard = parts.news.listen()
        items = await parts.database.read(lambda c: events.page(c, wanted, after=after, limit=PAGE))  # noqa: B023 - awaited here
        for item in items:
            after = item.number
            yield ServerSentEventMessage(data=codec.encode(item).decode(), event=item.kind, id=str(item.number))
        if not items and not await _wait(heard, parts, WAIT_SECONDS_AT_MOST / 4):
            # Keeps what stands between from thinking that the connection is dead.
            yield ServerSentEventMessage(comment="nothing new")


async def _wait(heard: asyncio.Event, parts: Parts, seconds: float) -> bool:
    """Wait for news, but not after the controller began to stop; return whether there is some."""
    if seconds <= 0 or parts.stopping.is_set():
        return False
    try:
        async with asyncio.timeout(seconds):
            await heard.wait()
    except TimeoutError:
        return False
    return not parts.stopping.is_set()


router = Router(
    "/",
    tags=["inventory"],
    route_handlers=[list_devices, show_device, count_devices, show_posture, list_events, follow_events],
)
