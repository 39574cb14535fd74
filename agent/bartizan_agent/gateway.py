"""One gateway: what it does about what it is told and what it sees.

The parts decide and keep; this joins them. It never waits: each method runs between two turns of the event loop.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from bartizan.containment.model import DeviceDrops, ManagementPath
from bartizan.errors import BartizanError, Refused, Unavailable
from bartizan.identity.model import Device, Evidence, Observation
from bartizan.ids import BootId, DeviceId
from bartizan.trust.content import Catalogue
from bartizan.trust.credentials import Credential
from bartizan.trust.orders import OrderBook, Prove, Raise, Scan
from bartizan.wire import events
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import CatalogueBundle, Certificate, OrdersEnvelope, SealedCredentials, StatementWanted
from bartizan.wire.up import Hello, Posture, RenewCertificate, Report, SelfTest, StatementMade
from bartizan_agent import __version__, link_state, release, statement
from bartizan_agent.announcements import Announcements, unlisted_topic
from bartizan_agent.assignments import Assigned, assigned, credential_for
from bartizan_agent.attempts import Attempts
from bartizan_agent.catalogue_fetch import CatalogueFetch
from bartizan_agent.changes import Change
from bartizan_agent.channels import Told, recorded
from bartizan_agent.clock import BEHIND, BEHIND_SECONDS, GatewayClock
from bartizan_agent.containment import Containment, level_of
from bartizan_agent.deployment import forbidden
from bartizan_agent.drivers import driver_for
from bartizan_agent.drivers.contract import Channel, Failure
from bartizan_agent.evidence import NO_SWITCHES, Reporter, alike, device_postures, limits
from bartizan_agent.firewall import Firewall
from bartizan_agent.hearing.ear import Ear
from bartizan_agent.hearing.messages import Copied
from bartizan_agent.holdings import Holdings, held_by
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.knowledge import known
from bartizan_agent.link_state import LinkState
from bartizan_agent.measurement import Look, Measurement
from bartizan_agent.names import Names
from bartizan_agent.notes import Note, note
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.proving import NOT_BLOCKED, NOT_RUN, Basis, Proving
from bartizan_agent.reconcile import Link
from bartizan_agent.refusals import Refusals
from bartizan_agent.roster import Roster
from bartizan_agent.settings import Settings
from bartizan_agent.state import LastGood
from bartizan_agent.switches.attendant import SwitchAttendant

_TOLD_OTHERWISE = frozenset({"login-refused", "login-withheld", "in-use"})
"""Why a device was not read, where another event says it or nothing is wrong with it."""
OVERFLOW_SECONDS = 3600.0  # between two events of one device that tries more than is listed
STATEMENTS_AT_ONCE = 10
RENEWAL_SECONDS = 3600.0  # between two looks at the certificate, and two requests for a new one

log = logging.getLogger(__name__)


class CameraWork(Protocol):
    """Updates and reads, as `cameras.Cameras` does them."""

    async def run(self) -> None:
        """Work until cancelled."""

    def assign(self, assigned: Assigned, *, frozen_because: str) -> None:
        """Take over what is to be installed."""

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Take over whom to ask who they are."""

    def check_default_passwords(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """Take over which devices there are to try once with a default password, if the site permits it."""

    def seen_alive(self, device: DeviceId) -> None:
        """A device was seen at work."""


@dataclass(frozen=True)
class Parts:
    """What a gateway is made of. Built by hand in `app`."""

    settings: Settings
    places: Places
    connection: sqlite3.Connection
    clock: GatewayClock
    keys: IdentityKeys
    boot: BootId
    news: asyncio.Event
    """There may be something to say."""
    outbox: Outbox
    announcements: Announcements
    last_good: LastGood
    fetch: CatalogueFetch
    roster: Roster
    firewall: Firewall
    containment: Containment
    attempts: Attempts
    names: Names
    measurement: Measurement
    holdings: Holdings
    proving: Proving
    links: Callable[[], tuple[Link, ...]]
    cameras: Callable[[Told], CameraWork]
    """Makes the work on cameras, given who is told what they say."""
    switches: SwitchAttendant | None = None
    """Has managed switches set; None where none are configured."""
    is_durable: bool = True
    """Whether what is written to the store outlives this process."""
    updates_unfinished: bool = False
    """Whether an update was under way when the agent stopped."""


class Gateway:
    """The state of one running agent. Implements `link.Voice`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._refusals = Refusals(parts.outbox, parts.clock)
        wait = parts.settings.limits.report_seconds
        self._reporter = Reporter(parts.settings.site, parts.boot, longest_wait_seconds=wait)
        self._since: float | None = None
        self._links: tuple[Link, ...] = ()
        self._overflow_told: dict[DeviceId, float] = {}
        self._ear = Ear(parts.attempts, parts.names)
        self._lost_told = 0
        self._made: deque[StatementMade] = deque(maxlen=STATEMENTS_AT_ONCE)
        self._totals: tuple[DeviceDrops, ...] = ()
        self._renewal_looked_at: float | None = None
        self._sealing_key = ""
        self._frozen_because = ""
        self._clock_was_set = False
        self.cameras: CameraWork | None = None
        self.changed = asyncio.Event()
        """There may be something to enforce."""
        self.news = parts.news
        self.restless = asyncio.Event()
        """What is enforced has just changed: the counters will move."""
        self.scan_wanted = asyncio.Event()
        self.cameras_wanted = asyncio.Event()
        """`cameras` is there now."""

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
        wants, self._clock_was_set = self._clock_was_set, False
        return wants

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
        match instruction:
            case CatalogueBundle(files):
                self._accept_catalogue(files, arrived_at)
            case OrdersEnvelope(envelope):
                self._accept_orders(envelope, arrived_at)
            case SealedCredentials():
                if self._parts.last_good.accept_credentials(instruction):
                    count = len(self._parts.last_good.credentials.devices)
                    self._parts.outbox.record(note(events.CREDENTIALS_ACCEPTED, devices=count))
                    self._employ()
            case StatementWanted():
                self._made.append(self._state(instruction))
            case Certificate(pem):
                not_after = self._parts.keys.renew(pem, self._parts.settings.site)
                self._parts.outbox.record(note(events.CERTIFICATE_RENEWED, not_after=f"{not_after:.0f}"))

    def observe(self, observations: tuple[Observation, ...]) -> None:
        """Take in what was seen on the segments."""
        arrived_at, before = self._parts.clock.monotonic(), self._parts.roster.devices
        self._tell(self._parts.roster.observe(observations, self._parts.clock.now()))
        if self.cameras is not None:
            macs = {observation.mac for observation in observations}
            for device in self._parts.roster.devices:
                if not macs.isdisjoint(device.macs):
                    self.cameras.seen_alive(device.id)
        if not alike(self._parts.roster.devices, before) or self._parts.links() != self._links:
            self._stir(arrived_at)

    def learn(self, device: DeviceId, evidence: tuple[Evidence, ...]) -> None:
        """Take in what a device said of itself once it was logged in to."""
        if self._parts.roster.device(device) is not None:
            before = self._parts.roster.devices
            self._tell(self._parts.roster.learn(device, evidence))
            if self._parts.roster.devices != before:
                self._stir(self._parts.clock.monotonic())

    def tie(self, recorder: DeviceId, channels: tuple[Channel, ...]) -> None:
        """Keep which cameras a recorder records; tell it, where that is otherwise than it was told last."""
        found = recorded(channels, self._parts.roster.devices)
        before = self._parts.roster.devices
        self._parts.roster.tie(recorder, found.channels)
        if self._parts.roster.devices != before:
            self._stir(self._parts.clock.monotonic())
        cameras, strangers = " ".join(sorted(found.cameras)), " ".join(sorted(found.strangers))
        told = note(events.RECORDER_CHANNELS, recorder, cameras=cameras, strangers=strangers)
        self._parts.announcements.once(f"channels of {recorder}", f"{cameras} / {strangers}", told)

    def unread(self, device: DeviceId, failure: Failure | None) -> None:
        """Tell why a device cannot be asked who it is, once until the cause is another or it can be asked again."""
        if self._parts.roster.device(device) is None or (failure is not None and failure.code in _TOLD_OTHERWISE):
            return
        told = (
            [] if failure is None else [note(events.CAMERA_NOT_READ, device, code=failure.code, reason=failure.reason)]
        )
        self._parts.announcements.once(f"reading {device}", failure.code if failure else "", *told)

    def attend(self) -> None:
        """Look at what people left here: a release, its end, their events. Then enforce what follows."""
        parts = self._parts
        with suppress(sqlite3.OperationalError, OSError):  # a full disk: they stay in the spool
            release.take_in(parts.places, parts.connection, parts.outbox)
        self.reconcile()

    def reconcile(self) -> None:
        """Enforce, look, and employ the updater by what is known now."""
        since = self._parts.clock.monotonic() if self._since is None else self._since
        self._since = None
        self._settle()
        before = self._parts.containment.enforced.digest
        self._links = self._parts.links()
        self._parts.containment.enforce(since)
        self._want_of_switches()
        self.look()
        self._tell_of_deployment()
        self._employ()
        if self._parts.containment.enforced.digest != before:
            self.restless.set()
            self._parts.proving.changed()

    def look(self) -> None:
        """Read back what is in force, repair it, and make it a report if it is time for one."""
        parts, clock = self._parts, self._parts.clock
        began_at, monotonic = clock.now(), clock.monotonic()
        if parts.containment.look():
            parts.proving.changed()
        self._measure(Look(began_at, clock.now(), monotonic))
        self._totals = parts.firewall.totals()
        self._renew_report()

    def looked_at_switches(self) -> None:
        """Tell what was read back from managed switches."""
        parts = self._parts
        if parts.switches is None:
            return
        with suppress(sqlite3.OperationalError, OSError):  # a full disk: they stay in the spool
            release.take_in(parts.places, parts.connection, parts.outbox)
        for name in (each.name for each in parts.settings.switches):
            reason = parts.switches.enforced.failures.get(name, "")
            told = [note(events.SWITCH_FAILED, switch=name, reason=reason)] if reason else []
            parts.announcements.once(f"switch {name}", reason, *told)
        self._renew_report()

    def count(self) -> bool:
        """Read the kernel's counters as well; return whether they moved."""
        parts, before = self._parts, self._totals
        counters = parts.firewall.counters()
        moved = parts.attempts.take(counters, parts.clock.now(), parts.clock.monotonic())
        self.look()
        self._tell_of_overflow()
        self._look_at_time()
        parts.last_good.write_pending()
        parts.outbox.tell_losses()
        return moved or before != self._totals

    def hear(self, copies: Iterable[Copied]) -> None:
        """Take in copies of packets that were dropped, and of questions to this gateway's DNS."""
        self._ear.take(copies, self._parts.clock.now())
        if self._ear.lost > self._lost_told:
            log.warning("copies of packets were lost; all are counted", extra={"lost": self._ear.lost})
        self._lost_told = self._ear.lost

    def cannot_hear(self, because: str) -> None:
        """Tell, once for each cause, that no packets are copied; empty: they are."""
        told = [note(events.EVIDENCE_UNHEARD, reason=because)] if because else []
        self._parts.announcements.once("hearing", because, *told)

    async def prove(self) -> None:
        """Test the block whenever it is due, and tell what came of it, until cancelled."""
        await self._parts.proving.run(self._basis, self._tell_of_test)

    def settle(self) -> None:
        """Write down what is kept in memory for a while."""
        self._parts.attempts.write()
        self._parts.names.write()
        self._parts.measurement.write()

    def _want_of_switches(self) -> None:
        wanted = self._parts.containment.wanted
        if self._parts.switches is not None and wanted is not None:
            self._parts.switches.want(wanted)

    def _state(self, wanted: StatementWanted) -> StatementMade:
        """Look at the kernel once more, and state what is known then."""
        parts, site = self._parts, self._parts.settings.site
        device = parts.roster.device(wanted.device)
        if device is None:
            return StatementMade(site, wanted.request, refused=f"this gateway knows no device {wanted.device!r}")
        self.count()
        self.settle()
        until = wanted.until or statement.last_look(parts.connection)
        asked = statement.Asked(device, wanted.since, until)
        try:
            envelope = statement.make(parts.connection, parts.keys, site, asked, parts.clock.now())
        except (BartizanError, ValueError) as error:
            return StatementMade(site, wanted.request, refused=str(error))
        return StatementMade(site, wanted.request, envelope)

    def _accept_catalogue(self, files: dict[str, bytes], arrived_at: float) -> None:
        parts, before = self._parts, self._parts.last_good.catalogue
        try:
            is_new = parts.last_good.accept_catalogue(files, parts.clock.now())
        except Refused as refusal:
            self._refusals.record(events.CATALOGUE_REFUSED, refusal)
            return
        except Unavailable:
            parts.fetch.lacks()
            raise
        parts.fetch.settled()
        if is_new:
            versions = " ".join(f"{role}={version}" for role, version in sorted(parts.last_good.versions().items()))
            parts.outbox.record(note(events.CATALOGUE_ACCEPTED, versions=versions))
            self._tell_of_waiting()
            if _knows_otherwise(before, parts.last_good.catalogue):
                self._tell(parts.roster.judge_again())
            self._stir(arrived_at)

    def _accept_orders(self, envelope: bytes, arrived_at: float) -> None:
        parts, before = self._parts, self._parts.last_good.books
        if not parts.last_good.catalogue.director.keys:
            # A broadcast overtook the first catalogue: nobody can tell yet whether it is forged.
            raise Unavailable("orders came before the catalogue that names who may give them")
        try:
            book = parts.last_good.accept_orders(envelope, parts.clock.now())
        except Refused as refusal:
            self._refusals.record(events.ORDERS_REFUSED, refusal)
            return
        if book is None:
            return
        self._end_release_by(book)
        # What an order cuts, it cuts before anything is written about it.
        parts.containment.obey(arrived_at)
        parts.last_good.write_pending()
        scope = "estate" if book.site is None else "site"
        parts.outbox.record(note(events.ORDERS_ACCEPTED, scope=scope, generation=book.generation))
        if {order.id for order in book.orders if isinstance(order, Scan)} - _ids(before):
            self.scan_wanted.set()
        if {order.id for order in book.orders if isinstance(order, Prove)} - _ids(before):
            parts.proving.order()
        self._stir(arrived_at)

    def _settle(self) -> None:
        """Put policy in force that has waited long enough."""
        parts, before = self._parts, self._parts.last_good.catalogue
        because = parts.last_good.settle(parts.clock.now())
        if because is None:
            return
        in_force = parts.last_good.policy_in_force
        parts.outbox.record(note(events.POLICY_ACTIVATED, policy=in_force, because=because.value))
        self._tell_of_waiting()
        if _knows_otherwise(before, parts.last_good.catalogue):
            self._tell(parts.roster.judge_again())
        self.news.set()

    def _tell_of_waiting(self) -> None:
        waiting, in_force = self._parts.last_good.waiting, self._parts.last_good.policy_in_force
        if waiting is None:
            self._parts.announcements.once("policy waits", "")
            return
        until, version = f"{waiting.ends_at:.0f}", waiting.push.policy
        told = note(events.POLICY_WAITS, policy=version, in_force=in_force, until=until)
        self._parts.announcements.once("policy waits", f"{version} until {until}", told)

    def _end_release_by(self, book: OrderBook) -> None:
        standing = release.standing(self._parts.places, self._parts.clock.now())
        if standing is None:
            return
        newer = [order for order in book.orders if isinstance(order, Raise) and order.id not in standing.raises]
        if newer:
            log.warning("a release of containment is ended by an order", extra={"order": newer[0].id})
            release.end(self._parts.places)

    def _employ(self) -> None:
        """Hand the updater and the reads what they are to do; make them if there is anything."""
        parts, last_good, now = self._parts, self._parts.last_good, self._parts.clock.now()
        devices = {device.id: device for device in parts.roster.devices}
        credentials = last_good.credentials
        # Two gateways must not update one camera: a standby leaves that to the gateway it stands by for.
        books = last_good.books if last_good.serves == last_good.site else ()
        work = assigned(books, last_good.catalogue, last_good.facts, devices, credentials, now)
        for order, reason in work.impossible:
            told = note(
                events.UPDATE_REFUSED,
                order.device,
                rollout=order.rollout,
                image=order.image,
                code="image-missing",
                reason=reason,
            )
            parts.announcements.once(f"order {order.id} attempt {order.attempt}", reason, told)
        readable = [
            (device, credential)
            for device in devices.values()
            if device.addresses and not device.lost and (credential := credential_for(device, credentials))
        ]
        may_check = last_good.facts.default_password_check
        if self.cameras is None and (work.assignments or readable or parts.updates_unfinished or may_check):
            self.cameras = parts.cameras(Told(self.learn, self.tie, self.unread))
            self.cameras_wanted.set()
        self._frozen_because = self._why_frozen(now)
        if self.cameras is not None:
            self.cameras.assign(work, frozen_because=self._frozen_because)
            self.cameras.consider(readable)
            self.cameras.check_default_passwords(devices.values(), permitted=may_check)

    def _why_frozen(self, now: float) -> str:
        """Return why nothing may be flashed at present; nothing if it may."""
        if self._parts.last_good.is_expired(now):
            return "the catalogue has expired"
        if self._parts.clock.behind_seconds() > BEHIND_SECONDS:
            return BEHIND
        if not self._parts.is_durable:
            return "the gateway's disk takes no journal"
        return ""

    def _renew_report(self) -> None:
        parts = self._parts
        devices = tuple(_with_driver(device) for device in parts.roster.devices)
        if self._reporter.renew(devices, self._posture(devices), parts.clock.now()):
            self.news.set()

    def _posture(self, devices: tuple[Device, ...]) -> Posture:
        parts, last_good, containment = self._parts, self._parts.last_good, self._parts.containment
        enforced, released = containment.enforced, containment.released
        switches = parts.switches.enforced if parts.switches else NO_SWITCHES
        recorders = last_good.facts.recorders
        why = (
            limits(devices, containment.verdicts, parts.links(), recorders, enforced.bypasses, switches)
            | containment.problems
        )
        levels = {} if released else level_of(enforced)
        return Posture(
            catalogue=last_good.versions(),
            catalogue_expired=last_good.is_expired(parts.clock.now()),
            estate_orders=last_good.generation(None),
            site_orders=last_good.generation(last_good.serves),
            ruleset_digest=enforced.digest,
            devices=device_postures(devices, containment.verdicts, levels, self._totals, why, switches),
            drops=parts.attempts.latest(),
            names=parts.names.latest(),
            policies=tuple(f"{policy.id}@{policy.version}" for policy in last_good.catalogue.policies),
            policy=last_good.policy_in_force,
            policy_waits_until=last_good.waiting.ends_at if last_good.waiting else 0.0,
            self_test=parts.proving.last,
            disk_full=parts.places.is_full(),
            released=released.sentence() if released else "",
        )

    def _basis(self) -> Basis:
        containment = self._parts.containment
        released = f"containment is {containment.released.sentence()}" if containment.released else ""
        return Basis(containment.wanted, containment.enforced.digest, released)

    def _tell_of_test(self, test: SelfTest, notes: tuple[Note, ...]) -> None:
        """Tell what came of a self-test. What got out is an alarm, and loosens nothing."""
        parts = self._parts
        for each in notes:
            parts.outbox.record(each)
        if test.outcome == NOT_BLOCKED:
            log.error("the self-test got out of a camera segment", extra={"failed": "; ".join(test.failed)})
        reason = "; ".join(test.untested) if test.outcome == NOT_RUN else ""
        untested = [note(events.CONTAINMENT_UNTESTED, reason=reason)] if reason else []
        parts.announcements.once("self-test", reason, *untested)
        self._renew_report()

    def _measure(self, look: Look) -> None:
        parts, containment = self._parts, self._parts.containment
        not_enforced = ""
        if containment.released is not None:
            not_enforced = f"containment was {containment.released.sentence()}"
        elif not containment.enforced.intact:
            not_enforced = "; ".join(containment.enforced.missing) or "the packet filter could not be read"
        elif not self._take_holdings(look):
            not_enforced = "how devices were held could not be written down"
        parts.measurement.take(parts.firewall.proof(), look, not_enforced=not_enforced)

    def _take_holdings(self, look: Look) -> bool:
        parts, enforced = self._parts, self._parts.containment.enforced
        wanted = parts.containment.wanted
        if wanted is None:
            return False
        around = {link.interface: "; ".join(filter(None, (*enforced.bypasses, link.around))) for link in parts.links()}
        return parts.holdings.take(held_by(wanted, enforced.devices, around), look.began_at, look.ended_at)

    def _tell_of_overflow(self) -> None:
        now = self._parts.clock.monotonic()
        for total in self._totals:
            told_at = self._overflow_told.get(total.device)
            if total.unlisted and (told_at is None or now - told_at >= OVERFLOW_SECONDS):
                told = note(events.EVIDENCE_OVERFLOW, total.device, packets=total.unlisted)
                self._parts.announcements.once(unlisted_topic(total.device), str(total.unlisted), told)
                self._overflow_told[total.device] = now

    def _look_at_time(self) -> None:
        parts, clock = self._parts, self._parts.clock
        catalogue, expired = parts.last_good.catalogue, parts.last_good.is_expired(clock.now())
        since = f"{catalogue.expires_at:.0f}" if expired and catalogue.versions else ""
        parts.announcements.once(
            "catalogue expired", since, *([note(events.CATALOGUE_EXPIRED, since=since)] if since else [])
        )
        behind = clock.behind_seconds()
        is_behind = behind > BEHIND_SECONDS
        told = [note(events.AGENT_CLOCK, offset_seconds=f"{-behind:.0f}")] if is_behind else []
        parts.announcements.once("clock behind", "yes" if is_behind else "", *told)
        stepped = clock.stepped_seconds()
        if stepped:
            parts.outbox.record(note(events.AGENT_CLOCK, offset_seconds=f"{stepped:.0f}"))
            self._clock_was_set = True
            self._stir(clock.monotonic())
        with suppress(OSError):  # a full disk: the floor stays where it was
            clock.keep(no_later_than=catalogue.expires_at)
        if self._why_frozen(clock.now()) != self._frozen_because:
            self._stir(clock.monotonic())

    def _tell(self, changes: Iterable[Change]) -> None:
        notes = [note(change.kind, change.device, **change.detail) for change in changes]
        if notes:
            self._parts.outbox.record(*notes)

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


def _with_driver(device: Device) -> Device:
    driver = driver_for(device.identity)
    return device if driver is None or device.driver == driver.name else replace(device, driver=driver.name)


def _knows_otherwise(before: Catalogue, after: Catalogue) -> bool:
    return known(before) != known(after)


def _ids(books: Iterable[OrderBook]) -> frozenset[str]:
    return frozenset(order.id for book in books for order in book.orders)
