"""A gateway with 1,000 devices as a running program: `bartizan-agent run` over its state, and whom it talks to.

The estate is a controller's own: its authority, its catalogue with makers and a policy, its director's key. What runs
beside the agent is a bare mosquitto with mutual TLS on the gateway's loopback, and a desk that gives orders and
acknowledges whatever is said, as a controller would.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.identity.model import Device, Evidence, Fact, Identity, Source
from bartizan.ids import DeviceId, OrderId, OrganisationId, SiteId
from bartizan.policy.model import SegmentFacts, SiteFacts
from bartizan.policy.source import read_makers, read_policy
from bartizan.trust import dsse, keys
from bartizan.trust.approval import signing_payload
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook, Raise
from bartizan.wire import codec, mqtt5
from bartizan.wire.down import Down, EventsAck, OrdersEnvelope, ReportAck
from bartizan.wire.mqtt5 import Message, Packet
from bartizan.wire.topics import down, up_filter
from bartizan.wire.up import Events, Hello, Report, Up
from bartizan_agent import app, settings
from bartizan_agent.catalogue import CatalogueClient, keep_first_root
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.inventory import Known
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Limits, SegmentSettings, Settings
from bartizan_agent.store import open_store, transaction
from bartizan_controller.authority import Authority
from bartizan_controller.catalogue.online_keys import load_online_keys
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.directory import Folder
from bartizan_lab.fleet import controller, roster
from bartizan_lab.netns import Namespace
from bench import agent_alone
from bench.filter_site import RECORDER
from bench.lean_clients import HOST, Client, first_client, write_broker

ORGANISATION = "bench"
SITE = SiteId("site-00000")
MAKER = "axis"
POLICY = "uk-hcws386"
DATA = Path(__file__).parents[1] / "policies"
STOP_SECONDS = 20.0
NOWHERE = 1  # a port where no broker is
_DAY = 86400.0


class Estate:
    """A controller's folder and one enrolled gateway's, with everything accepted once."""

    def __init__(self, base: Path, ruleset: Ruleset) -> None:
        """Found it, and bring the gateway to where it knows the devices of `ruleset`."""
        self.base = base
        self.folder = controller.make(base, ORGANISATION)
        self.fleet = base / "fleet"
        enrolled = roster.enrol(self.folder.root, self.fleet, 1, organisation=ORGANISATION)
        self.online = load_online_keys(self.folder.keys)
        self.places = Places(base / "state")
        self.configuration = base / "agent.toml"
        _publish(self.folder, base / "offline-keys", ruleset)
        self._keep_identity()
        self._keep_catalogue(enrolled)
        self._keep_devices(ruleset)
        self.point_at(NOWHERE)

    def point_at(self, port: int) -> None:
        """Write the configuration: the broker is at this port of the gateway's loopback."""
        segment = SegmentSettings("cam0")
        # One full look at start, and none while measuring.
        limits = Limits(discovery_seconds=30 * _DAY, devices=5000)
        broker = ControllerSettings(broker_host=HOST, broker_port=port, images_url=f"https://{HOST}:1")
        text = settings.render(Settings(SITE, broker, (segment,), limits))
        self.configuration.write_text(text, encoding="utf-8")

    def orders(self, generation: int, *raised: DeviceId) -> bytes:
        """Return the message that raises these devices to `isolate` and no others, signed by the director."""
        orders = tuple(
            Raise(OrderId(f"order-{generation}-{number}"), Level.ISOLATE, "bench", "bench", device=device)
            for number, device in enumerate(raised)
        )
        now = time.time()
        book = OrderBook(generation, now, now + _DAY, capability=1, site=SITE, orders=orders)
        return codec.encode(OrdersEnvelope(dsse.sign(codec.encode(book), PAYLOAD_TYPE, [self.online.director])))

    def _keep_identity(self) -> None:
        identity = IdentityKeys(self.places.keys)
        self.places.keys.mkdir(parents=True)
        identity.make_missing()
        certificate, _, key = (self.fleet / f"{SITE}.pem").read_text(encoding="ascii").partition("-----BEGIN PRIVATE")
        identity.tls_key_file.write_text(f"-----BEGIN PRIVATE{key}", encoding="ascii")
        identity.certificate_file.write_text(certificate, encoding="ascii")
        identity.ca_file.write_bytes((self.fleet / roster.CA_FILE).read_bytes())

    def _keep_catalogue(self, enrolled: roster.Roster) -> None:
        keep_first_root(self.places.catalogue, enrolled.root)
        repository = CatalogueRepository(self.folder.catalogue, self.online)
        CatalogueClient(self.places.catalogue).update(repository.bundle({}), time.time())

    def _keep_devices(self, ruleset: Ruleset) -> None:
        rows = [(device.id, codec.encode(_known(device))) for device in ruleset.devices]
        connection = open_store(self.places.store, app.SCHEMAS)
        with contextlib.closing(connection), transaction(connection):
            connection.executemany("INSERT INTO roster VALUES (?, ?)", rows)


def _publish(folder: Folder, offline: Path, ruleset: Ruleset) -> None:
    now = time.time()
    repository = CatalogueRepository(folder.catalogue, load_online_keys(folder.keys))
    approvers = [
        keys.from_pem((offline / f"{name}.pem").read_bytes(), holder=name) for name in ("approver-1", "approver-2")
    ]
    makers = read_makers((DATA / "makers.yaml").read_text(encoding="utf-8"), "makers.yaml")
    policy = read_policy((DATA / f"{POLICY}.yaml").read_text(encoding="utf-8"), f"{POLICY}.yaml", makers)
    site = SiteFacts(
        SITE,
        OrganisationId(ORGANISATION),
        estate_networks=ruleset.estate_networks,
        recorders=(RECORDER,),
        segments=(SegmentFacts("cam0", default_level=Level.ISOLATE),),
    )
    add = {
        "policy/makers.json": codec.encode(makers),
        f"policy/{policy.id}.json": codec.encode(policy),
        f"policy/sites-{ORGANISATION}.json": codec.encode([site]),
    }
    change = repository.propose("policy", add=add, prepared_by=approvers[0].id, now=now, note="bench")
    payload = signing_payload("policy", repository.review(change).proposed)
    for key in approvers:
        repository.sign(change, key.id, key.sign(payload))
    repository.publish(change, now=now)


def _known(device: ContainedDevice) -> Known:
    """Return a device as a site that was looked at for long knows it: of a maker that no policy confines."""
    said = (Evidence(Fact.MAKER, MAKER, Source.OPERATOR, 100),)
    identity = Identity(maker=MAKER, confidence=100, known_by=("operator",))
    now = time.time()
    return Known(
        Device(device.id, identity, device.interface, device.macs, device.addresses, first_seen=now, last_seen=now),
        evidence=said,
    )


@contextlib.contextmanager
def desk(estate: Estate, gateway: Namespace) -> Iterator["Desk"]:
    """Run a mosquitto on the gateway's loopback for the block, and sit down at the other end of the link."""
    with tempfile.TemporaryDirectory(prefix="bartizan-broker-") as name:
        folder = Path(name)
        port = write_broker(folder, Authority(estate.folder.keys))
        with _program(gateway.command("mosquitto", "-c", "floor.conf"), folder, {}):
            with gateway.entered():
                client = first_client(folder, port, up_filter())
            with client.stream:
                yield Desk(client, port)


@contextlib.contextmanager
def agent(estate: Estate, gateway: Namespace) -> Iterator[None]:
    """Run the agent in the gateway for the block, with the packages of an installation of the agent alone."""
    alone = estate.base / "alone"
    alone.mkdir()
    environment = agent_alone.installed(alone)
    options = (f"--state={estate.places.state}", f"--config={estate.configuration}")
    program = (*agent_alone.agent(alone), *options, "run")
    with _program(gateway.command(*program), estate.base, environment):
        yield


class Desk:
    """The other end of the link: gives orders, and acknowledges what is said so that it is not said again."""

    def __init__(self, client: Client, port: int) -> None:
        self.port = port
        """Of the broker."""
        self._client = client
        self._number = 0

    def publish(self, topic: str, message: bytes) -> None:
        """Say something on a topic."""
        self._number = self._number % 0xFFFF + 1
        self._client.stream.sendall(mqtt5.publish(self._number, topic, message))

    def wait_for_reports_of(self, generation: int) -> None:
        """Answer the gateway until it has reported that it goes by this book.

        Raises:
            TimeoutError: It says nothing of that.
        """
        while generation not in [self._answer(packet) for packet in self._client.packets()]:
            pass

    def _answer(self, packet: Packet | Message) -> int:
        """Return which book the site's gateway says it goes by; -1 if this is no word of that."""
        if not isinstance(packet, Message):
            return -1
        self._client.stream.sendall(mqtt5.acknowledge(packet.number))
        said = codec.decode_up(packet.payload)
        for answer in _answers(said):
            self.publish(down(SITE), codec.encode(answer))
        return said.posture.site_orders if isinstance(said, Report) else -1


def _answers(said: Up) -> Iterator[Down]:
    match said:
        case Events(_, boot, events):
            yield EventsAck(boot, events[-1].sequence)
        case Report():
            yield ReportAck(said.digest)
        case Hello():
            # Any word will do: a hello that is never answered is said again.
            yield EventsAck(said.boot, 0)
        case _:
            pass


@contextlib.contextmanager
def _program(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run a program for the block. What it says goes to a file of its own name in `folder`."""
    with (folder / "said").open("ab") as log:
        child = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        child.terminate()
        child.wait(STOP_SECONDS)
