"""Compares what every gateway reads back with what is expected of it, push or not, and tells where it differs.

It looks at a report once it has stood for a while, so that what is on its way counts as no difference, and at few of
them at a time, so that a whole estate that has just changed leaves the machine to those who wait for it.
"""

import asyncio
from collections.abc import Iterable, Mapping

import structlog
from sqlalchemy import Connection

from bartizan.errors import Unavailable
from bartizan.ids import SiteId
from bartizan.policy.facts import standbys
from bartizan.trust.content import Catalogue
from bartizan.trust.tufdata import POLICY
from bartizan.wire import events
from bartizan.wire.up import Posture
from bartizan_controller.parts import Parts
from bartizan_controller.pushes.judge import is_current
from bartizan_controller.pushes.reports import beside, otherwise, read_back
from bartizan_controller.store import books, gateways, judgements
from bartizan_controller.store import events as happened
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.judgements import Judgement

SETTLE_SECONDS = 15.0
"""A report is judged once it has stood for so long: whoever is told something says how it went within that."""
OVERDUE_SECONDS = 120.0
"""Orders that a connected gateway does not hold after so long are not on their way any more."""
AT_ONCE = 20
PAUSE_SECONDS, IDLE_SECONDS = 1.0, 5.0

log = structlog.get_logger()


async def watch_posture(parts: Parts) -> None:
    """Judge reports until cancelled."""
    while True:
        seconds = IDLE_SECONDS
        try:
            made = await parts.database.read(lambda c: judge(c, parts.publication.catalogue, now=parts.clock()))
            if made:
                await parts.database.write(lambda c, made=made: keep(c, made, now=parts.clock()))  # type: ignore[misc]
                seconds = PAUSE_SECONDS
        except Unavailable as error:
            log.warning("what gateways hold cannot be judged", reason=str(error))
        await asyncio.sleep(seconds)


def judge(connection: Connection, catalogue: Catalogue, *, now: float) -> dict[SiteId, Judgement]:
    """Return what is made of some reports that have stood for a while and were not judged."""
    waiting = judgements.unjudged(connection, reported_before=now - SETTLE_SECONDS, limit=10 * AT_ONCE)
    served = standbys(catalogue.sites)
    waiting = _with_standbys(waiting, served)
    known, postures = gateways.load(connection, waiting), gateways.postures(connection, waiting)
    held = books.load(connection, {served.get(site, site) for site in waiting})
    made: dict[SiteId, Judgement] = {}
    for site in waiting:
        gateway, posture = known.get(site), postures.get(site)
        if gateway is None or posture is None or not _is_due(gateway, served, made, now):
            continue
        if is_current(posture, held, serves=served.get(site, site)):
            differ = _differences(connection, gateway, posture, catalogue, now=now)
        elif now - (gateway.reported_at or now) < OVERDUE_SECONDS or not gateway.connected:
            continue
        else:
            differ = ("it does not hold the orders that stand",)
        before = judgements.load(connection, site)
        since = (before.since if before and before.since else now) if differ else None
        made[site] = Judgement(gateway.report_digest, differ, since)
    return made


def _with_standbys(waiting: Iterable[SiteId], served: Mapping[SiteId, SiteId]) -> tuple[SiteId, ...]:
    """Return gateways, and after each those that stand by for its site: they are compared with it, and judged anew."""
    beside: dict[SiteId, tuple[SiteId, ...]] = {}
    for gateway, site in served.items():
        beside[site] = (*beside.get(site, ()), gateway)
    return tuple(dict.fromkeys(each for site in waiting for each in (site, *beside.get(site, ()))))


def _is_due(gateway: Gateway, served: Mapping[SiteId, SiteId], made: Mapping[SiteId, Judgement], now: float) -> bool:
    """Return whether to judge a report now: with that of its site, or as long as there are not too many."""
    is_settled = gateway.reported_at is not None and gateway.reported_at < now - SETTLE_SECONDS
    return is_settled and (len(made) < AT_ONCE or served.get(gateway.site) in made)


def keep(connection: Connection, made: Mapping[SiteId, Judgement], *, now: float) -> None:
    """Keep judgements, and tell where something differs that did not, or no longer does."""
    told: list[RecordedEvent] = []
    for site, each in made.items():
        before = judgements.load(connection, site)
        if (before.differences if before else ()) == each.differences:
            continue
        kind, detail = events.POSTURE_DIFFERS, {"differences": "; ".join(each.differences)}
        if not each.differences:
            kind, detail = events.POSTURE_AGREES, {"since": f"{before.since if before and before.since else now:.0f}"}
        told.append(RecordedEvent(site=site, at=now, received_at=now, kind=kind, detail=detail))
    judgements.save(connection, made)
    happened.add(connection, told)


def _differences(
    connection: Connection, gateway: Gateway, posture: Posture, catalogue: Catalogue, *, now: float
) -> tuple[str, ...]:
    published = catalogue.versions[POLICY]
    in_force = posture.policy or posture.catalogue.get(POLICY, 0)
    if in_force == published:
        report = read_back(connection, gateway, posture, catalogue, now=now)
        return (*otherwise(connection, report, catalogue), *beside(connection, report, catalogue))
    if posture.policy_waits_until:  # for its turn: the push says how it is
        return ()
    return (f"it goes by policy {in_force}; {published} is published",)
