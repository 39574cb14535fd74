"""How the controller itself is, and its audit chain."""

import msgspec
from litestar import Response, Router, get
from litestar.params import FromQuery
from sqlalchemy import Connection, func, select

from bartizan_controller import __version__
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.api.estate import PAGE, Limit
from bartizan_controller.audit import AuditEntry
from bartizan_controller.store import audit, break_glass, counters, events, tables


class Health(msgspec.Struct, frozen=True):
    """Whether the controller can do its work."""

    ok: bool
    reason: str = ""


class Status(msgspec.Struct, frozen=True):
    """How the controller is."""

    version: str
    broker_connected: bool
    broker_pid: int | None
    """Of the broker that the controller brought along."""
    store_refuses: str
    """Why nothing can be committed; empty if all is well."""
    messages_committed: int
    """Since the start."""
    messages_refused: int
    messages_unheard: int
    """That came at QoS 0, faster than they could be heard. Gateways speak at QoS 1."""
    sites: int
    gateways: int
    gateways_connected: int
    devices: int
    newest_event: int
    reviews_waiting: int
    """Releases by hand that nobody has reviewed."""
    catalogue: dict[str, int]
    catalogue_expires_at: float
    """When the first role expires, Unix seconds."""


class AuditPage(msgspec.Struct, frozen=True):
    """Some entries of the audit chain."""

    items: tuple[AuditEntry, ...]
    next: int


@get("/health", security=[{}], summary="Say whether all is well")
async def health(parts: TheParts) -> Response[Health]:
    """200 or 503, for load balancers and monitors. Needs no token and tells nothing of the estate."""
    state = parts.link.state
    reason = state.store_refuses or ("" if state.connected else "the broker is away")
    return Response(Health(not reason, reason), status_code=503 if reason else 200)


@get("/status", summary="Show how the controller is")
async def status(parts: TheParts) -> Status:
    """Broker, database, counts and catalogue."""
    state = parts.link.state

    def query(connection: Connection) -> tuple[int, int, int, int, int, int]:
        connected = select(func.count()).select_from(tables.gateways).where(tables.gateways.c.connected)
        return (
            connection.execute(select(func.count()).select_from(tables.sites)).scalar_one(),
            connection.execute(select(func.count()).select_from(tables.gateways)).scalar_one(),
            connection.execute(connected).scalar_one(),
            counters.counted(connection, [counters.ESTATE]).get("devices", {}).get("", 0),
            events.newest(connection),
            break_glass.waiting(connection),
        )

    sites, gateways, connected, count, newest, waiting = await parts.database.read(query)
    return Status(
        version=__version__,
        broker_connected=state.connected,
        broker_pid=parts.broker_pid(),
        store_refuses=state.store_refuses,
        messages_committed=state.committed,
        messages_refused=state.refused,
        messages_unheard=state.unheard,
        sites=sites,
        gateways=gateways,
        gateways_connected=connected,
        devices=count,
        newest_event=newest,
        reviews_waiting=waiting,
        catalogue=parts.publication.versions,
        catalogue_expires_at=min(parts.publication.expiries.values()),
    )


@get("/audit", guards=[needs(Role.AUDITOR)], summary="Read the audit chain")
async def read_audit(request: Asking, parts: TheParts, after: FromQuery[int] = 0, limit: Limit = PAGE) -> AuditPage:
    """Oldest first. Each entry's digest covers the one before it."""
    require_whole_estate(request.user)
    items = await parts.database.read(lambda c: audit.page(c, after=after, limit=limit))
    return AuditPage(items, items[-1].number if items else after)


router = Router("/", tags=["controller"], route_handlers=[health, status, read_audit])
