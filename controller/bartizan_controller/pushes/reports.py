"""Reads what gateways reported, and the orders that stand for them, as they are judged; of standbys as of any."""

from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan.policy.facts import served_by, site_facts
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.up import Posture
from bartizan_controller.preview.estate import seen_devices, standing
from bartizan_controller.pushes.expect import ReadBack, differences
from bartizan_controller.pushes.pairs import unlike
from bartizan_controller.store import books, gateways, standbys
from bartizan_controller.store.gateways import Gateway


def read_back(
    connection: Connection, gateway: Gateway, posture: Posture, catalogue: Catalogue, *, now: float
) -> ReadBack:
    """Return what a gateway reported last."""
    name = gateway.site
    if served_by(catalogue.sites, name) == name:
        devices = seen_devices(connection, name)
    else:
        devices = standbys.load(connection, name) or ()
    return ReadBack(name, posture, devices, gateway.taken_at or now)


def otherwise(connection: Connection, report: ReadBack, catalogue: Catalogue) -> tuple[str, ...]:
    """Return how a gateway that goes by `catalogue` holds its devices otherwise than it should."""
    serves = served_by(catalogue.sites, report.site)
    return differences(report, catalogue, _given(connection, report.site, serves))


def beside(connection: Connection, report: ReadBack, catalogue: Catalogue) -> tuple[str, ...]:
    """Return how a standby holds devices otherwise than the gateway of its site.

    Nothing of one that never told, and nothing while one of the two is at another generation of policy or orders, or
    was released: that is told as what it is.
    """
    serves = served_by(catalogue.sites, report.site)
    if serves == report.site:
        return ()
    told, main = standbys.load(connection, report.site), gateways.posture(connection, serves)
    if told is None or main is None or _generations(main) != _generations(report.posture):
        return ()
    facts = site_facts(catalogue.sites, serves), site_facts(catalogue.sites, report.site)
    return unlike(seen_devices(connection, serves), told, facts)


def _generations(posture: Posture) -> tuple[int, int, int, str]:
    return posture.policy, posture.estate_orders, posture.site_orders, posture.released


def _given(connection: Connection, gateway: SiteId, serves: SiteId) -> tuple[OrderBook, ...]:
    orders = books.orders_of(connection, {gateway, serves})
    given = standing(orders, serves)
    if serves == gateway or gateway not in orders:
        return given
    # What was given by a standby's own name, it carries out as if it were the site's.
    by_name = OrderBook(
        generation=0, issued_at=0.0, expires_at=0.0, capability=CAPABILITY, site=serves, orders=orders[gateway]
    )
    return (*given, by_name)
