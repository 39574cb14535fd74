"""The upper half of a case: one device at one site at one time, with waivers and orders, from `name: value` lines.

Names of facts are those of conditions (`maker`, `kind`, `site.sensitivity`, `tag`, …); what follows from others (a
maker's jurisdiction, whether a flaw is exploited) is left to the catalogue. Without `vulnerable-to` and `undecided` the
device is weighed against the catalogue's advisories, as an agent does it. Beside facts there are:

    at: 2026-01-15                      the date; 2026-01-01 if left out
    device, interface, mac, address     how the device is seen
    build-date, lineage, known-by       more of its identity
    undecided                           advisories of which it cannot be told
    segment-default, estate-network, recorder
    waiver: uk-hcws386 at most block-egress until 2026-03-01
    order: quarantine
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from bartizan.containment.level import Level
from bartizan.firmware.match import exposure, findings
from bartizan.firmware.model import Advisory
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, OrderId, OrganisationId, PolicyId, SiteId, WaiverId, address, mac, network
from bartizan.policy.errors import Fault
from bartizan.policy.fields import suggestion
from bartizan.policy.model import SegmentFacts, Sensitivity, SiteFacts, Waiver
from bartizan.trust.orders import OrderBook, Raise
from bartizan.wire.capability import CAPABILITY

T = TypeVar("T")

NAMES = (
    "at",
    "device",
    "interface",
    "mac",
    "address",
    "maker",
    "maker.confidence",
    "brand",
    "kind",
    "model",
    "firmware",
    "build-date",
    "lineage",
    "known-by",
    "vulnerable-to",
    "undecided",
    "first-seen",
    "tag",
    "zone",
    "segment-default",
    "site",
    "site.sensitivity",
    "site.tag",
    "organisation",
    "estate-network",
    "recorder",
    "waiver",
    "order",
)
REPEATABLE = frozenset({"waiver", "order"})

_WAIVER = re.compile(
    r"\A(?P<policies>[a-z0-9-]+(?:, ?[a-z0-9-]+)*) at most (?P<level>\S+)(?: from (?P<start>\S+))? until (?P<end>\S+)\Z"
)


class Entry(NamedTuple):
    """One `name: value`, and its line."""

    line: int
    key: str
    value: str


class Situation(msgspec.Struct, frozen=True):
    """A device at a site at a time, and the exceptions and orders that stand."""

    device: Device
    site: SiteFacts
    at: float
    """Unix seconds."""
    waivers: tuple[Waiver, ...] = ()
    books: tuple[OrderBook, ...] = ()
    is_exposure_given: bool = False

    def device_under(self, advisories: Iterable[Advisory]) -> Device:
        """Return the device, weighed against advisories unless the case says what it is open to."""
        if self.is_exposure_given:
            return self.device
        weighed = exposure(findings(self.device.identity, advisories))
        return msgspec.structs.replace(
            self.device, vulnerabilities=weighed.vulnerabilities, undecided=weighed.undecided
        )


def read_situation(entries: Iterable[Entry], file: str, faults: list[Fault]) -> Situation:
    """Return the situation in the lines of a case; faults are added to `faults`."""
    reader = _Reader(entries, file, faults)
    device = _device(reader)
    return Situation(
        device=device,
        site=_site(reader, device),
        at=reader.one("at", _moment, _moment("2026-01-01")),
        waivers=tuple(reader.each("waiver", lambda text, number: _waiver(text, number, device.id))),
        books=_books(reader, device.id),
        is_exposure_given=reader.has("vulnerable-to") or reader.has("undecided"),
    )


class _Reader:
    """Looks values up by name, and turns conversions that fail into faults."""

    def __init__(self, entries: Iterable[Entry], file: str, faults: list[Fault]) -> None:
        self._file = file
        self._faults = faults
        self._entries: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.key not in NAMES:
                self._add(entry, f"{entry.key!r} is not part of a situation{suggestion(entry.key, NAMES)}")
            elif entry.key in self._entries and entry.key not in REPEATABLE:
                self._add(entry, f"{entry.key!r} stands twice: separate several values by commas")
            else:
                self._entries.setdefault(entry.key, []).append(entry)

    def has(self, name: str) -> bool:
        return name in self._entries

    def text(self, name: str, default: str = "") -> str:
        return self._entries[name][0].value if name in self._entries else default

    def one(self, name: str, convert: Callable[[str], T], default: T) -> T:
        for entry in self._entries.get(name, ()):
            try:
                return convert(entry.value)
            except ValueError as error:
                self._add(entry, f"{name}: {error}")
        return default

    def many(self, name: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        return self.one(name, lambda text: tuple(convert(word.strip()) for word in text.split(",") if word.strip()), ())

    def each(self, name: str, convert: Callable[[str, int], T]) -> Iterable[T]:
        for number, entry in enumerate(self._entries.get(name, ()), 1):
            try:
                yield convert(entry.value, number)
            except ValueError as error:
                self._add(entry, f"{name}: {error}")

    def _add(self, entry: Entry, message: str) -> None:
        self._faults.append(Fault(self._file, entry.line, 1, message))


def _device(reader: _Reader) -> Device:
    identity = Identity(
        maker=reader.text("maker"),
        brand=reader.text("brand"),
        kind=reader.one("kind", Kind, Kind.UNKNOWN),
        model=reader.text("model"),
        firmware=reader.text("firmware"),
        build_date=reader.text("build-date"),
        lineage=reader.text("lineage"),
        confidence=reader.one("maker.confidence", int, 0),
        known_by=reader.many("known-by", str),
    )
    return Device(
        id=DeviceId(reader.text("device", "device")),
        identity=identity,
        interface=reader.text("interface", "eth1"),
        macs=reader.many("mac", mac),
        addresses=reader.many("address", address),
        first_seen=reader.one("first-seen", _moment, 0.0),
        vulnerabilities=reader.many("vulnerable-to", str),
        undecided=reader.many("undecided", str),
    )


def _site(reader: _Reader, device: Device) -> SiteFacts:
    default = reader.one("segment-default", Level, Level.ISOLATE)
    return SiteFacts(
        id=SiteId(reader.text("site", "site")),
        organisation=OrganisationId(reader.text("organisation", "organisation")),
        sensitivity=reader.one("site.sensitivity", Sensitivity, Sensitivity.SENSITIVE),
        tags=reader.many("site.tag", str),
        estate_networks=reader.many("estate-network", network),
        recorders=reader.many("recorder", address),
        segments=(SegmentFacts(device.interface, reader.text("zone"), default),),
        device_tags={device.id: reader.many("tag", str)},
    )


def _books(reader: _Reader, device: DeviceId) -> tuple[OrderBook, ...]:
    orders = tuple(
        reader.each(
            "order",
            lambda text, number: Raise(
                OrderId(f"order-{number}"), Level(text), reason="as the case says", by="an operator", device=device
            ),
        )
    )
    return (OrderBook(generation=1, issued_at=0, expires_at=0, capability=CAPABILITY, orders=orders),) if orders else ()


def _waiver(text: str, number: int, device: DeviceId) -> Waiver:
    match = _WAIVER.match(text)
    if match is None:
        raise ValueError("write it as 'uk-hcws386 at most block-egress until 2026-03-01', with 'from …' if need be")
    end = _moment(match["end"])
    return Waiver(
        id=WaiverId(f"waiver-{number}"),
        owner="the site's owner",
        reason="as the case says",
        compensating_control="as the case says",
        starts_at=_moment(match["start"]) if match["start"] else end - 90 * 86_400,
        expires_at=end,
        policies=tuple(PolicyId(name.strip()) for name in match["policies"].split(",")),
        level=Level(match["level"]),
        device=device,
    )


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
