"""What nobody honest would say: to a gateway with the controller's certificate, to the controller with a gateway's."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bartizan.containment.level import Level
from bartizan.ids import BootId, OrderId, SiteId
from bartizan.trust import dsse
from bartizan.trust.accept import GENERATION_LIMIT
from bartizan.trust.keys import SigningKey, from_pem, from_seed
from bartizan.trust.orders import PAYLOAD_TYPE, Order, OrderBook, Raise
from bartizan.wire import codec, events
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import EventsAck, OrdersEnvelope
from bartizan.wire.topics import ALL_CATALOGUE, down, up
from bartizan.wire.up import Event, Events, Hello
from bartizan_lab.demo.thief import tampered_catalogue

HOUR = 3600.0


@dataclass(frozen=True)
class Hostile:
    """One message, and how it is to be refused."""

    what: str
    topic: str
    payload: bytes
    kind: str
    """Of the event that tells of the refusal."""
    code: str
    reason: str
    """Words of it."""


class Director:
    """Whoever has the key that signs orders."""

    def __init__(self, controller_folder: Path, site: SiteId, generation: int) -> None:
        self.key = from_pem((controller_folder / "keys" / "director.pem").read_bytes())
        self.site = site
        self.generation = generation
        """Of the book that the gateway holds."""

    def book(self, *orders: Order, key: SigningKey | None = None, **changes: object) -> bytes:
        """Return a book for the site, signed; the next one unless told otherwise."""
        now = time.time()
        honest = OrderBook(self.generation + 1, now, now + HOUR, CAPABILITY, self.site, orders)
        payload = codec.encode(msgspec.structs.replace(honest, **changes))
        return codec.encode(OrdersEnvelope(dsse.sign(payload, PAYLOAD_TYPE, [key or self.key])))


def to_a_gateway(director: Director, controller_folder: Path, replayed: bytes) -> list[Hostile]:
    """Return every kind. `replayed` is a book that the gateway accepted once, and that another has replaced."""
    raised = Raise(OrderId("raise-forged"), Level.QUARANTINE, "forged", "nobody")
    unsigned = json.loads(replayed) | {"signatures": []}
    replay = codec.encode(OrdersEnvelope(replayed))

    def message(what: str, payload: bytes, reason: str) -> Hostile:
        return Hostile(what, down(director.site), payload, events.MESSAGE_REFUSED, "malformed", reason)

    def orders(what: str, payload: bytes, code: str, reason: str) -> Hostile:
        return Hostile(what, down(director.site), payload, events.ORDERS_REFUSED, code, reason)

    return [
        message("no message at all", b"\xff" * 1000, "not a valid"),
        message("nested without end", b"[" * 200_000, "not a valid"),
        message("larger than any message", b" " * (codec.LIMIT + 1), "at most"),
        Hostile(
            "spoken in the wrong place",
            ALL_CATALOGUE,
            codec.encode(EventsAck(BootId("b"), 10**9)),
            events.MESSAGE_REFUSED,
            "malformed",
            "is not spoken on",
        ),
        Hostile(
            "a catalogue that nobody signed",
            ALL_CATALOGUE,
            tampered_catalogue(controller_folder),
            events.CATALOGUE_REFUSED,
            "bad-signature",
            "sign",
        ),
        orders("unsigned", codec.encode(OrdersEnvelope(codec.encode(unsigned))), "bad-signature", "no signature"),
        orders("signed by another", director.book(raised, key=from_seed(bytes(32))), "bad-signature", "no signature"),
        orders("expired", director.book(raised, expires_at=time.time() - HOUR), "expired", "expired"),
        orders("replayed", replay, "stale", "came after"),
        orders(
            "the generation in force with other content",
            director.book(raised, generation=director.generation),
            "stale",
            "came again with other content",
        ),
        orders(
            "an impossible generation", director.book(raised, generation=GENERATION_LIMIT), "malformed", "impossible"
        ),
        orders("for newer programs", director.book(raised, capability=CAPABILITY + 1), "too-new", "update it"),
        orders("of another site", director.book(raised, site=SiteId("elsewhere")), "malformed", "is for"),
    ]


def to_the_controller(site: SiteId, other: SiteId, boot: BootId) -> list[Hostile]:
    """Return every kind. The controller tells of each code once a minute, so the first of each has to be told."""
    spoofed = Events(other, boot, (Event(1, time.time(), "containment.released", None, {"by": "nobody"}),))
    unordered = Events(site, boot, tuple(Event(number, time.time(), "device.found") for number in (2, 1)))

    def said(what: str, kind: str, payload: bytes, code: str, reason: str) -> Hostile:
        return Hostile(what, up(site, kind), payload, events.MESSAGE_REFUSED, code, reason)

    return [
        said("no message at all", "events", b"\xff" * 1000, "malformed", "not a valid"),
        said("larger than any message", "report", b" " * (codec.LIMIT + 1), "malformed", ""),
        said("events that are not in order", "events", codec.encode(unordered), "malformed", ""),
        said("an impossible capability", "hello", codec.encode(Hello(site, boot, -1, "0", {})), "malformed", ""),
        said("a report without a body", "report", b'{"type":"report"}', "malformed", ""),
        said("in another site's name", "events", codec.encode(spoofed), "foreign", "speaks for"),
    ]
