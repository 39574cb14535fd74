"""Reads the estate as `bartizan.policy.preview` judges it: site by site, so that no more than one is held at a time."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection

from bartizan.ids import DeviceId, SiteId
from bartizan.policy.hindrance import GatewayState
from bartizan.policy.preview import Preview, Seen, SeenSite, preview
from bartizan.policy.streams import Channels
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import Order, OrderBook
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.events import RECORDER_CHANNELS
from bartizan.wire.up import Posture
from bartizan_controller.access import Scope
from bartizan_controller.catalogue.repository import Outlook
from bartizan_controller.store import books, devices, events, gateways, organisations
from bartizan_controller.store.devices import Filter
from bartizan_controller.store.gateways import Gateway

SITES_AT_ONCE = 500
DEVICES_AT_ONCE = 1_000


def of_estate(
    connection: Connection, present: Catalogue, outlook: Outlook, scope: Scope, *, at: float, limit: int
) -> Preview:
    """Return what a catalogue would change at the sites within `scope`.

    Raises:
        PolicyError: A policy or waiver has a condition that makes no sense.
    """
    return preview(
        present,
        outlook.catalogue,
        seen_sites(connection, scope),
        at=at,
        needs_capability=outlook.needs_capability,
        limit=limit,
    )


def seen_sites(connection: Connection, scope: Scope) -> Iterator[SeenSite]:
    """Yield every site within `scope` as its gateway reported it, by id."""
    after = ""
    while some := organisations.page_of_sites(connection, scope, after=after, limit=SITES_AT_ONCE):
        after = some[-1].id
        names = [site.id for site in some]
        known, measured = gateways.load(connection, names), gateways.postures(connection, names)
        orders, channels = books.orders_of(connection, names), _channels(connection, names)
        for site in some:
            seen = seen_devices(connection, site.id)
            yield SeenSite(
                id=site.id,
                organisation=site.organisation,
                gateway=_gateway(known.get(site.id), measured.get(site.id)),
                devices=seen,
                books=standing(orders, site.id),
                channels={**channels.get(site.id, {}), **recorded(seen)},
            )


def standing(orders: Mapping[SiteId | None, tuple[Order, ...]], site: SiteId) -> tuple[OrderBook, ...]:
    """Return the orders that stand for a site as books, to judge by; they are not what is signed and sent."""
    return tuple(
        OrderBook(generation=0, issued_at=0.0, expires_at=0.0, capability=CAPABILITY, site=scope, orders=orders[scope])
        for scope in (None, site)
        if scope in orders
    )


def seen_devices(connection: Connection, site: SiteId) -> tuple[Seen, ...]:
    """Return the devices of a site as its gateway reported them, by id."""
    found: list[Seen] = []
    wanted, after = Filter(site=site), None
    while some := devices.page(connection, wanted, after=after, limit=DEVICES_AT_ONCE):
        after = some[-1].position
        found += [Seen(each.state.device, each.state.posture) for each in some]
    return tuple(found)


def some_devices(connection: Connection, site: SiteId, wanted: Iterable[DeviceId]) -> tuple[Seen, ...]:
    """Return some devices of a site, by id; what is not there any more is left out."""
    found = devices.load(connection, site, wanted)
    return tuple(Seen(each.device, each.posture) for each in found)


def _gateway(gateway: Gateway | None, measured: Posture | None) -> GatewayState | None:
    if gateway is None:
        return None
    released = measured.released if measured else ""
    return GatewayState(gateway.connected, gateway.capability, gateway.last_seen, released)


def recorded(seen: Iterable[Seen]) -> Channels:
    """Return what recorders record by their gateway's report; gateways before capability 3 only tell events of it."""
    return {
        each.device.id: tuple(
            dict.fromkeys(DeviceId(channel.camera) for channel in each.device.channels if channel.camera)
        )
        for each in seen
        if each.device.channels
    }


def channels_mark(connection: Connection) -> int:
    """Return what changes when a gateway told anew whom recorders record."""
    return events.newest_of(connection, RECORDER_CHANNELS)


def told_channels(connection: Connection) -> dict[SiteId, Channels]:
    """Return whom recorders record everywhere, by what gateways told of it."""
    return _channels(connection, organisations.all_sites(connection))


def _channels(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, Channels]:
    found: dict[SiteId, dict[DeviceId, tuple[DeviceId, ...]]] = {}
    for event in events.latest(connection, RECORDER_CHANNELS, sites):
        if event.device is not None:
            cameras = tuple(DeviceId(name) for name in event.detail.get("cameras", "").split())
            found.setdefault(event.site, {})[event.device] = cameras
    return dict(found)
