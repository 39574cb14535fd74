"""What a device tried to reach and was kept from."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from bartizan.containment.level import Level
from bartizan.containment.model import NameAsked
from bartizan.ids import DeviceId, Mac, SiteId
from bartizan.policy.fields import moment
from bartizan.wire.events import EVIDENCE_GAP, EVIDENCE_OVERFLOW
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.api.query import only
from bartizan_controller.attempts import Attempt, Gap, Held, Known, Outcome, outcome, sentence, spans
from bartizan_controller.errors import NotFound
from bartizan_controller.store import attempts, devices, events, gateways, history, organisations
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.history import Interval

INTERVALS = 1_000
GAPS = 200
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
    headers: dict[str, str] = {}
    """By `mac destination protocol port`: the header of one packet in words, where the gateway heard one lately."""
    names: tuple[NameAsked, ...] = ()
    """What it asked the DNS for since then, latest first, of the 500 that its site asked for last."""
    gaps: tuple[Gap, ...] = ()
    """When its gateway did not measure, newest first, 200 at most. One before capability 4 tells of none."""
    unlisted: int = 0
    """Packets dropped whose destinations are not listed: since the gateway began to count, if any since then."""


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
    begin = begin_of(since, now)

    def query(connection: Connection) -> DeviceAttempts:
        organisations.find_site(connection, site, request.user.scope)
        if not history.of_device(connection, site, device, limit=1):
            raise NotFound(f"site {site!r} never had a device {device!r}")
        gateway = gateways.load(connection, [site]).get(site)
        known = Known(
            attempts=attempts.of_device(connection, site, device, since=begin),
            held=spans(
                _held(each) for each in history.within(connection, site, device, begin=begin, end=now, limit=INTERVALS)
            ),
            connected=gateway is not None and gateway.connected,
            gaps=tuple(_gaps(events.of_kind(connection, EVIDENCE_GAP, site, since=begin, limit=GAPS))),
            unlisted=_unlisted(
                events.of_kind(connection, EVIDENCE_OVERFLOW, site, device=device, since=begin, limit=1)
            ),
        )
        posture = gateways.posture(connection, site)
        macs = _macs(connection, site, device) | {each.mac for each in known.attempts}
        drops, names = (posture.drops, posture.names) if posture is not None else ((), ())
        return DeviceAttempts(
            site=site,
            device=device,
            since=begin,
            outcome=outcome(known, since=begin),
            meaning=sentence(known, since=begin),
            items=tuple(known.attempts),
            held=tuple(known.held),
            headers={
                f"{drop.mac} {drop.destination} {drop.protocol} {drop.port}": drop.header
                for drop in drops
                if drop.header and drop.mac in macs
            },
            names=tuple(
                sorted(
                    (asked for asked in names if asked.mac in macs and asked.last_at >= begin),
                    key=lambda asked: -asked.last_at,
                )
            ),
            gaps=tuple(known.gaps),
            unlisted=known.unlisted,
        )

    return await parts.database.read(query)


def begin_of(since: str, now: float) -> float:
    """Return the Unix time that is so long ago (12h, 7d), a date, or a time with a zone."""
    ago = _AGO.match(since)
    return now - int(ago[1]) * _SECONDS[ago[2]] if ago else moment(since)


def _held(interval: Interval) -> Held:
    enforced = interval.facts.get("enforced")
    around = interval.facts.get("not-enforceable", "")
    return Held(interval.since, interval.until, Level(enforced) if enforced else None, around)


def _macs(connection: Connection, site: SiteId, device: DeviceId) -> set[Mac]:
    return {mac for state in devices.load(connection, site, [device]) for mac in state.device.macs}


def _gaps(told: Iterable[RecordedEvent]) -> Iterator[Gap]:
    """Yield the gaps that events tell of; one that a gateway spells wrongly counts from the event's own time."""
    for event in told:
        since, until = (_seconds(event.detail.get(name, ""), event.at) for name in ("since", "until"))
        yield Gap(min(since, until), until, event.detail.get("because", ""))


def _seconds(text: str, otherwise: float) -> float:
    try:
        found = float(text)
    except ValueError:
        return otherwise
    return found if math.isfinite(found) else otherwise


def _unlisted(told: Sequence[RecordedEvent]) -> int:
    packets = told[0].detail.get("packets", "") if told else ""
    return int(packets) if packets.isdecimal() and len(packets) < 20 else 0


router = Router("/", tags=["inventory"], route_handlers=[show_attempts])
