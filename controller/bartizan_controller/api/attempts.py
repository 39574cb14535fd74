"""What a device tried to reach and was kept from."""

import re
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.fields import moment
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.api.query import only
from bartizan_controller.attempts import Attempt, Held, Outcome, outcome, sentence, spans
from bartizan_controller.errors import NotFound
from bartizan_controller.store import attempts, gateways, history, organisations
from bartizan_controller.store.history import Interval

INTERVALS = 1_000
_AGO = re.compile(r"\A([0-9]{1,4})([hd])\Z")
_SECONDS = {"h": 3600.0, "d": 86_400.0}


class DeviceAttempts(msgspec.Struct, frozen=True):
    """What a device tried to reach since a time."""

    site: SiteId
    device: DeviceId
    since: float
    outcome: Outcome
    meaning: str
    """The outcome in words, with what nobody could have counted."""
    items: tuple[Attempt, ...]
    """Latest first; of more than 200 destinations, those tried last."""
    held: tuple[Held, ...]
    """How it was held since then, newest first."""


@get(
    "/sites/{site:str}/devices/{device:str}/attempts",
    guards=[only("since")],
    summary="Show what a device tried to reach and was kept from",
)
async def show_attempts(
    request: Asking,
    parts: TheParts,
    site: FromPath[SiteId],
    device: FromPath[DeviceId],
    since: Annotated[str, QueryParameter(description="How long ago (12h, 7d), a date, or a time with a zone.")] = "7d",
) -> DeviceAttempts:
    """Destinations whose packets the gateway dropped, and what it means where there are none."""
    now = parts.clock()
    begin = _begin(since, now)

    def query(connection: Connection) -> DeviceAttempts:
        organisations.find_site(connection, site, request.user.scope)
        if not history.of_device(connection, site, device, limit=1):
            raise NotFound(f"site {site!r} never had a device {device!r}")
        gateway = gateways.load(connection, [site]).get(site)
        items = attempts.of_device(connection, site, device, since=begin)
        intervals = history.within(connection, site, device, begin=begin, end=now, limit=INTERVALS)
        held = spans(_held(each) for each in intervals)
        connected = gateway is not None and gateway.connected
        return DeviceAttempts(
            site,
            device,
            begin,
            outcome(items, held, since=begin, connected=connected),
            sentence(items, held, since=begin, connected=connected),
            items,
            held,
        )

    return await parts.database.read(query)


def _begin(since: str, now: float) -> float:
    ago = _AGO.match(since)
    return now - int(ago[1]) * _SECONDS[ago[2]] if ago else moment(since)


def _held(interval: Interval) -> Held:
    enforced = interval.facts.get("enforced")
    around = interval.facts.get("not-enforceable", "")
    return Held(interval.since, interval.until, Level(enforced) if enforced else None, around)


router = Router("/", tags=["inventory"], route_handlers=[show_attempts])
