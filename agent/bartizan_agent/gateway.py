"""One gateway: what it does about what it is told and what it sees.

The parts decide and keep; this joins them. It never waits: each method runs between two turns of the event loop.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from bartizan.containment.model import ManagementPath
from bartizan.errors import BartizanError
from bartizan.identity.model import Observation
from bartizan.trust.orders import Prove, Scan
from bartizan.wire import events
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import CatalogueBundle, Certificate, OrdersEnvelope, SealedCredentials, StatementWanted
from bartizan.wire.up import Hello, RenewCertificate, Report, SelfTest, StatementMade
from bartizan_agent import __version__, changes, link_state, release
from bartizan_agent.camera_side import CameraSide
from bartizan_agent.deployment import forbidden
from bartizan_agent.evidence import Reporter, alike
from bartizan_agent.instructions import Instructions
from bartizan_agent.link_state import LinkState
from bartizan_agent.measurement import Look
from bartizan_agent.notes import Note, note
from bartizan_agent.parts import Parts
from bartizan_agent.posture import posture_of, with_driver
from bartizan_agent.proving import NOT_BLOCKED, NOT_RUN, Basis
from bartizan_agent.reconcile import Link
from bartizan_agent.time_watch import TimeWatch
from bartizan_agent.witness import Witness

STATEMENTS_AT_ONCE = 10
RENEWAL_SECONDS = 3600.0  # between two looks at the certificate, and two requests for a new one

log = logging.getLogger(__name__)


class Gateway:
    """The state of one running agent. Implements `link.Voice`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        wait = parts.settings.limits.report_seconds
        self._reporter = Reporter(parts.settings.site, parts.boot, longest_wait_seconds=wait)
        self._instructions = Instructions(parts)
        self._time = TimeWatch(parts)
        self._since: float | None = None
        self._links: tuple[Link, ...] = ()
        self._made: deque[StatementMade] = deque(maxlen=STATEMENTS_AT_ONCE)
        self._renewal_looked_at: float | None = None
        self._sealing_key = ""
        self.cameras = CameraSide(parts, self._stir)
        self.witness = Witness(parts)
        self.changed = asyncio.Event()
        """There may be something to enforce."""
        self.news = parts.news
        self.restless = asyncio.Event()
        """What is enforced has just changed: the counters will move."""
        self.scan_wanted = asyncio.Event()

    def start(self, damage: Iterable[tuple[str, str]]) -> None:
        """Enforce the last good state, then tell of the start and of what was found damaged (file, reason)."""
        parts = self._parts
        parts.containment.enforce(parts.clock.monotonic())
        self._want_of_switches()
        parts.outbox.record(note(events.AGENT_STARTED, version=__version__, boot=parts.boot))
        for file, reason in (*damage, *parts.last_good.damaged.items()):
            parts.outbox.record(note(events.STORE_DAMAGED, file=file, reason=reason))
        with suppress(BartizanError):
            self._sealing_key = parts.keys.sealing_key()
        self.attend()

    def hello(self) -> Hello:
        """Return what this gateway holds."""
        parts, last_good = self._parts, self._parts.last_good
        return Hello(
            site=parts.settings.site,
            boot=parts.boot,
            capability=CAPABILITY,
            agent_version=__version__,
            catalogue=last_good.versions(),
            estate_orders=last_good.generation(None),
            site_orders=last_good.generation(last_good.serves),
            credentials=last_good.credentials.generation,
            report_digest=self._reporter.present.digest if self._reporter.present else "",
            events_pending=parts.outbox.pending(),
            sealing_key=self._sealing_key,
            clock=parts.clock.now(),
        )

    def report(self) -> Report | None:
        """Return the present report."""
        return self._reporter.present

    def renewal(self) -> RenewCertificate | None:
        """Return the request for a new certificate if it is time to ask, once an hour."""
        parts, now = self._parts, self._parts.clock.monotonic()
        if self._renewal_looked_at is not None and now - self._renewal_looked_at < RENEWAL_SECONDS:
            return None
        self._renewal_looked_at = now
        if not parts.keys.is_renewal_due(parts.clock.now()):
            return None
        return RenewCertificate(parts.settings.site, parts.keys.csr(parts.settings.site))

    def statements(self) -> tuple[StatementMade, ...]:
        """Return, once, the statements that were asked for."""
        made = tuple(self._made)
        self._made.clear()
        return made

    def wants_all_again(self) -> bool:
        """Return, once, whether the clock was set: what it made look expired may not be."""
        return self._time.was_set()

    def linked(self, *, connected: bool, tls: str = "") -> None:
        """Leave word for `bartizan-agent status`."""
        link_state.write(self._parts.places.link, LinkState(connected, self._parts.clock.now(), tls))
        self._parts.fetch.linked(connected=connected)

    def answered(self, path: ManagementPath, asked_at: float) -> None:
        """Take note that the way to the controller works under what is enforced."""
        if self._parts.containment.answered(path, asked_at):
            self._stir(self._parts.clock.monotonic())

    def accept(
        self,
        instruction: CatalogueBundle | OrdersEnvelope | SealedCredentials | Certificate | StatementWanted,
        arrived_at: float,
    ) -> None:
        """Verify, keep and carry out what arrived at this monotonic time; see `link.Voice.accept`."""
        parts = self._parts
        match instruction:
            case CatalogueBundle(files):
                if self._instructions.catalogue(files):
                    self._stir(arrived_at)
            case OrdersEnvelope(envelope):
                self._accept_orders(envelope, arrived_at)
            case SealedCredentials():
                if parts.last_good.accept_credentials(instruction):
                    count = len(parts.last_good.credentials.devices)
                    parts.outbox.record(note(events.CREDENTIALS_ACCEPTED, devices=count))
                    self.cameras.employ()
            case StatementWanted():
                self.count()
                self._made.append(self.witness.state(instruction))
            case Certificate(pem):
                not_after = parts.keys.renew(pem, parts.settings.site)
                parts.outbox.record(note(events.CERTIFICATE_RENEWED, not_after=f"{not_after:.0f}"))

    def observe(self, observations: tuple[Observation, ...]) -> None:
        """Take in what was seen on the segments."""
        roster, arrived_at = self._parts.roster, self._parts.clock.monotonic()
        before = roster.devices
        self._parts.outbox.record(*changes.notes(roster.observe(observations, self._parts.clock.now())))
        self.cameras.seen(observations)
        if not alike(roster.devices, before) or self._parts.links() != self._links:
            self._stir(arrived_at)

    def interfaces_changed(self) -> None:
        """Take note that an interface of this machine came, went or is called otherwise."""
        self._parts.links.look_again()
        if self._parts.links() != self._links:
            self._stir(self._parts.clock.monotonic())

    def attend(self) -> None:
        """Look at what people left here: a release, its end, their events. Then enforce what follows."""
        self._take_in_spool()
        self.reconcile()

    def reconcile(self) -> None:
        """Enforce, look, and employ the updater by what is known now."""
        parts = self._parts
        since = parts.clock.monotonic() if self._since is None else self._since
        self._since = None
        if self._instructions.settle():
            self.news.set()
        before = parts.containment.enforced.digest
        self._links = parts.links()
        parts.containment.enforce(since)
        self._want_of_switches()
        self.look()
        self._tell_of_interfaces()
        self._tell_of_deployment()
        self.cameras.employ()
        if parts.containment.enforced.digest != before:
            self.restless.set()
            parts.proving.changed()

    def look(self) -> None:
        """Read back what is in force, repair it, and make it a report if it is time for one."""
        parts, clock = self._parts, self._parts.clock
        began_at, monotonic = clock.now(), clock.monotonic()
        if parts.containment.look():
            parts.proving.changed()
        self.witness.measure(Look(began_at, clock.now(), monotonic))
        self._renew_report()

    def looked_at_switches(self) -> None:
        """Tell what was read back from managed switches."""
        parts = self._parts
        if parts.switches is None:
            return
        self._take_in_spool()
        for name in (each.name for each in parts.settings.switches):
            reason = parts.switches.enforced.failures.get(name, "")
            told = [note(events.SWITCH_FAILED, switch=name, reason=reason)] if reason else []
            parts.announcements.once(f"switch {name}", reason, *told)
        self._renew_report()

    def count(self) -> bool:
        """Read the kernel's counters as well; return whether they moved."""
        parts, before = self._parts, self.witness.totals
        moved = self.witness.count()
        self.look()
        self.witness.tell_of_overflow()
        if self._time.look() or self.cameras.has_thawed_or_frozen():
            self._stir(parts.clock.monotonic())
        parts.last_good.write_pending()
        parts.outbox.tell_losses()
        return moved or before != self.witness.totals

    async def prove(self) -> None:
        """Test the block whenever it is due, and tell what came of it, until cancelled."""
        await self._parts.proving.run(self._basis, self._tell_of_test)

    def _accept_orders(self, envelope: bytes, arrived_at: float) -> None:
        errands = self._instructions.orders(envelope, arrived_at)
        if errands is None:
            return
        if Scan in errands:
            self.scan_wanted.set()
        if Prove in errands:
            self._parts.proving.order()
        self._stir(arrived_at)

    def _take_in_spool(self) -> None:
        parts = self._parts
        with suppress(sqlite3.OperationalError, OSError):  # a full disk: they stay in the spool
            release.take_in(parts.places, parts.connection, parts.outbox)

    def _want_of_switches(self) -> None:
        wanted = self._parts.containment.wanted
        if self._parts.switches is not None and wanted is not None:
            self._parts.switches.want(wanted)

    def _renew_report(self) -> None:
        parts = self._parts
        devices = tuple(with_driver(device) for device in parts.roster.devices)
        if self._reporter.renew(devices, posture_of(parts, devices, self.witness.totals), parts.clock.now()):
            self.news.set()

    def _basis(self) -> Basis:
        containment = self._parts.containment
        released = f"containment is {containment.released.sentence()}" if containment.released else ""
        return Basis(containment.wanted, containment.enforced.digest, released)

    def _tell_of_test(self, test: SelfTest, notes: tuple[Note, ...]) -> None:
        """Tell what came of a self-test. What got out is an alarm, and loosens nothing."""
        parts = self._parts
        parts.outbox.record(*notes)
        if test.outcome == NOT_BLOCKED:
            log.error("the self-test got out of a camera segment", extra={"failed": "; ".join(test.failed)})
        reason = "; ".join(test.untested) if test.outcome == NOT_RUN else ""
        untested = [note(events.CONTAINMENT_UNTESTED, reason=reason)] if reason else []
        parts.announcements.once("self-test", reason, *untested)
        self._renew_report()

    def _tell_of_interfaces(self) -> None:
        called_now = {link.instead_of: link.interface for link in self._links if link.instead_of}
        for link in self._links:
            name = link.interface
            if link.missing:
                told, text = note(events.SEGMENT_MISSING, interface=name, now=called_now.get(name, "")), "missing"
            else:
                told, text = note(events.SEGMENT_RETURNED, interface=name), ""
            self._parts.announcements.once(f"interface {name}", f"{text} {called_now.get(name, '')}".strip(), told)

        own = " ".join(dict.fromkeys(address for link in self._links for address in link.own))
        self._parts.announcements.once("own addresses", own, note(events.GATEWAY_ADDRESSES, addresses=own))

    def _tell_of_deployment(self) -> None:
        parts, last_good = self._parts, self._parts.last_good
        if not last_good.is_site_declared:  # that a site is held as if sensitive does not say that it is
            return
        told = forbidden(last_good.facts, last_good.catalogue.makers, parts.roster.devices)
        for device in parts.roster.devices:
            event = told.get(device.id)
            maker, notes = (device.identity.maker, [event]) if event else ("", [])
            parts.announcements.once(f"deployment of {device.id}", maker, *notes)

    def _stir(self, since: float) -> None:
        self._since = since if self._since is None else self._since
        self.changed.set()
        self.news.set()
