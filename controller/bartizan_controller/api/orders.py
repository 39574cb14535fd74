"""Orders: raise a level now, look again, and release back to what policy demands."""

import secrets

import msgspec
from litestar import Router, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, OrderId, OrganisationId, SiteId
from bartizan.policy.model import Any, Condition, Operator, Selector, Subject
from bartizan.trust.orders import Prove, Raise, Scan
from bartizan.wire.capability import SELF_TESTS
from bartizan_controller import orders
from bartizan_controller.access import Person, Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.api.estate import PAGE, Limit
from bartizan_controller.errors import Conflict, NotFound
from bartizan_controller.orders import Change
from bartizan_controller.store import books, devices, gateways, organisations
from bartizan_controller.store.books import GivenOrder


class NewRaise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold devices at a level or tighter.

    Say whom it concerns by exactly one of `device` (with `site`, if the device is known at several), `site` (which
    may have a `selector`), `organisation` (which may not), `selector` alone, or `estate`.
    """

    level: Level
    reason: str
    device: DeviceId | None = None
    site: SiteId | None = None
    organisation: OrganisationId | None = None
    selector: Selector | None = None
    estate: bool = False
    """Every device of the estate."""


class NewScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Look again at one site, or at all."""

    site: SiteId | None = None


class NewSelfTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Have one gateway test itself."""

    site: SiteId


class OrderPage(msgspec.Struct, frozen=True):
    """Some orders."""

    items: tuple[GivenOrder, ...]
    next: str | None
    """Give it as `after` for the next page; null: there are no more."""


@post("/orders", guards=[needs(Role.SOC)], summary="Raise a level")
async def raise_level(request: Asking, parts: TheParts, data: JSONBody[NewRaise]) -> GivenOrder:
    """In force at each gateway within seconds of its hearing it, until it is released."""
    if not data.reason.strip():
        raise ValueError("an order needs a reason: others will read it")
    person, now = request.user, parts.clock()

    _refuse_standby(parts, data.site)

    def change(connection: Connection) -> GivenOrder:
        wanted = _order(connection, person, data)
        orders.apply(connection, parts.sign, wanted, by=person.name, now=now)
        return books.find(connection, wanted.give[0].id, None)

    given = await parts.database.write(change)
    parts.link.wake()
    return given


@get("/orders", summary="List orders")
async def list_orders(
    *,
    request: Asking,
    parts: TheParts,
    site: FromQuery[SiteId | None] = None,
    ended: FromQuery[bool] = False,
    after: FromQuery[str] = "",
    limit: Limit = PAGE,
) -> OrderPage:
    """Those that stand, or with `ended` those that do not, by id."""
    items = await parts.database.read(
        lambda c: books.page(c, request.user.scope, site=site, ended=ended, after=after, limit=limit)
    )
    return OrderPage(items, items[-1].order.id if len(items) == limit else None)


@get("/orders/{order:str}", summary="Show an order")
async def show_order(request: Asking, parts: TheParts, order: FromPath[OrderId]) -> GivenOrder:
    """One order, standing or ended."""
    return await parts.database.read(lambda c: books.find(c, order, request.user.scope))


@delete("/orders/{order:str}", guards=[needs(Role.SOC)], summary="Release an order")
async def release(request: Asking, parts: TheParts, order: FromPath[OrderId], reason: FromQuery[str]) -> None:
    """Devices go back to what policy demands, never below."""
    if not reason.strip():
        raise ValueError("a release needs a reason: others will read it")

    def change(connection: Connection) -> None:
        given = books.find(connection, order, request.user.scope)
        if given.ended_at is not None:
            raise Conflict(f"order {order!r} was ended by {given.ended_by}: {given.ended_because}")
        wanted = Change(given.site, end=(order,), because=reason.strip())
        orders.apply(connection, parts.sign, wanted, by=request.user.name, now=parts.clock())

    await parts.database.write(change)
    parts.link.wake()


@post("/scans", guards=[needs(Role.SOC, Role.ESTATES)], status_code=202, summary="Ask for a scan")
async def ask_for_scan(request: Asking, parts: TheParts, data: JSONBody[NewScan]) -> Scan:
    """Gateways look at their segments again."""
    scan = Scan(OrderId(f"scan-{secrets.token_hex(6)}"))
    if data.site is None:
        require_whole_estate(request.user)
    _refuse_standby(parts, data.site)

    def change(connection: Connection) -> None:
        if data.site is not None:
            organisations.find_site(connection, data.site, request.user.scope)
        orders.ask_for(connection, parts.sign, scan, data.site, by=request.user.name, now=parts.clock())

    await parts.database.write(change)
    parts.link.wake()
    return scan


@post("/self-tests", guards=[needs(Role.SOC, Role.ESTATES)], status_code=202, summary="Ask for a self-test")
async def ask_for_self_test(request: Asking, parts: TheParts, data: JSONBody[NewSelfTest]) -> Prove:
    """A gateway tries to get out of its camera segments as a stranger; its posture says what came of it."""
    prove = Prove(OrderId(f"prove-{secrets.token_hex(6)}"))
    _refuse_standby(parts, data.site)

    def change(connection: Connection) -> None:
        organisations.find_site(connection, data.site, request.user.scope)
        capability = gateways.find(connection, data.site).capability
        if capability < SELF_TESTS:
            raise Conflict(
                f"the agent of {data.site!r} is too old for self-tests (capability {capability}): upgrade it"
            )
        orders.ask_for(connection, parts.sign, prove, data.site, by=request.user.name, now=parts.clock())

    await parts.database.write(change)
    parts.link.wake()
    return prove


def _refuse_standby(parts: TheParts, site: SiteId | None) -> None:
    if site is not None and (served := parts.publication.serves(site)) != site:
        raise Conflict(f"{site!r} is a standby gateway: give the order for {served!r}, and both carry it out")


def _order(connection: Connection, person: Person, data: NewRaise) -> Change:
    _check_target(data)
    order = Raise(
        id=OrderId(f"raise-{secrets.token_hex(6)}"),
        level=data.level,
        reason=data.reason.strip(),
        by=person.name,
        device=data.device,
        selector=data.selector,
    )
    if data.organisation is not None:
        organisations.find_organisation(connection, data.organisation, person.scope)
        order = msgspec.structs.replace(order, selector=_all_of(connection, data.organisation))
        return Change(None, give=(order,), organisation=data.organisation)
    site = _site_of(connection, person, data)
    if site is None:
        require_whole_estate(person)
    return Change(site, give=(order,))


def _check_target(data: NewRaise) -> None:
    whole = [data.device, data.organisation, data.estate or None]
    alone = [data.site, data.selector] if not any(each is not None for each in whole) else []
    if sum(each is not None for each in whole) > 1 or (not any(alone) and not any(whole)):
        raise ValueError("say whom the order concerns: one of device, site, organisation, selector, estate")
    if data.selector is not None and any(each is not None for each in whole):
        raise ValueError("a selector goes with a site or stands alone")
    if data.site is not None and (data.organisation is not None or data.estate):
        raise ValueError("an order concerns one site, or an organisation, or the estate")


def _site_of(connection: Connection, person: Person, data: NewRaise) -> SiteId | None:
    if data.site is not None:
        found = organisations.find_site(connection, data.site, person.scope).id
        if data.device is not None:
            devices.find(connection, found, data.device, person.scope)
        return found
    if data.device is None:
        return None
    sites = devices.sites_of(connection, data.device, person.scope)
    if not sites:
        raise NotFound(f"there is no device {data.device!r}")
    if len(sites) > 1:
        raise Conflict(f"device {data.device!r} is known at {', '.join(sites)}: say which site")
    return sites[0]


def _all_of(connection: Connection, organisation: OrganisationId) -> Selector:
    """Select an organisation by name, and its sites of today by theirs: a site may not be described by anybody yet."""
    below = organisations.descendants(connection, organisation)
    sites = organisations.page_of_sites(connection, below, limit=orders.SITES_AT_MOST)
    by_name = Condition(Subject.ORGANISATION, Operator.IS, tuple(sorted(below)))
    if not sites:
        return by_name
    return Any((by_name, Condition(Subject.SITE, Operator.IS, tuple(site.id for site in sites))))


router = Router(
    "/",
    tags=["orders"],
    route_handlers=[raise_level, list_orders, show_order, release, ask_for_scan, ask_for_self_test],
)
