"""Commits what gateways said: many messages, one transaction, and the answers that follow from it."""

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

import msgspec
from sqlalchemy import Connection

from bartizan.errors import Refused
from bartizan.ids import SiteId
from bartizan.policy.preview import Seen
from bartizan.wire.down import Certificate, Down, EventsAck, OrdersEnvelope, ReportAck, SealedCredentials
from bartizan.wire.up import Event, Events, Hello, RenewCertificate, StatementMade, Will
from bartizan_controller.errors import Foreign
from bartizan_controller.link.parse import ReadReport, Said, UndecodedReport
from bartizan_controller.link.sync import HeldBook, Holdings, missing
from bartizan_controller.store import attempts, books, credentials, events, gateways, organisations, reported, standbys
from bartizan_controller.store.books import StoredBook
from bartizan_controller.store.events import RecordedEvent
from bartizan_controller.store.gateways import Gateway
from bartizan_controller.wiring import Catalogue

SEEN_SECONDS = 30.0  # how exact `last_seen` is; a finer one would write a row for every message

Renew = Callable[[Connection, RenewCertificate], Certificate]
"""Signs a new certificate for the gateway's present key, or raises `Refused`."""


class Answer(msgspec.Struct, frozen=True):
    """Something to be said to one gateway."""

    site: SiteId
    message: Down


class Outcome(msgspec.Struct, frozen=True):
    """What became of one message: its answers, or why it was refused."""

    answers: tuple[Answer, ...] = ()
    refused: Refused | None = None
    made: StatementMade | None = None
    """A statement that somebody waits for; it is not kept."""


def commit(
    connection: Connection,
    said: Sequence[Said],
    *,
    catalogue: Catalogue,
    renew: Renew,
    now: float,
) -> list[Outcome]:
    """Apply messages in their order; return the outcome of each. Applying one twice changes nothing."""
    intake = _Intake(connection, said, catalogue, renew, now)
    outcomes = [intake.take(each) for each in said]
    intake.save()
    lacking = intake.answer_hellos()
    return [
        msgspec.structs.replace(outcome, answers=(*outcome.answers, *lacking.pop(each.site, ())))
        if isinstance(each, Hello)
        else outcome
        for each, outcome in zip(said, outcomes, strict=True)
    ]


class _Intake:
    """One transaction's worth of messages."""

    def __init__(
        self, connection: Connection, said: Iterable[Said], catalogue: Catalogue, renew: Renew, now: float
    ) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._renew = renew
        self._now = now
        self._known = gateways.load(connection, {each.site for each in said})
        self._changed: dict[SiteId, Gateway] = {}
        self._events: list[RecordedEvent] = []
        self._hellos: dict[SiteId, Hello] = {}
        self._reports: dict[SiteId, ReadReport] = {}
        self._told = reported.told(connection, {each.site for each in said if self._is_news(each)})
        """What was told before, of the sites that reports tell something new of."""

    def take(self, said: Said) -> Outcome:
        """Apply one message."""
        if said.site not in self._known:
            return Outcome(refused=Foreign(f"no gateway of site {said.site!r} is enrolled"))
        self._seen(said.site)
        if isinstance(said, StatementMade):
            return Outcome(made=said)
        try:
            answers = self._apply(said)
        except Refused as refused:
            return Outcome(refused=refused)
        return Outcome(tuple(Answer(said.site, message) for message in answers))

    def save(self) -> None:
        """Write what is written for all messages together."""
        self._save_reports()
        events.add(self._connection, self._events)
        gateways.save_link_states(self._connection, tuple(self._changed.values()))

    def answer_hellos(self) -> dict[SiteId, tuple[Answer, ...]]:
        """Return what each gateway that said hello lacks."""
        if not self._hellos:
            return {}
        catalogue = self._catalogue
        scopes = {scope for site in self._hellos for scope in (site, catalogue.serves(site))}
        held_books = books.load(self._connection, scopes)
        held_credentials = credentials.load(self._connection, self._hellos)
        last_events = events.last_sequences(
            self._connection, {site: hello.boot for site, hello in self._hellos.items()}
        )
        estate = held_books.get(None)
        answers: dict[SiteId, tuple[Answer, ...]] = {}
        for site, hello in self._hellos.items():
            serves = catalogue.serves(site)
            own, sealed = held_books.get(serves), held_credentials.get(site)
            holdings = Holdings(
                catalogue=catalogue.versions,
                bundle=catalogue.bundle_since(hello.catalogue),
                estate_orders=_held(estate),
                site_orders=_held(own),
                credentials=SealedCredentials(sealed.generation, sealed.sealed) if sealed else None,
                report_digest=self._known[site].report_digest,
                events_through=last_events.get(site, 0),
            )
            by_name = held_books.get(site) if serves != site else None
            # No hello says how old a standby's book by its own name is; one that is held already changes nothing.
            besides = (OrdersEnvelope(by_name.envelope),) if by_name is not None else ()
            *first, last = missing(hello, holdings)
            answers[site] = tuple(Answer(site, message) for message in (*first, *besides, last))
        return answers

    def _apply(self, said: Hello | Will | UndecodedReport | Events | RenewCertificate) -> tuple[Down, ...]:
        match said:
            case Hello():
                return self._hear_hello(said)
            case Will():
                return self._hear_will(said)
            case UndecodedReport():
                return self._hear_report(said)
            case Events():
                self._events += [self._recorded(said, event) for event in said.events]
                return (EventsAck(said.boot, said.events[-1].sequence),)
            case RenewCertificate():
                return (self._renew(self._connection, said),)
            case _:
                assert_never(said)

    def _hear_hello(self, hello: Hello) -> tuple[Down, ...]:
        self._hellos[hello.site] = hello
        known = self._known[hello.site]
        self._change(
            msgspec.structs.replace(
                known,
                connected=True,
                last_seen=self._now,
                boot=hello.boot,
                capability=hello.capability,
                agent_version=hello.agent_version,
                clock_offset=hello.clock - self._now if hello.clock else 0.0,
                events_pending=hello.events_pending,
                credentials=hello.credentials,
            )
        )
        # Enrolment alone says which key credentials are sealed to: whoever has the broker can say hello for anybody.
        if hello.sealing_key not in {"", known.sealing_key}:
            raise Foreign("a hello names another key for credentials than was enrolled: enrol this gateway again")
        return ()

    def _hear_will(self, will: Will) -> tuple[Down, ...]:
        known = self._known[will.site]
        # The will of an earlier start may come after the hello of a later one.
        if will.boot == known.boot:
            self._change(msgspec.structs.replace(known, connected=False))
        return ()

    def _hear_report(self, undecoded: UndecodedReport) -> tuple[Down, ...]:
        known = self._known[undecoded.site]
        site, digest, taken_at = undecoded.site, undecoded.head.digest, undecoded.head.taken_at
        if self._is_news(undecoded):
            if site in self._reports:
                # History has both, one after the other.
                self._save_reports()
            if site not in self._told:
                self._told |= reported.told(self._connection, [site])
            told = {} if self._is_standby(site) else self._told.get(site, {})
            self._reports[site] = undecoded.read({digest: device for device, digest in told.items()})
            self._known[site] = msgspec.structs.replace(
                known, report_digest=digest, taken_at=taken_at, reported_at=self._now
            )
        return (ReportAck(digest),)

    def _is_news(self, said: Said) -> bool:
        """Return whether it is a report of another state than is known."""
        if not isinstance(said, UndecodedReport):
            return False
        known = self._known.get(said.site)
        return known is not None and known.report_digest != said.head.digest

    def _save_reports(self) -> None:
        """Write one report of each of some sites. What is held of them is read for all at once."""
        connection, now = self._connection, self._now
        owners = organisations.of_sites(connection, self._reports)
        running = attempts.running(connection, self._reports)
        for site, report in self._reports.items():
            if self._is_standby(site):
                # Its cameras are those of the site it stands by for, and are counted there; here they are judged.
                standbys.keep(connection, site, (Seen(each.device, each.posture) for each in report.seen.values()))
                if told := self._told.pop(site, {}):  # from when it was the gateway of a site of its own
                    reported.replace(connection, site, owners[site], {}, known=told, now=now)
                continue
            told = self._told.pop(site, {})
            reported.replace(connection, site, owners[site], report.seen, same=report.same, known=told, now=now)
            drops, known = report.posture.drops, running.get(site, {})
            if drops or known:
                attempts.take(connection, site, report.owners(), drops, known=known, now=now)
        gateways.save_reports(connection, self._reports.values(), now=now)
        self._reports = {}

    def _is_standby(self, site: SiteId) -> bool:
        return self._catalogue.serves(site) != site

    def _recorded(self, said: Events, event: Event) -> RecordedEvent:
        return RecordedEvent(
            site=said.site,
            at=event.at,
            received_at=self._now,
            kind=event.kind,
            detail=event.detail,
            device=event.device,
            boot=said.boot,
            sequence=event.sequence,
        )

    def _seen(self, site: SiteId) -> None:
        known = self._known[site]
        if not known.connected or known.last_seen is None or self._now - known.last_seen > SEEN_SECONDS:
            self._change(msgspec.structs.replace(known, connected=True, last_seen=self._now))

    def _change(self, gateway: Gateway) -> None:
        self._known[gateway.site] = self._changed[gateway.site] = gateway


def _held(book: StoredBook | None) -> HeldBook | None:
    return HeldBook(book.generation, book.envelope) if book else None
