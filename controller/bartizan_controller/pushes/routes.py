"""Pushes over HTTP."""

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan_controller.access import Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.parts import Parts
from bartizan_controller.pushes import execute
from bartizan_controller.pushes.model import Intent, Plan
from bartizan_controller.pushes.words import in_words
from bartizan_controller.rollouts.routes import Because
from bartizan_controller.store import judgements, pushes
from bartizan_controller.store.judgements import DifferingSite
from bartizan_controller.store.pushes import PushedSite

LISTED = 20


class PushStanding(msgspec.Struct, frozen=True):
    """A push: what was signed and decided, what sites read back, what is planned, and why it waits."""

    intent: Intent
    sites: dict[SiteId, PushedSite]
    """Of sites that were told or judged."""
    plan: Plan | None
    waiting: tuple[str, ...]
    """Why it waits, in words."""


@get("/pushes", summary="List pushes of policy")
async def list_pushes(request: Asking, parts: TheParts) -> tuple[PushStanding, ...]:
    """Those that went or go out in stages, the newest 20 first; without what is known of each site."""
    require_whole_estate(request.user)
    now = parts.clock()

    def query(connection: Connection) -> tuple[PushStanding, ...]:
        return tuple(_standing(connection, intent, {}, now) for intent in pushes.newest(connection, limit=LISTED))

    return await parts.database.read(query)


@get("/pushes/{policy:int}", summary="Show a push of policy")
async def show_push(request: Asking, parts: TheParts, policy: FromPath[int]) -> PushStanding:
    """Site by site, with the reasons for whatever waits."""
    require_whole_estate(request.user)
    return await _show(parts, policy)


@get("/posture/differences", summary="List sites that hold something else than expected")
async def list_differing(request: Asking, parts: TheParts) -> tuple[DifferingSite, ...]:
    """As the controller judges what their gateways read back from the kernel; those that differ longest first."""
    scope = request.user.scope
    return await parts.database.read(lambda c: judgements.differing(c, scope))


@post("/pushes/{policy:int}/pause", guards=[needs(Role.SOC, Role.APPROVER)], status_code=200, summary="Pause a push")
async def pause_push(request: Asking, parts: TheParts, policy: FromPath[int], data: JSONBody[Because]) -> PushStanding:
    """No further site is told, until somebody resumes or the signed time comes."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.pause(c, policy, by=by, reason=data.reason, now=now))
    return await _told(parts, policy)


@post("/pushes/{policy:int}/resume", guards=[needs(Role.SOC, Role.APPROVER)], status_code=200, summary="Resume a push")
async def resume_push(request: Asking, parts: TheParts, policy: FromPath[int]) -> PushStanding:
    """Sites that differ now count as looked at."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.resume(c, policy, by=by, now=now))
    return await _told(parts, policy)


@post("/pushes/{policy:int}/abort", guards=[needs(Role.SOC, Role.APPROVER)], status_code=200, summary="Abort a push")
async def abort_push(request: Asking, parts: TheParts, policy: FromPath[int], data: JSONBody[Because]) -> PushStanding:
    """No further site is told, for good. Where it is in force it stays so, and everywhere from the signed time on."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.abort(c, policy, by=by, reason=data.reason, now=now))
    return await _told(parts, policy)


async def _told(parts: Parts, policy: int) -> PushStanding:
    parts.news.ring()
    return await _show(parts, policy)


async def _show(parts: Parts, policy: int) -> PushStanding:
    now = parts.clock()

    def query(connection: Connection) -> PushStanding:
        intent = pushes.find(connection, policy)
        return _standing(connection, intent, pushes.sites_of(connection, policy), now)

    return await parts.database.read(query)


def _standing(connection: Connection, intent: Intent, sites: dict[SiteId, PushedSite], now: float) -> PushStanding:
    plan = pushes.plan_of(connection, intent.policy)
    waiting = tuple(in_words(each, now) for each in plan.waiting) if plan else ()
    return PushStanding(intent, sites, plan, waiting)


router = Router(
    "/", tags=["pushes"], route_handlers=[list_differing, list_pushes, show_push, pause_push, resume_push, abort_push]
)
