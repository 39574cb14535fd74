"""An order takes effect before anything else is done about it, and only the safe way round."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, Mac, Network, OrderId, OrganisationId, SiteId
from bartizan.policy.model import SegmentFacts, SiteFacts, Verdict
from bartizan.trust import dsse
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook, Raise
from bartizan.wire import codec
from bartizan.wire.down import OrdersEnvelope
from bartizan_agent import app
from bartizan_agent.catalogue import keep_first_root
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.reconcile import Link, Rulesets, ruleset
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_volatile
from tests.fakes.memory_firewall import MemoryFirewall
from tests.trust.estate import NOW, Estate, write_unsynced

SITE = SiteId("school")
SETTINGS = Settings(
    SITE,
    ControllerSettings("broker.example", "https://controller.example"),
    (SegmentSettings("cam0", networks=(Network("10.9.0.0/24"),)),),
)
CAMERA = Device(
    DeviceId("a"),
    Identity(maker="axis"),
    "cam0",
    macs=(Mac("02:00:00:00:00:01"),),
    addresses=(Address("10.9.0.11"),),
)


class WatchedFirewall(MemoryFirewall):
    """Notes, at each change, which order book a restart would find on disk."""

    def __init__(self, book: Path) -> None:
        super().__init__()
        self._book = book
        self.stored: list[bytes] = []

    def apply(self, ruleset: Ruleset) -> tuple[str, ...]:
        """Note, and apply."""
        self.stored.append(self._book.read_bytes() if self._book.exists() else b"")
        return super().apply(ruleset)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Gateway, WatchedFirewall, Estate]]:
    estate, places = Estate.found(tmp_path / "estate"), Places(tmp_path / "gateway")
    keep_first_root(places.catalogue, estate.repository.first_root(), write_unsynced)
    firewall = WatchedFirewall(places.orders / "site.dsse.json")
    with closing(open_volatile(app.SCHEMAS)) as connection:
        connection.execute("INSERT INTO roster VALUES (?, ?)", (CAMERA.id, codec.encode(Known(CAMERA))))
        parts = app.build(SETTINGS, places, app.Opened(connection), firewall)
        parts.last_good.accept_catalogue(estate.all_files(), NOW)
        gateway = Gateway(parts)
        gateway.start(())
        yield gateway, firewall, estate


def book(estate: Estate, generation: int, *levels: Level) -> bytes:
    orders = tuple(Raise(OrderId(f"order-{level.value}"), level, "test", "test", device=CAMERA.id) for level in levels)
    content = OrderBook(generation, NOW, 4 * NOW, capability=1, site=SITE, orders=orders)
    return dsse.sign(codec.encode(content), PAYLOAD_TYPE, [estate.keys.online.director])


def test_what_tightens_is_in_force_before_it_is_written_and_what_loosens_is_written_first(
    site: tuple[Gateway, WatchedFirewall, Estate],
) -> None:
    gateway, firewall, estate = site
    tighter, tightest = book(estate, 1, Level.ISOLATE), book(estate, 2, Level.ISOLATE, Level.QUARANTINE)
    looser = book(estate, 3, Level.ISOLATE)
    levels = []
    firewall.stored.clear()

    for envelope in (tighter, tightest, looser):
        gateway.accept(OrdersEnvelope(envelope), 0.0)
        assert firewall.enforced is not None
        levels.append(firewall.enforced.devices[0].level)

    assert levels == [Level.ISOLATE, Level.QUARANTINE, Level.ISOLATE]
    assert firewall.stored == [b"", tighter, looser]


def test_a_book_is_on_disk_once_it_is_accepted(site: tuple[Gateway, WatchedFirewall, Estate], tmp_path: Path) -> None:
    gateway, _, estate = site
    envelope = book(estate, 1, Level.ISOLATE)

    gateway.accept(OrdersEnvelope(envelope), 0.0)

    assert (Places(tmp_path / "gateway").orders / "site.dsse.json").read_bytes() == envelope


_FACTS = [
    SiteFacts(
        SITE, OrganisationId("council"), segments=(SegmentFacts("cam0", default_level=level),), recorders=declared
    )
    for level in (Level.WATCH, Level.ISOLATE)
    for declared in ((), (Address("10.9.0.12"),))
]
_DEVICES = tuple(
    Device(
        DeviceId(name),
        Identity(),
        "cam0",
        macs=(Mac(f"02:00:00:00:00:0{number}"),),
        addresses=(Address(f"10.9.0.1{number}"),),
    )
    for number, name in enumerate("abcd")
)
_VERDICTS = {level: Verdict(level, ()) for level in Level}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(_FACTS),
            st.integers(1, len(_DEVICES)),
            st.lists(st.sampled_from(Level), min_size=len(_DEVICES), max_size=len(_DEVICES)),
        ),
        max_size=8,
    )
)
def test_what_is_composed_step_by_step_is_what_is_composed_at_once(
    steps: list[tuple[SiteFacts, int, list[Level]]],
) -> None:
    rulesets, links = Rulesets(), (Link("cam0", (Network("10.9.0.0/24"),)),)
    for facts, count, levels in steps:
        devices = _DEVICES[:count]
        verdicts = {device.id: _VERDICTS[level] for device, level in zip(devices, levels, strict=False)}
        assert rulesets.compose(facts, devices, verdicts, links) == ruleset(facts, devices, verdicts, links)
