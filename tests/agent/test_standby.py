"""A gateway that stands by for another's site: it carries out that site's orders, but updates no camera."""

import contextlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bartizan.containment.level import Level
from bartizan.ids import ImageId, Network, OrderId, OrganisationId, RolloutId, SiteId
from bartizan.policy.model import SiteFacts
from bartizan.trust import dsse
from bartizan.trust.orders import PAYLOAD_TYPE, Install, Order, OrderBook, Raise
from bartizan.wire import codec, events
from bartizan.wire.down import CatalogueBundle, OrdersEnvelope
from bartizan_agent import app
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_volatile
from tests.agent.test_orders_first import CAMERA
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import NOW, Estate, write_unsynced

SCHOOL, SECOND, OTHER = SiteId("school"), SiteId("school-b"), SiteId("other")
COUNCIL = OrganisationId("council")
SITES = (SiteFacts(SCHOOL, COUNCIL), SiteFacts(SECOND, COUNCIL, standby_for=SCHOOL), SiteFacts(OTHER, COUNCIL))
SETTINGS = Settings(
    SECOND,
    ControllerSettings("broker.example", "https://controller.example"),
    (SegmentSettings("cam0", networks=(Network("10.9.0.0/24"),)),),
)
QUARANTINE = Raise(OrderId("raise"), Level.QUARANTINE, "test", "test", device=CAMERA.id)


class Standby:
    """The second gateway of a school, which can be started again."""

    def __init__(self, folder: Path) -> None:
        self.estate, self._places = Estate.found(folder / "estate"), Places(folder / "gateway")
        keep_first_root(self._places.catalogue, self.estate.repository.first_root(), write_unsynced)
        self.declare(*SITES)

    def declare(self, *sites: SiteFacts) -> None:
        repository, approvers = self.estate.repository, self.estate.keys.approvers
        add = {"policy/sites-council.json": codec.encode(sites)}
        change = repository.propose("policy", add=add, prepared_by=approvers[0].id, now=NOW)
        self.estate.approve(change, *approvers[:2])
        repository.publish(change, now=NOW)

    @contextlib.contextmanager
    def running(self) -> Iterator[tuple[Gateway, MemoryFirewall]]:
        """Start the agent, as after a boot: it has on disk what was accepted before."""
        firewall = MemoryFirewall()
        with closing(open_volatile(app.SCHEMAS)) as connection:
            connection.execute("INSERT INTO roster VALUES (?, ?)", (CAMERA.id, codec.encode(Known(CAMERA))))
            parts = app.build(SETTINGS, self._places, app.Opened(connection), firewall)
            if not parts.last_good.versions():
                parts.last_good.accept_catalogue(self.estate.all_files(), NOW)
            gateway = Gateway(parts)
            gateway.start(())
            yield gateway, firewall

    def book(self, site: SiteId, generation: int, *orders: Order) -> OrdersEnvelope:
        content = OrderBook(generation, NOW, 4 * NOW, capability=1, site=site, orders=orders)
        return OrdersEnvelope(dsse.sign(codec.encode(content), PAYLOAD_TYPE, [self.estate.keys.online.director]))


@pytest.fixture
def standby(tmp_path: Path) -> Standby:
    return Standby(tmp_path)


def level(firewall: MemoryFirewall) -> Level:
    assert firewall.enforced is not None
    return firewall.enforced.devices[0].level


def test_it_carries_out_the_orders_of_the_site_it_stands_by_for_across_a_restart(standby: Standby) -> None:
    with standby.running() as (gateway, firewall):
        assert level(firewall) is not Level.QUARANTINE

        gateway.accept(standby.book(SCHOOL, 41, QUARANTINE), 0.0)

        assert level(firewall) is Level.QUARANTINE
        assert gateway.hello().site_orders == 41
    with standby.running() as (gateway, firewall):
        assert level(firewall) is Level.QUARANTINE
        assert gateway.hello().site_orders == 41


def test_orders_of_its_own_name_count_as_well(standby: Standby) -> None:
    with standby.running() as (gateway, firewall):
        gateway.accept(standby.book(SECOND, 7, QUARANTINE), 0.0)
        gateway.accept(standby.book(SCHOOL, 41), 0.0)

        assert level(firewall) is Level.QUARANTINE


def test_orders_of_any_other_site_are_refused(standby: Standby) -> None:
    with standby.running() as (gateway, firewall):
        before = level(firewall)

        gateway.accept(standby.book(OTHER, 41, QUARANTINE), 0.0)

        assert level(firewall) is before


def test_it_is_no_standby_any_more_once_the_catalogue_says_so(standby: Standby) -> None:
    with standby.running() as (gateway, firewall):
        gateway.accept(standby.book(SCHOOL, 41, QUARANTINE), 0.0)
        standby.declare(SITES[0], msgspec.structs.replace(SITES[1], standby_for=msgspec.UNSET))

        gateway.accept(CatalogueBundle(standby.estate.all_files()), 0.0)
        gateway.reconcile()

        assert level(firewall) is not Level.QUARANTINE
        assert gateway.hello().site_orders == 0


@pytest.mark.parametrize(("name", "works"), [(SCHOOL, False), (SECOND, True)])
def test_it_updates_no_camera(standby: Standby, name: SiteId, works: bool) -> None:  # noqa: FBT001 - a case
    """The same order in a site's own book is at least looked at: of an image that is not there, it is told so."""
    if works:
        standby.declare(SiteFacts(SECOND, COUNCIL))
    install = Install(OrderId("install"), RolloutId("rollout"), CAMERA.id, ImageId(f"sha256:{'0' * 64}"))
    with standby.running() as (gateway, _):
        gateway.accept(standby.book(name, 41, install), 0.0)

        gateway.reconcile()

        waiting = gateway._parts.outbox.head()
        assert waiting is not None
        assert (events.UPDATE_REFUSED in [each.kind for each in waiting.events]) is works
