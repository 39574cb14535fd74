"""A camera segment whose interface is renamed, or taken out, under a running agent, and over its restart."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.identity.model import Observation
from bartizan.ids import Address, Mac, SiteId
from bartizan.wire import events
from bartizan.wire.up import Event
from bartizan_agent import app
from bartizan_agent.gateway import Gateway
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_store
from tests.containment.reference_model import Packet
from tests.containment.wire import Wire, wire

pytestmark = pytest.mark.netns

MAC, CAMERA, CLOUD = Mac("02:00:00:00:00:01"), Address("10.9.0.11"), "198.51.100.7"
SETTINGS = Settings(
    SiteId("school"), ControllerSettings("broker.example", "https://controller.example"), (SegmentSettings("cam0"),)
)
KNOWN = Packet("cam0", "core0", MAC, CAMERA, CLOUD, "tcp", 40000, 443)
STRANGER = Packet("cam0", "core0", Mac("02:00:00:00:00:99"), Address("10.9.0.99"), CLOUD, "tcp", 40000, 443)


class Site:
    """A gateway whose agent may be restarted, with one camera at the default of a segment that nobody declared."""

    def __init__(self, cables: Wire, folder: Path) -> None:
        self.cables = cables
        self._places = Places(folder)
        self.addresses: list[str] = []
        """Of the gateway's own, each time they were told."""
        self.told: list[tuple[str, str]] = []
        """The kind of each event about a segment, and what its interface is called now."""

    @contextlib.contextmanager
    def agent(self) -> Iterator[Gateway]:
        with self.cables.gateway.entered():
            firewall = Nftables(self._places.state)
            store = open_store(self._places.store, app.SCHEMAS)
            with contextlib.closing(firewall), contextlib.closing(store):
                parts = app.build(SETTINGS, self._places, app.Opened(store), firewall)
                gateway = Gateway(parts)
                gateway.start(())
                gateway.observe((Observation("cam0", (CAMERA,), MAC),))
                gateway.reconcile()
                yield gateway
                for event in _told(parts.outbox):
                    if event.kind in {events.SEGMENT_MISSING, events.SEGMENT_RETURNED}:
                        self.told.append((event.kind, event.detail.get("now", "")))
                    if event.kind == events.GATEWAY_ADDRESSES:
                        self.addresses.append(event.detail["addresses"])

    def gone(self, gateway: Gateway) -> tuple[str, ...]:
        """Return what the gateway reports of segments without their interface."""
        gateway.look()
        report = gateway.report()
        assert report is not None
        return report.posture.segments_gone

    def rename(self, old: str, new: str) -> None:
        """Rename an interface; its addresses and routes stay, its neighbours are forgotten and not needed."""
        self.cables.gateway.ip(f"link set {old} down", f"link set {old} name {new}", f"link set {new} up")

    def passes(self) -> list[bool]:
        """Return whether a known camera and a stranger reach the Internet, wherever their cable ends by now."""
        return self.cables.forwarded([KNOWN, STRANGER])


def _told(outbox: Outbox) -> Iterator[Event]:
    while (head := outbox.head()) is not None:
        yield from head.events
        outbox.acknowledge(head.boot, head.events[-1].sequence or 0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with wire() as cables:
        yield Site(cables, tmp_path)


def test_what_is_plugged_into_a_renamed_interface_stays_held(site: Site) -> None:
    with site.agent() as gateway:
        assert site.passes() == [False, False]
        site.rename("cam0", "enp3s0")
        assert site.passes() == [False, True], "the agent has not looked yet, so this test can fail"

        gateway.interfaces_changed()
        assert gateway.changed.is_set()
        gateway.reconcile()

        assert site.passes() == [False, False]
    assert site.told == [(events.SEGMENT_MISSING, "enp3s0")]


def test_it_is_known_under_its_new_name_after_a_restart(site: Site) -> None:
    with site.agent():
        pass
    site.rename("cam0", "enp3s0")

    with site.agent():
        assert site.passes() == [False, False]
    assert site.told == [(events.SEGMENT_MISSING, "enp3s0")]


def test_who_only_has_the_same_mac_is_not_taken_for_it(site: Site) -> None:
    """A trunk has the MAC of its VLANs: held as a segment, it would cut off all that comes by it."""
    gateway = site.cables.gateway
    (link,) = json.loads(gateway.run("ip", "-json", "link", "show", "cam0"))
    gateway.ip(f"link set core0 address {link['address']}")
    with site.agent():
        pass
    gateway.ip("link delete cam0")

    with site.agent():
        pass
    assert site.told == [(events.SEGMENT_MISSING, "")]


def test_once_it_has_its_name_back_all_is_as_before(site: Site) -> None:
    reported = []
    with site.agent() as gateway:
        for old, new in (("cam0", "enp3s0"), ("enp3s0", "cam0")):
            site.rename(old, new)
            gateway.interfaces_changed()
            gateway.reconcile()
            reported.append(site.gone(gateway))

        assert site.passes() == [False, False]
    held = "interface cam0 is called enp3s0 now, which is held at the segment's default level"
    assert reported == [(held,), ()]
    assert site.told == [(events.SEGMENT_MISSING, "enp3s0"), (events.SEGMENT_RETURNED, "")]


def test_an_address_that_moves_to_this_gateway_is_told_once(site: Site) -> None:
    with site.agent() as gateway:
        report = gateway.report()
        site.cables.gateway.ip("address add 10.9.0.254/24 dev cam0")
        for _ in range(2):
            gateway.interfaces_changed()
            gateway.reconcile()
        later = gateway.report()

    assert report is not None
    assert later is not None
    assert (report.posture.addresses, later.posture.addresses) == ((), ("10.9.0.254",))
    assert site.addresses == ["10.9.0.254"]


def test_an_interface_that_is_taken_out_is_told_once(site: Site) -> None:
    with site.agent() as gateway:
        site.cables.gateway.ip("link delete cam0")
        for _ in range(2):
            gateway.interfaces_changed()
            gateway.reconcile()
        assert site.gone(gateway) == (
            "interface cam0 is gone: if it is there under a name unknown here, nobody holds what is plugged into it",
        )
    assert site.told == [(events.SEGMENT_MISSING, "")]
