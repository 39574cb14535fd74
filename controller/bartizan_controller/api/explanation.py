"""Why a device is held as it is: rules, waivers, orders, signatures, since when, and what would release it."""

import itertools

import msgspec
from litestar import Router, get
from litestar.params import FromPath
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.explain import Explanation
from bartizan.policy.facts import site_facts
from bartizan.policy.release import Held, Hold, WaiverStanding
from bartizan.trust.approval import Approval
from bartizan.trust.tufdata import POLICY
from bartizan.wire.events import LEVEL_CHANGED
from bartizan.wire.up import DevicePosture
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.preview.estate import standing
from bartizan_controller.store import books, devices, events, history
from bartizan_controller.store.books import GivenOrder

INTERVALS = 500


class Signed(msgspec.Struct, frozen=True):
    """Who signed the policies and waivers that are published, all of which are one version."""

    version: int
    approval: Approval
    expires_at: float


class Since(msgspec.Struct, frozen=True):
    """Since when the kernel holds a device as it does."""

    at: float
    """Unix seconds."""
    because: str
    """As its gateway told it then; empty where that is not kept any more."""
    at_least: bool
    """Whether it may be longer: what was before is not kept."""


class DeviceExplanation(msgspec.Struct, frozen=True):
    """Why a device is held as it is."""

    site: SiteId
    device: DeviceId
    catalogue: dict[str, int]
    """The published versions, by which it is judged here. Its gateway judges by those that it has accepted."""
    posture: DevicePosture | None
    """As its gateway last measured it."""
    since: Since | None
    """Null: nothing holds it, or it is not kept."""
    explanation: Explanation
    waivers: tuple[WaiverStanding, ...]
    """Those that are for this device and a policy that matches it."""
    orders: tuple[GivenOrder, ...]
    """Those that raise it."""
    signed: Signed
    hold: Hold


@get("/sites/{site:str}/devices/{device:str}/explanation", summary="Explain how a device is held")
async def explain(
    request: Asking, parts: TheParts, site: FromPath[SiteId], device: FromPath[DeviceId]
) -> DeviceExplanation:
    """What every rule made of it, waivers, orders, who signed, since when, and what would release it."""
    publication, at = parts.publication, parts.clock()
    catalogue = publication.catalogue
    signed = Signed(publication.versions[POLICY], publication.approvals[POLICY], publication.expiries[POLICY])

    def query(connection: Connection) -> DeviceExplanation:
        state = devices.find(connection, site, device, request.user.scope)
        in_force = standing(books.orders_of(connection, [site]), site)
        held = Held(catalogue, site_facts(catalogue.sites, site), in_force, state.device, at)
        enforced = state.posture.enforced if state.posture else None
        return DeviceExplanation(
            site=site,
            device=device,
            catalogue=publication.versions,
            posture=state.posture,
            since=_since(connection, site, device, enforced) if enforced else None,
            explanation=held.explanation,
            waivers=held.waivers(),
            orders=tuple(books.find(connection, order, None) for order in held.orders()),
            signed=signed,
            hold=held.hold(),
        )

    return await parts.database.read(query)


def _since(connection: Connection, site: SiteId, device: DeviceId, enforced: Level) -> Since | None:
    """Return since when a level is enforced: by the gateway's own word, or by what its reports said."""
    event = events.last_of(connection, LEVEL_CHANGED, site, device)
    if event is not None and event.detail.get("after") == enforced.value:
        return Since(event.at, event.detail.get("because", ""), at_least=False)
    intervals = history.of_device(connection, site, device, limit=INTERVALS)
    so = tuple(itertools.takewhile(lambda each: each.facts.get("enforced") == enforced.value, intervals))
    return Since(so[-1].since, "", at_least=len(so) == len(intervals)) if so else None


router = Router("/", tags=["inventory"], route_handlers=[explain])
