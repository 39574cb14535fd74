"""A gateway with policy that waits: what is enforced, what is told, and that nobody is needed to end it."""

import dataclasses
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, Mac, Network, OrderId, PolicyId, SiteId
from bartizan.policy.model import Condition, Operator, Policy, Rule, Subject
from bartizan.trust import dsse
from bartizan.trust.orders import PAYLOAD_TYPE, Activate, Order, OrderBook, Raise
from bartizan.trust.push import Push
from bartizan.wire import codec, events
from bartizan.wire.down import CatalogueBundle, OrdersEnvelope
from bartizan_agent import app
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.clock import GatewayClock
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_store
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import DAY, NOW, Estate, write_unsynced

SITE = SiteId("school")
PUSH = Push(policy=3, base=2, canary=(SiteId("town-hall"),), not_after=NOW + DAY)
SETTINGS = Settings(
    SITE,
    ControllerSettings("broker.example", "https://controller.example"),
    (SegmentSettings("cam0", networks=(Network("10.9.0.0/24"),)),),
)
CAMERA = Device(
    DeviceId("a"),
    Identity(),
    "cam0",
    macs=(Mac("02:00:00:00:00:01"),),
    addresses=(Address("10.9.0.11"),),
)


def school(level: Level, version: int) -> Policy:
    rule = Rule("all", Condition(Subject.SITE, Operator.IS, (SITE,)), "test", level)
    return Policy(PolicyId("schools"), "Everything at school", version, 1, (rule,))


class Site:
    """A school that goes by policy 2 and is told of policy 3, of which it is no canary."""

    def __init__(self, folder: Path) -> None:
        self.wall, self.monotonic = NOW, 1000.0
        self.estate, self._places = Estate.found(folder / "estate"), Places(folder / "gateway")
        self.firewall = MemoryFirewall()
        self.generation = 0
        self.events: list[tuple[str, dict[str, str]]] = []
        keep_first_root(self._places.catalogue, self.estate.repository.first_root(), write_unsynced)
        self.estate.publish_policy(school(Level.QUARANTINE, 1))

    def start(self, told: list[CatalogueBundle | OrdersEnvelope], *, run_for: float = 0.0) -> Level:
        """Begin the agent, tell it this, let it run for some seconds; return the level that holds the camera."""
        with closing(open_store(self._places.store, app.SCHEMAS)) as connection:
            connection.execute("INSERT OR REPLACE INTO roster VALUES (?, ?)", (CAMERA.id, codec.encode(Known(CAMERA))))
            clock = GatewayClock(self._places.clock, lambda: self.wall, lambda: self.monotonic)
            parts = app.build(SETTINGS, self._places, app.Opened(connection), self.firewall)
            gateway = Gateway(dataclasses.replace(parts, clock=clock))
            gateway.start(())
            for instruction in told:
                gateway.accept(instruction, 0.0)
            gateway.count()
            self.wall, self.monotonic = self.wall + run_for, self.monotonic + run_for
            gateway.reconcile()
            gateway.count()
            report = gateway.report()
            assert report is not None
            self.posture = report.posture
            self.looks_again_at = parts.containment.next_look_at()
            self.events = []
            while head := parts.outbox.head():
                self.events += [(event.kind, event.detail) for event in head.events]
                parts.outbox.acknowledge(head.boot, head.events[-1].sequence)
        return self.level

    @property
    def level(self) -> Level:
        assert self.firewall.enforced is not None
        [device] = self.firewall.enforced.devices
        return device.level

    def bundle(self) -> CatalogueBundle:
        return CatalogueBundle(self.estate.all_files())

    def book(self, *orders: Order, expires_at: float = NOW + 3 * DAY) -> OrdersEnvelope:
        self.generation += 1
        content = OrderBook(self.generation, NOW, expires_at, capability=4, site=SITE, orders=orders)
        return OrdersEnvelope(dsse.sign(codec.encode(content), PAYLOAD_TYPE, [self.estate.keys.online.director]))

    def activation(self) -> Activate:
        return Activate(OrderId("a1"), 3, self.estate.repository.catalogue().policy_digest)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    assert site.start([site.bundle()]) is Level.QUARANTINE
    site.estate.publish_policy(school(Level.WATCH, 2), push=PUSH)
    assert site.start([site.bundle()]) is Level.QUARANTINE
    return site


def test_it_says_what_it_goes_by_and_what_waits_until_when(site: Site) -> None:
    assert site.posture.catalogue["policy"] == 3
    assert (site.posture.policy, site.posture.policies) == (2, ("schools@1",))
    assert site.posture.policy_waits_until == NOW + DAY
    assert (events.POLICY_WAITS, {"policy": "3", "in_force": "2", "until": f"{NOW + DAY:.0f}"}) in site.events


def test_an_order_ends_it_for_good(site: Site) -> None:
    assert site.start([site.book(site.activation())]) is Level.ISOLATE  # as a stranger on a segment is held
    assert (events.POLICY_ACTIVATED, {"policy": "3", "because": "activated"}) in site.events
    assert (site.posture.policy, site.posture.policy_waits_until) == (3, 0.0)

    assert site.start([site.book()]) is Level.ISOLATE  # the order is withdrawn; what it did stays done


def test_an_order_that_came_first_counts_when_the_catalogue_comes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start([site.bundle()])
    site.estate.publish_policy(school(Level.WATCH, 2), push=PUSH)

    assert site.start([site.book(site.activation()), site.bundle()]) is Level.ISOLATE
    assert site.posture.policy == 3


def test_an_order_of_a_book_that_expired_before_the_catalogue_came_does_not_count(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start([site.bundle()])
    site.estate.publish_policy(school(Level.WATCH, 2), push=PUSH)
    site.start([site.book(site.activation(), expires_at=NOW + 60)])
    site.wall += 61

    assert site.start([site.bundle()]) is Level.QUARANTINE
    assert site.posture.policy == 2


def test_the_signed_time_ends_it_with_nobody_there(site: Site) -> None:
    """The agent wakes by itself at that time, whether it was begun anew meanwhile or not."""
    assert site.looks_again_at <= NOW + DAY
    site.wall += DAY

    assert site.start([]) is Level.ISOLATE
    assert (events.POLICY_ACTIVATED, {"policy": "3", "because": "deadline"}) in site.events


def test_a_clock_that_was_set_back_does_not_lengthen_it(site: Site) -> None:
    """It never runs before a time it has seen: after as long as was signed, it is over."""
    site.wall -= 365 * DAY

    assert site.start([], run_for=DAY / 2) is Level.QUARANTINE
    assert site.start([], run_for=DAY / 2 + 1) is Level.ISOLATE


def test_what_tightens_does_not_wait_for_it(site: Site) -> None:
    raised = Raise(OrderId("r1"), Level.QUARANTINE, "test", "test")

    assert site.start([site.book(raised, site.activation())]) is Level.QUARANTINE
    assert site.posture.policy == 3
