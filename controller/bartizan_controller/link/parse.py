"""From a topic and bytes to a message of the site that wrote it, or to the reason for a refusal. Pure.

The broker lets a gateway write under its own name only. It is checked here again, because a broker is software and
somebody configures it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from bartizan.errors import Malformed
from bartizan.identity.model import Device
from bartizan.ids import BootId, DeviceId, Mac, SiteId
from bartizan.wire import codec
from bartizan.wire.topics import parse_up
from bartizan.wire.up import (
    DevicePosture,
    Events,
    Hello,
    Posture,
    RenewCertificate,
    Report,
    StatementMade,
    Will,
)
from bartizan_controller import inventory
from bartizan_controller.errors import Foreign
from bartizan_controller.inventory import SeenDevice

EVENTS_AT_MOST = 1_000  # of one message; gateways send 100
INTEGER_LIMIT = 2**63  # what a database holds

T = TypeVar("T")


class ReportHead(msgspec.Struct, frozen=True, tag="report"):
    """The beginning of a report, enough to see whether it is known already. The rest is decoded when it is not."""

    site: SiteId
    boot: BootId
    taken_at: float
    digest: str
    devices: tuple[msgspec.Raw, ...]
    posture: msgspec.Raw


class Owner(msgspec.Struct, frozen=True):
    """Of a device, nothing but its MACs."""

    id: DeviceId
    macs: tuple[Mac, ...] = ()


class UndecodedPosture(Posture, frozen=True):
    """A posture whose devices are still bytes."""

    devices: tuple[msgspec.Raw, ...]  # type: ignore[assignment]


class ReadReport(NamedTuple):
    """A report of which only those devices were decoded that it tells something new of."""

    site: SiteId
    taken_at: float
    digest: str
    devices: tuple[msgspec.Raw, ...]
    """All of them."""
    posture: Posture
    """Without its devices."""
    seen: dict[DeviceId, SeenDevice]
    """Of devices with the same id the last one counts."""
    same: frozenset[DeviceId]
    """Those of which it says, octet by octet, what was said before."""

    def owners(self) -> tuple[Owner, ...]:
        """Return the MACs of every device."""
        return _all(self.devices, tuple[Owner, ...])


class UndecodedReport(msgspec.Struct, frozen=True):
    """A report whose devices are still bytes."""

    head: ReportHead
    payload: bytes

    @property
    def site(self) -> SiteId:
        """Whose report it is."""
        return self.head.site

    @property
    def boot(self) -> BootId:
        """The start of the agent that wrote it."""
        return self.head.boot

    def read(self, told: Mapping[bytes, DeviceId]) -> ReadReport:
        """Return the report; what was told before is not decoded again, for it was checked then.

        Args:
            told: Devices by the digest of what was told of them before (`inventory.told_digest`).

        Raises:
            Malformed: It is none, its digest is not that of its content, or a number does not fit.
        """
        devices = self.head.devices
        posture = _part(self.head.posture, UndecodedPosture)
        if not self._is_intact():
            raise Malformed("the report's digest is not that of its devices and posture")
        same: set[DeviceId] = set()
        if len(devices) == len(posture.devices):
            seen = _news(zip(devices, posture.devices, strict=True), told, same)
        else:
            seen = _joined(_all(devices, tuple[Device, ...]), _all(posture.devices, tuple[DevicePosture, ...]))
        if any(each.dropped_packets >= INTEGER_LIMIT for each in seen.values()):
            raise Malformed("a counter of the report is too large")
        head = self.head
        posture = msgspec.structs.replace(posture, devices=())
        same.difference_update(seen)
        return ReadReport(head.site, head.taken_at, head.digest, head.devices, posture, seen, frozenset(same))

    def _is_intact(self) -> bool:
        """Look at the bytes first: a newer agent's report has fields that are not known here."""
        as_sent = b"[[%b],%b]" % (b",".join(self.head.devices), bytes(self.head.posture))
        if hashlib.sha256(as_sent).hexdigest() == self.head.digest:
            return True
        report = codec.decode(self.payload, Report)
        return codec.report_digest(report.devices, report.posture) == self.head.digest


def _news(
    pairs: Iterable[tuple[msgspec.Raw, msgspec.Raw]], told: Mapping[bytes, DeviceId], same: set[DeviceId]
) -> dict[DeviceId, SeenDevice]:
    """Return what is not known yet of devices that stand beside their postures; add the others to `same`."""
    digests, devices, postures = [], [], []
    for device, posture in pairs:
        digest = inventory.told_digest(device, posture)
        known = told.get(digest)
        if known is None:
            digests.append(digest)
            devices.append(device)
            postures.append(posture)
        else:
            same.add(known)
    seen, held = _all(devices, tuple[Device, ...]), _all(postures, tuple[DevicePosture, ...])
    if all(device.id == posture.device for device, posture in zip(seen, held, strict=True)):
        return {
            device.id: SeenDevice(device, posture, digest)
            for device, posture, digest in zip(seen, held, digests, strict=True)
        }
    return _joined(seen, held)


def _joined(devices: Iterable[Device], postures: Iterable[DevicePosture]) -> dict[DeviceId, SeenDevice]:
    by_device = {posture.device: posture for posture in postures}
    return {device.id: SeenDevice(device, by_device.get(device.id)) for device in devices}


def _all(documents: Iterable[msgspec.Raw], kind: type[T]) -> T:
    """Decode many documents at once: one at a time takes longer."""
    return _part(b"[%b]" % b",".join(documents), kind)


def _part(document: msgspec.Raw | bytes, kind: type[T]) -> T:
    try:
        return codec.decode(bytes(document), kind)
    except Malformed as error:
        raise Malformed("not a valid Report") from error


Said = Hello | Will | UndecodedReport | Events | RenewCertificate | StatementMade


def parse(topic: str, payload: bytes) -> Said:
    """Return what a gateway said.

    Raises:
        Malformed: The topic or the bytes are not those of an upward message, or it is too large.
        Foreign: The message speaks for another site than its topic.
    """
    try:
        site, kind = parse_up(topic)
    except ValueError as error:
        raise Malformed("no topic that a gateway writes") from error
    said = _decode(kind, payload)
    if said.site != site:
        raise Foreign(f"a message on the topic of {site!r} speaks for {said.site[:64]!r}")
    return said


def site_of(topic: str) -> SiteId | None:
    """Return whose topic it is, or None if it is nobody's."""
    try:
        return parse_up(topic)[0]
    except ValueError:
        return None


def _decode(kind: str, payload: bytes) -> Said:
    if kind == "report":
        return UndecodedReport(codec.decode(payload, ReportHead), payload)
    said: Hello | Will | Events | RenewCertificate | StatementMade = codec.decode(payload, _KINDS[kind])
    if isinstance(said, Events):
        _check_events(said)
    if isinstance(said, Hello):
        _check_hello(said)
    return said


def _check_events(said: Events) -> None:
    sequences = [event.sequence for event in said.events]
    if not 0 < len(sequences) <= EVENTS_AT_MOST:
        raise Malformed(f"a message of {len(sequences)} events; 1 to {EVENTS_AT_MOST} are accepted")
    if sequences != sorted(set(sequences)) or sequences[0] < 0 or sequences[-1] >= INTEGER_LIMIT:
        raise Malformed("the events are not numbered upwards")


def _check_hello(said: Hello) -> None:
    numbers = (said.capability, said.estate_orders, said.site_orders, said.credentials, said.events_pending)
    if not all(0 <= number < INTEGER_LIMIT for number in (*numbers, *said.catalogue.values())):
        raise Malformed("a number of the hello is out of range")
    if said.capability >= 2**31:
        raise Malformed("the hello's capability is out of range")


_KINDS: dict[str, type[Hello | Will | Events | RenewCertificate | StatementMade]] = {
    "hello": Hello,
    "events": Events,
    "renew": RenewCertificate,
    "statement": StatementMade,
    "will": Will,
}
