"""From a topic and bytes to a message of the site that wrote it, or to the reason for a refusal. Pure.

The broker lets a gateway write under its own name only. It is checked here again, because a broker is software and
somebody configures it.
"""

import hashlib

import msgspec

from bartizan.errors import Malformed
from bartizan.ids import BootId, SiteId
from bartizan.wire import codec
from bartizan.wire.topics import parse_up
from bartizan.wire.up import Events, Hello, RenewCertificate, Report, StatementMade, Will
from bartizan_controller.errors import Foreign

EVENTS_AT_MOST = 1_000  # of one message; gateways send 100
INTEGER_LIMIT = 2**63  # what a database holds


class ReportHead(msgspec.Struct, frozen=True, tag="report"):
    """The beginning of a report, enough to see whether it is known already. The rest is decoded when it is not."""

    site: SiteId
    boot: BootId
    taken_at: float
    digest: str
    devices: msgspec.Raw
    posture: msgspec.Raw


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

    def decode(self) -> Report:
        """Return the whole report.

        Raises:
            Malformed: It is none, its digest is not that of its content, or a number does not fit.
        """
        report = codec.decode(self.payload, Report)
        if not self._is_intact(report):
            raise Malformed("the report's digest is not that of its devices and posture")
        if any(held.dropped_packets >= INTEGER_LIMIT for held in report.posture.devices):
            raise Malformed("a counter of the report is too large")
        return report

    def _is_intact(self, report: Report) -> bool:
        """Look at the bytes first: a newer agent's report has fields that are not in `report`."""
        as_sent = b"[%b,%b]" % (bytes(self.head.devices), bytes(self.head.posture))
        if hashlib.sha256(as_sent).hexdigest() == report.digest:
            return True
        return codec.report_digest(report.devices, report.posture) == report.digest


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
