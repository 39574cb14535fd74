"""Rollouts over HTTP."""

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from bartizan.identity.model import Device
from bartizan.ids import DeviceId, RolloutId, SiteId
from bartizan_controller.access import Person, Role
from bartizan_controller.api.access import Asking, TheParts, needs, require_whole_estate
from bartizan_controller.parts import Parts
from bartizan_controller.rollouts import execute
from bartizan_controller.rollouts.model import Intent, Plan, Progress
from bartizan_controller.rollouts.request import Choice, Request, choose
from bartizan_controller.rollouts.words import in_words
from bartizan_controller.store import devices, rollouts
from bartizan_controller.store.devices import Filter

DEVICES_AT_ONCE = 1_000


class RolloutState(msgspec.Struct, frozen=True):
    """A rollout: what is wanted, how far it is, what is planned, and why it waits."""

    intent: Intent
    progress: dict[DeviceId, Progress]
    plan: Plan | None
    waiting: tuple[str, ...]
    """Why it waits, in words."""


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody decided."""

    reason: str


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether failed devices are tried once more."""

    retry: bool = False


@post("/rollouts", guards=[needs(Role.ESTATES)], summary="Start a rollout")
async def start_rollout(request: Asking, parts: TheParts, data: JSONBody[Request]) -> Choice:
    """Waves are fixed now; devices that the image does not suit are left out, with every reason."""
    choice = await _choose(parts, request.user, data)
    await parts.database.write(lambda c: execute.start(c, choice.intent, now=parts.clock()))
    parts.news.ring()
    return choice


@post("/rollouts/preview", guards=[needs(Role.ESTATES)], status_code=200, summary="Say what a rollout would do")
async def preview_rollout(request: Asking, parts: TheParts, data: JSONBody[Request]) -> Choice:
    """As starting it, without doing so."""
    return await _choose(parts, request.user, data)


@get("/rollouts", summary="List rollouts")
async def list_rollouts(request: Asking, parts: TheParts) -> tuple[Intent, ...]:
    """The newest first."""
    require_whole_estate(request.user)
    return await parts.database.read(rollouts.intents)


@get("/rollouts/{rollout:str}", summary="Show a rollout")
async def show_rollout(request: Asking, parts: TheParts, rollout: FromPath[RolloutId]) -> RolloutState:
    """Device by device, with the reasons for whatever waits."""
    require_whole_estate(request.user)
    return await _state(parts, rollout)


@post("/rollouts/{rollout:str}/pause", guards=[needs(Role.ESTATES)], status_code=200, summary="Pause a rollout")
async def pause_rollout(
    request: Asking, parts: TheParts, rollout: FromPath[RolloutId], data: JSONBody[Because]
) -> RolloutState:
    """Nothing more begins; what runs is let finish."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.pause(c, rollout, by=by, reason=data.reason, now=now))
    return await _told(parts, rollout)


@post("/rollouts/{rollout:str}/resume", guards=[needs(Role.ESTATES)], status_code=200, summary="Resume a rollout")
async def resume_rollout(
    request: Asking, parts: TheParts, rollout: FromPath[RolloutId], data: JSONBody[Resume]
) -> RolloutState:
    """Failures so far count as looked at."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.resume(c, rollout, by=by, retry=data.retry, now=now))
    return await _told(parts, rollout)


@post("/rollouts/{rollout:str}/abort", guards=[needs(Role.ESTATES)], status_code=200, summary="Abort a rollout")
async def abort_rollout(
    request: Asking, parts: TheParts, rollout: FromPath[RolloutId], data: JSONBody[Because]
) -> RolloutState:
    """What has not begun is withdrawn, for good."""
    require_whole_estate(request.user)
    by, now = request.user.name, parts.clock()
    await parts.database.write(lambda c: execute.abort(c, rollout, by=by, reason=data.reason, now=now))
    return await _told(parts, rollout)


async def _choose(parts: Parts, person: Person, data: Request) -> Choice:
    catalogue, now = parts.publication.catalogue, parts.clock()
    inventory = await parts.database.read(lambda c: _inventory(c, person))
    return choose(data, catalogue, inventory, by=person.name, now=now)


def _inventory(connection: Connection, person: Person) -> list[tuple[SiteId, Device]]:
    found: list[tuple[SiteId, Device]] = []
    wanted, after = Filter(organisations=person.scope), None
    while page := devices.page(connection, wanted, after=after, limit=DEVICES_AT_ONCE):
        found += [(state.site, state.device) for _, state in page]
        after = page[-1].position
    return found


async def _told(parts: Parts, rollout: RolloutId) -> RolloutState:
    parts.news.ring()
    return await _state(parts, rollout)


async def _state(parts: Parts, rollout: RolloutId) -> RolloutState:
    now = parts.clock()

    def query(connection: Connection) -> RolloutState:
        plan = rollouts.plan_of(connection, rollout)
        return RolloutState(
            intent=rollouts.intent_of(connection, rollout),
            progress=rollouts.progress_of(connection, rollout),
            plan=plan,
            waiting=tuple(in_words(waiting, now) for waiting in plan.waiting) if plan else (),
        )

    return await parts.database.read(query)


router = Router(
    "/",
    tags=["rollouts"],
    route_handlers=[
        start_rollout,
        preview_rollout,
        list_rollouts,
        show_rollout,
        pause_rollout,
        resume_rollout,
        abort_rollout,
    ],
)
