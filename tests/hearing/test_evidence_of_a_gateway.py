"""One gateway on a real kernel, without a controller: what it keeps of a camera that calls home, and what it can prove.

The agent's own parts, a real table, real packets: attempts with header and name, a statement over a restart of the
agent that is proven, and one over a flushed table that names the gap.
"""

import contextlib
import dataclasses
import select
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bartizan.containment.level import Level
from bartizan.containment.statement import Verdict, verdict
from bartizan.identity.model import Device, Observation
from bartizan.ids import Address, Mac, SiteId
from bartizan.trust.statements import open_statement
from bartizan_agent import app, statement
from bartizan_agent.gateway import Gateway
from bartizan_agent.hearing.listener import drain, open_listener
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, EvidenceSettings, SegmentSettings, Settings
from bartizan_agent.store import open_store
from tests.agent.estate import Authority
from tests.containment.reference_model import Packet
from tests.containment.wire import Wire, wire
from tests.hearing.test_copies_in_the_kernel import carrying

pytestmark = pytest.mark.netns

SITE, MAC, CAMERA, CLOUD = SiteId("school"), Mac("02:00:00:00:00:01"), Address("10.9.0.11"), "198.51.100.7"
SETTINGS = Settings(
    SITE, ControllerSettings("broker.example", "https://controller.example"), (SegmentSettings("cam0"),)
)
BEACON = Packet("cam0", "core0", MAC, CAMERA, CLOUD, "tcp", 40000, 443)
QUESTION = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\3www\7example\3com\0\0\1\0\1"


class Machine:
    """A gateway whose agent may be restarted."""

    def __init__(self, cables: Wire, folder: Path) -> None:
        self.cables = cables
        self.places = Places(folder / "state")
        self.device: Device | None = None
        self.told: list[str] = []
        """The kinds of all events that were told."""
        self.authority = Authority(folder)
        keys = IdentityKeys(self.places.keys)
        keys.make_missing()
        private = load_pem_private_key(keys.tls_key_file.read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        pem = self.authority.certify(SITE, private.public_key())
        keys.install(pem.decode(), self.authority.ca.decode(), SITE)

    @contextlib.contextmanager
    def agent(self) -> Iterator[Gateway]:
        with self.cables.gateway.entered():
            firewall = Nftables(self.places.state, hearing=EvidenceSettings())
        with closing(firewall), closing(open_store(self.places.store, app.SCHEMAS)) as store:
            parts = app.build(SETTINGS, self.places, app.Opened(store), firewall)
            gateway = Gateway(parts)
            gateway.start(())
            gateway.observe((Observation("cam0", (CAMERA,), MAC),))
            gateway.reconcile()
            report = gateway.report()
            assert report is not None
            (self.device,) = report.devices
            yield gateway
            gateway.witness.write()
            self.told += _told(parts.outbox)

    def stated(self, since: float) -> tuple[Verdict, list[str], set[tuple[str, int, str]]]:
        """Return what a statement since then proves, its gaps, and what was dropped: destination, port and header."""
        with closing(open_store(self.places.store, app.SCHEMAS)) as store:
            assert self.device is not None
            asked = statement.Asked(self.device, since, statement.last_look(store))
            made = statement.make(store, IdentityKeys(self.places.keys), SITE, asked, time.time())
        found = open_statement(made, self.authority.ca).statement
        assert {part.held.level for part in found.parts if part.held is not None} <= {Level.ISOLATE}
        gaps = [part.not_proven_because for part in found.parts if part.not_proven_because]
        return verdict(found.parts), gaps, {(one.destination, one.port, one.header) for one in found.dropped}


def _told(outbox: Outbox) -> Iterator[str]:
    while (head := outbox.head()) is not None:
        yield from (event.kind for event in head.events)
        outbox.acknowledge(head.boot, head.events[-1].sequence or 0)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with wire() as cables:
        yield Machine(cables, tmp_path)


def test_what_was_tried_is_kept_and_what_was_in_force_is_proven_but_for_a_flush(machine: Machine) -> None:
    cables = machine.cables
    with cables.gateway.entered():
        listener = open_listener()
    with listener, machine.agent() as gateway:
        since = time.time()
        assert not any(cables.forwarded([BEACON, BEACON]))
        cables.send("cam0", carrying(dataclasses.replace(BEACON, protocol="udp", to_port=53), QUESTION))
        while select.select([listener], [], [], 1.5)[0]:
            gateway.witness.hear(drain(listener))
        gateway.count()
    with machine.agent() as gateway:
        gateway.count()

    proven, gaps, dropped = machine.stated(since)
    assert (proven, gaps) == (Verdict.PROVEN, [])
    assert (CLOUD, 443, f"tcp {CAMERA}:40000 > {CLOUD}:443 ACK, 48 octets, 63 hops left") in dropped

    with machine.agent() as gateway:
        cables.gateway.run("nft", "flush", "table", "inet", "bartizan")
        gateway.look()
        gateway.count()
        later = gateway.report()
    assert later is not None
    assert {name.name for name in later.posture.names} == {"www.example.com"}
    verdict_, gaps, _ = machine.stated(since)
    assert verdict_ is Verdict.NOT_PROVEN
    assert len(gaps) == 1
    assert "the packet filter was not as applied" in gaps[0]
