"""The agent takes over what the boot loaded, which copies no packets: no drift, and the same verdicts throughout."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.identity.model import Observation
from bartizan.ids import Address, Mac, SiteId
from bartizan.wire import events
from bartizan_agent import app
from bartizan_agent.gateway import Gateway
from bartizan_agent.nftables import restore
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, EvidenceSettings, SegmentSettings, Settings
from bartizan_agent.store import open_store
from tests.containment.reference_model import Packet
from tests.containment.wire import Wire, wire

pytestmark = pytest.mark.netns

SETTINGS = Settings(
    SiteId("school"), ControllerSettings("broker.example", "https://controller.example"), (SegmentSettings("cam0"),)
)
MAC, CAMERA, OFFICE = Mac("02:00:00:00:00:01"), Address("10.9.0.11"), Mac("02:00:00:00:00:99")
BEACON = Packet("cam0", "core0", MAC, CAMERA, "198.51.100.7", "tcp", 40000, 443)
PACKETS = (
    BEACON,
    Packet("cam0", "core0", MAC, CAMERA, "198.51.100.7", "udp", 40000, 53),
    Packet("cam0", "core0", OFFICE, "10.9.0.99", "198.51.100.7", "tcp", 40000, 443),
    Packet("core0", "cam0", OFFICE, "10.1.0.6", CAMERA, "udp", 40000, 37777),
    Packet("cam1", "core0", OFFICE, "10.9.1.11", "198.51.100.7", "tcp", 40000, 443),
)
HELD = [False, False, False, False, True]


@pytest.fixture
def cables() -> Iterator[Wire]:
    with wire() as wired:
        yield wired


@contextlib.contextmanager
def agent(cables: Wire, folder: Path) -> Iterator[tuple[Gateway, list[str]]]:
    """A started agent that copies packets, and the kinds of the events that it told, once it has ended."""
    places, told = Places(folder), list[str]()
    with cables.gateway.entered():
        firewall = Nftables(places.state, hearing=EvidenceSettings())
        store = open_store(places.store, app.SCHEMAS)
        with contextlib.closing(firewall), contextlib.closing(store):
            parts = app.build(SETTINGS, places, app.Opened(store), firewall)
            gateway = Gateway(parts)
            gateway.start(())
            gateway.observe((Observation("cam0", (CAMERA,), MAC),))
            gateway.reconcile()
            gateway.look()
            yield gateway, told
            head = parts.outbox.head(1000)
            told += [event.kind for event in head.events] if head else []
            if head:
                parts.outbox.acknowledge(head.boot, head.events[-1].sequence)


def test_what_the_boot_loaded_is_taken_over_without_drift(cables: Wire, tmp_path: Path) -> None:
    with agent(cables, tmp_path):
        assert "chain hear_name" in cables.gateway.run("nft", "list", "ruleset")
        assert cables.forwarded(PACKETS) == HELD
    cables.gateway.run("nft", "flush", "ruleset")
    cables.gateway.run(sys.executable, "-I", "-S", restore.__file__, str(tmp_path))

    assert "hear_name" not in cables.gateway.run("nft", "list", "ruleset")
    assert cables.forwarded(PACKETS) == HELD
    with agent(cables, tmp_path) as (_, told):
        assert "chain hear_name" in cables.gateway.run("nft", "list", "ruleset")
        assert cables.forwarded(PACKETS) == HELD

    assert events.AGENT_STARTED in told
    assert events.CONTAINMENT_DRIFT not in told
    assert events.CONTAINMENT_FAILED not in told
