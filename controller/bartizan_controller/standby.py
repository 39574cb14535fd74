"""Gateways that stand by: what they lack to take over without loosening anything, and when people are told of it."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan.wire import events
from bartizan.wire.capability import STANDBYS
from bartizan.wire.up import Posture
from bartizan_controller.store import books, gateways
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway


class Member(msgspec.Struct, frozen=True):
    """One gateway of a site that has several."""

    site: SiteId
    """Its own name, as in its certificate."""
    gateway: Gateway | None
    """Null: none was enrolled."""
    posture: Posture | None
    """As it last measured, without its devices; null: it has not reported."""


class Told(msgspec.Struct, frozen=True):
    """Generations of the order books that every gateway of a site should hold."""

    estate_orders: int = 0
    site_orders: int = 0


def load(connection: Connection, names: Iterable[SiteId]) -> tuple[Member, ...]:
    """Return these gateways, in their order."""
    names = tuple(names)
    known, measured = gateways.load(connection, names), gateways.postures(connection, names)
    return tuple(Member(name, known.get(name), measured.get(name)) for name in names)


def shortfalls(standby: Member, main: Member, told: Told) -> tuple[str, ...]:
    """Return in words what a standby lacks to enforce all that the site's own gateway does."""
    return tuple(_shortfalls(standby, main.posture, told))


def _shortfalls(standby: Member, main: Posture | None, told: Told) -> Iterator[str]:
    if standby.gateway is None:
        yield f"it is not enrolled: make a token for it with `bartizan site token {standby.site}`"
        return
    if not standby.gateway.connected:
        yield "it is away"
    if 0 < standby.gateway.capability < STANDBYS:
        yield "its agent is too old to stand by: update it"
    if standby.posture is None:
        yield "it has not reported"
    else:
        yield from _looser(standby.posture, main, told)


def _looser(posture: Posture, main: Posture | None, told: Told) -> Iterator[str]:
    estate_orders = max(told.estate_orders, main.estate_orders if main else 0)
    site_orders = max(told.site_orders, main.site_orders if main else 0)
    if posture.estate_orders < estate_orders:
        yield f"it holds generation {posture.estate_orders} of the estate's orders, not {estate_orders}"
    if posture.site_orders < site_orders:
        yield f"it holds generation {posture.site_orders} of the site's orders, not {site_orders}"
    if main is not None and posture.policy < main.policy:
        yield f"it goes by policy {posture.policy}, and the site's gateway by {main.policy}"
    if posture.released:
        yield f"containment is {posture.released}"
    elif not posture.ruleset_digest:
        yield "it enforces nothing"


class Watch:
    """Remembers what was told of each standby: once when it has been behind at two looks, and once when it is ready."""

    def __init__(self) -> None:
        self._before: dict[SiteId, tuple[str, ...]] = {}
        self._told: dict[SiteId, tuple[str, ...]] = {}

    def look(self, connection: Connection, standing_by: Mapping[SiteId, SiteId], now: float) -> list[RecordedEvent]:
        """Return what is to be told now.

        Args:
            connection: To the database.
            standing_by: Every standby, and the site that it stands by for.
            now: Unix seconds.
        """
        held = books.load(connection, set(standing_by.values()))
        generations = {scope: book.generation for scope, book in held.items()}
        told: list[RecordedEvent] = []
        lacking: dict[SiteId, tuple[str, ...]] = {}
        for name, site in standing_by.items():
            member, main = load(connection, (name, site))
            told_of = self._told.pop(name, ())
            lacks = shortfalls(member, main, Told(generations.get(None, 0), generations.get(site, 0)))
            lasting = lacks if lacks == self._before.get(name, ()) or not lacks else told_of
            if lasting != told_of:
                told.append(_event(site, name, lasting, now))
            if lasting:
                self._told[name] = lasting
            lacking[name] = lacks
        self._before = lacking
        return told


def _event(site: SiteId, standby: SiteId, lacks: tuple[str, ...], now: float) -> RecordedEvent:
    detail = {"gateway": str(standby)} | ({"reasons": "; ".join(lacks)} if lacks else {})
    kind = events.STANDBY_BEHIND if lacks else events.STANDBY_READY
    return RecordedEvent(site=site, at=now, received_at=now, kind=kind, detail=detail)
