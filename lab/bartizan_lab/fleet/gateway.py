"""What one simulated gateway knows, decides and says: the agent without kernel, cameras and disk. No I/O."""

import functools
from collections import deque
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bartizan.errors import Refused, Unavailable
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import BootId, DeviceId, Mac, SiteId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import site_facts
from bartizan.trust import dsse, sealing
from bartizan.trust.accept import accept
from bartizan.trust.orders import PAYLOAD_TYPE, OrderBook
from bartizan.wire import codec, events, topics
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import (
    CatalogueBundle,
    Certificate,
    Down,
    EventsAck,
    OrdersEnvelope,
    ReportAck,
    ReportWanted,
    SealedCredentials,
    StatementWanted,
)
from bartizan.wire.up import DevicePosture, Event, Events, Hello, Posture, Report
from bartizan_agent.conversation import Conversation, check_place
from bartizan_agent.outbox import BATCH
from bartizan_lab import __version__
from bartizan_lab.fleet.catalogue import NOTHING, SharedCatalogue
from bartizan_lab.fleet.roster import Member

_KINDS = {Hello: "hello", Report: "report", Events: "events"}


class Gateway:
    """One gateway. Times are Unix seconds, but for `at`, which is monotonic."""

    def __init__(self, member: Member, boot: BootId, catalogue: SharedCatalogue, *, cameras: int) -> None:
        self.site = member.site
        self.boot = boot
        self.synchronised = False
        """Whether the controller has answered this connection's hello."""
        self.refused = 0
        """Messages that were not accepted."""
        self.accepted: OrderBook | None = None
        """The estate's order book in force."""
        self._site_book: OrderBook | None = None
        self._sealing_key = X25519PrivateKey.from_private_bytes(member.sealing_key)
        self._public_sealing_key = sealing.public_text(self._sealing_key)
        self._credentials = 0
        self._shared = catalogue
        self._catalogue = NOTHING
        self._devices = tuple(_camera(member.site, number) for number in range(cameras))
        self._conversation = Conversation()
        self._outbox: deque[Event] = deque()
        self._sequence = 0
        self._report: Report | None = None
        self._acknowledged_digest = ""

    @property
    def pending(self) -> int:
        """Events that the controller has not acknowledged."""
        return len(self._outbox)

    @property
    def reported(self) -> bool:
        """Whether the controller has acknowledged the present report."""
        return self._report is not None and self._report.digest == self._acknowledged_digest

    def begin(self, now: float) -> None:
        """A new connection stands and listens."""
        self.synchronised = False
        if self._report is None:
            self._record(now, events.AGENT_STARTED, version=__version__, boot=self.boot)
            self._renew_report(now)
        self._conversation.begin()

    def hear(self, topic: str, payload: bytes, now: float) -> None:
        """Take in a message of the controller."""
        try:
            message = codec.decode_down(payload)
            check_place(topic, topics.down(self.site), message)
            self._conversation.heard(message)
            self._take(message, topic, now)
        except Refused as refusal:
            self.refused += 1
            self._record(now, events.MESSAGE_REFUSED, topic=topic, code=refusal.code, reason=str(refusal))
        except Unavailable:
            self._conversation.missed()

    def words(self, at: float, now: float) -> Iterator[tuple[str, bytes]]:
        """Yield what is to be said now: topic and payload."""
        hello = functools.partial(self._hello, now)
        for word in self._conversation.speak(at, hello, self._report, self._head()):
            yield topics.up(self.site, _KINDS[type(word)]), codec.encode(word)

    def due_at(self) -> float | None:
        """Return the monotonic time at which there is something to say, or None if there is nothing."""
        digest = self._report.digest if self._report else ""
        return self._conversation.due_at(digest, events_pending=bool(self._outbox))

    def _take(self, message: Down, topic: str, now: float) -> None:
        match message:
            case EventsAck(boot, through):
                self.synchronised = True
                while boot == self.boot and self._outbox and self._outbox[0].sequence <= through:
                    self._outbox.popleft()
            case ReportAck(digest):
                self._acknowledged_digest = digest
            case ReportWanted() | Certificate() | StatementWanted():
                pass
            case SealedCredentials(generation):
                sealing.open_sealed(message, self.site, self._sealing_key, held_generation=self._credentials)
                self._credentials = generation
            case CatalogueBundle(files):
                self._accept_catalogue(files, now)
            case OrdersEnvelope(envelope):
                self._accept_orders(envelope, now, self._scope(envelope, topic))

    def _accept_catalogue(self, files: dict[str, bytes], now: float) -> None:
        catalogue = self._shared.accept(files)
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            versions = " ".join(f"{role}={version}" for role, version in sorted(catalogue.versions.items()))
            self._record(now, events.CATALOGUE_ACCEPTED, versions=versions)
            self._renew_report(now)

    def _scope(self, envelope: bytes, topic: str) -> SiteId | None:
        if topic == topics.ALL_ORDERS:
            return None
        payload = dsse.verify(envelope, PAYLOAD_TYPE, self._catalogue.director.keys)
        return codec.decode(payload, OrderBook).site and self.site

    def _accept_orders(self, envelope: bytes, now: float, scope: SiteId | None) -> None:
        held = self.accepted if scope is None else self._site_book
        director = self._catalogue.director
        book = accept(envelope, director, held=held, scope=scope, now=now, capability=CAPABILITY)
        if book is held:
            return
        if scope is None:
            self.accepted = book
        else:
            self._site_book = book
        name = "estate" if scope is None else "site"
        self._record(now, events.ORDERS_ACCEPTED, scope=name, generation=str(book.generation))
        self._renew_report(now)

    def _record(self, now: float, kind: str, **detail: str) -> None:
        self._sequence += 1
        self._outbox.append(Event(self._sequence, now, kind, None, detail))

    def _head(self) -> Events | None:
        if not self._outbox:
            return None
        return Events(self.site, self.boot, tuple(self._outbox[at] for at in range(min(BATCH, len(self._outbox)))))

    def _hello(self, now: float) -> Hello:
        return Hello(
            site=self.site,
            boot=self.boot,
            capability=CAPABILITY,
            agent_version=__version__,
            catalogue=dict(self._catalogue.versions),
            estate_orders=_generation(self.accepted),
            site_orders=_generation(self._site_book),
            credentials=self._credentials,
            report_digest=self._report.digest if self._report else "",
            events_pending=len(self._outbox),
            sealing_key=self._public_sealing_key,
            clock=now,
        )

    def _renew_report(self, now: float) -> None:
        posture = Posture(
            catalogue=dict(self._catalogue.versions),
            catalogue_expired=self._catalogue.expires_at <= now,
            estate_orders=_generation(self.accepted),
            site_orders=_generation(self._site_book),
            ruleset_digest="",
            devices=self._postures(now),
            policies=tuple(f"{policy.id}@{policy.version}" for policy in self._catalogue.policies),
        )
        digest = codec.report_digest(self._devices, posture)
        self._report = Report(self.site, self.boot, now, digest, self._devices, posture)

    def _postures(self, now: float) -> tuple[DevicePosture, ...]:
        """Return what a kernel would say that always did as it was told."""
        if not self._devices:
            return ()
        books = tuple(book for book in (self.accepted, self._site_book) if book is not None)
        evaluator = Evaluator(self._catalogue, site_facts(self._catalogue.sites, self.site), books)
        verdicts = [(device.id, evaluator.verdict(device, now)) for device in self._devices]
        return tuple(
            DevicePosture(device, wanted=verdict.level, enforced=verdict.level, explanation=(verdict.explanation,))
            for device, verdict in verdicts
        )


def _generation(book: OrderBook | None) -> int:
    return book.generation if book else 0


def _camera(site: SiteId, number: int) -> Device:
    mac = Mac(f"02:00:5e:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}")
    identity = Identity(maker="hikvision", kind=Kind.CAMERA, model="DS-2CD2042WD-I", firmware="5.5.0", confidence=95)
    return Device(id=DeviceId(f"serial:{site}-{number:04}"), identity=identity, interface="cam0", macs=(mac,))
