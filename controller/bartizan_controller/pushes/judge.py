"""Judging sites of a push by their last reports, a limited number at a time."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan.policy.facts import site_facts, standbys
from bartizan.trust.content import Catalogue
from bartizan.wire.up import Posture
from bartizan_controller.pushes.expect import stream_drops
from bartizan_controller.pushes.model import Intent
from bartizan_controller.pushes.reports import otherwise, read_back
from bartizan_controller.store import books, dialect, gateways
from bartizan_controller.store.books import StoredBook
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.store.pushes import PushedSite

JUDGED_AT_ONCE = 50
UNTOLD = PushedSite()


def judge(
    connection: Connection,
    intent: Intent,
    catalogue: Catalogue,
    known: Mapping[SiteId, PushedSite],
    sites: Mapping[SiteId, Gateway],
    *,
    now: float,
) -> dict[SiteId, PushedSite]:
    """Return what is known anew of sites that were told, or are canaries, and have reported since; not of too many.

    A report from before the orders that stand for the site is none of what is expected, and is not judged.
    """
    concerned = {*intent.stages[0].gateways, *(site for site, each in known.items() if each.told)}
    fresh = [
        site
        for site in sorted(concerned & sites.keys())
        if sites[site].report_digest not in ("", known.get(site, UNTOLD).judged)
    ]
    found, served = dict[SiteId, PushedSite](), standbys(catalogue.sites)
    for some in dialect.portions(fresh):
        held = books.load(connection, {served.get(site, site) for site in some})
        postures = gateways.postures(connection, some)
        current = [
            site
            for site in some
            if site in postures and is_current(postures[site], held, serves=served.get(site, site))
        ]
        for site in current[: JUDGED_AT_ONCE - len(found)]:
            found[site] = _judged(
                connection, intent, catalogue, known.get(site, UNTOLD), sites[site], postures[site], now=now
            )
    return found


def _judged(
    connection: Connection,
    intent: Intent,
    catalogue: Catalogue,
    before: PushedSite,
    gateway: Gateway,
    posture: Posture,
    *,
    now: float,
) -> PushedSite:
    in_force, site = posture.policy >= intent.policy, gateway.site
    if not in_force and before.judged:
        return msgspec.structs.replace(before, judged=gateway.report_digest)
    report = read_back(connection, gateway, posture, catalogue, now=now)
    dropped = stream_drops(report, site_facts(catalogue.sites, site).recorders)
    baseline = before.stream_drops if before.judged else dropped
    differ: tuple[str, ...] = ()
    if in_force:
        differ = (*otherwise(connection, report, catalogue), *_lost(dropped - baseline))
    is_as_before = before.judged and (before.in_force, before.differences) == (in_force, differ)
    return PushedSite(
        told=before.told,
        judged=gateway.report_digest,
        in_force=in_force,
        differences=differ,
        at=before.at if is_as_before else now,
        stream_drops=baseline,
    )


def is_current(posture: Posture, held: Mapping[SiteId | None, StoredBook], *, serves: SiteId) -> bool:
    """Return whether a gateway measured with the orders that stand for the site that it serves, or newer ones.

    What a standby holds by its own name it does not say; what a push activates so shows in its policy.
    """
    orders = posture.estate_orders, posture.site_orders
    return orders[0] >= _generation(held.get(None)) and orders[1] >= _generation(held.get(serves))


def _generation(book: StoredBook | None) -> int:
    return book.generation if book else 0


def _lost(packets: int) -> tuple[str, ...]:
    return (f"{packets} packets from cameras to recorders were dropped since",) if packets > 0 else ()
