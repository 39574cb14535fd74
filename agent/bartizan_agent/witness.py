"""What a gateway can bear witness to: packets counted and copied, names asked for, and since when it has looked."""

import logging
from collections.abc import Iterable

from bartizan.containment.model import DeviceDrops
from bartizan.errors import BartizanError
from bartizan.ids import DeviceId
from bartizan.wire import events
from bartizan.wire.down import StatementWanted
from bartizan.wire.up import StatementMade
from bartizan_agent import statement
from bartizan_agent.announcements import unlisted_topic
from bartizan_agent.hearing.ear import Ear
from bartizan_agent.hearing.messages import Copied
from bartizan_agent.holdings import held_by
from bartizan_agent.measurement import Look
from bartizan_agent.notes import note
from bartizan_agent.parts import Parts

OVERFLOW_SECONDS = 3600.0  # between two events of one device that tries more than is listed

log = logging.getLogger(__name__)


class Witness:
    """Gathers evidence, and states it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ear = Ear(parts.attempts, parts.names)
        self._lost_told = 0
        self._overflow_told: dict[DeviceId, float] = {}
        self.totals: tuple[DeviceDrops, ...] = ()
        """Packets dropped on either side of each device, as last looked at."""

    def count(self) -> bool:
        """Read the counters by destination; return whether they moved."""
        clock = self._parts.clock
        return self._parts.attempts.take(self._parts.firewall.counters(), clock.now(), clock.monotonic())

    def measure(self, look: Look) -> None:
        """Note, of a look that was just taken, how devices are held and whether they were throughout."""
        parts, containment = self._parts, self._parts.containment
        not_enforced = ""
        if containment.released is not None:
            not_enforced = f"containment was {containment.released.sentence()}"
        elif not containment.enforced.intact:
            not_enforced = "; ".join(containment.enforced.missing) or "the packet filter could not be read"
        elif not self._take_holdings(look):
            not_enforced = "how devices were held could not be written down"
        parts.measurement.take(parts.firewall.proof(), look, not_enforced=not_enforced)
        self.totals = parts.firewall.totals()

    def tell_of_overflow(self) -> None:
        """Tell of devices that try more than is listed, once an hour each."""
        now = self._parts.clock.monotonic()
        for total in self.totals:
            told_at = self._overflow_told.get(total.device)
            if total.unlisted and (told_at is None or now - told_at >= OVERFLOW_SECONDS):
                told = note(events.EVIDENCE_OVERFLOW, total.device, packets=total.unlisted)
                self._parts.announcements.once(unlisted_topic(total.device), str(total.unlisted), told)
                self._overflow_told[total.device] = now

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

    def write(self) -> None:
        """Write down what is kept in memory for a while."""
        self._parts.attempts.write()
        self._parts.names.write()
        self._parts.measurement.write()

    def state(self, wanted: StatementWanted) -> StatementMade:
        """State what is known of a device by the last look, signed by this gateway; or why it cannot be."""
        parts, site = self._parts, self._parts.settings.site
        device = parts.roster.device(wanted.device)
        if device is None:
            return StatementMade(site, wanted.request, refused=f"this gateway knows no device {wanted.device!r}")
        self.write()
        until = wanted.until or statement.last_look(parts.connection)
        asked = statement.Asked(device, wanted.since, until)
        try:
            envelope = statement.make(parts.connection, parts.keys, site, asked, parts.clock.now())
        except (BartizanError, ValueError) as error:
            return StatementMade(site, wanted.request, refused=str(error))
        return StatementMade(site, wanted.request, envelope)

    def _take_holdings(self, look: Look) -> bool:
        parts, enforced = self._parts, self._parts.containment.enforced
        wanted = parts.containment.wanted
        if wanted is None:
            return False
        around = {link.interface: "; ".join(filter(None, (*enforced.bypasses, link.around))) for link in parts.links()}
        return parts.holdings.take(held_by(wanted, enforced.devices, around), look.began_at, look.ended_at)
