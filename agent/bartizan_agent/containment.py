"""Containment as it goes on: what is wanted is made to be in force, looked at, repaired, and told.

Whoever finds that something may have changed calls `enforce`; it computes the whole ruleset and sets it. What is
told is what `look` reads back from the kernel. A failure here leaves the kernel as it is.
"""

import logging
import math
from collections.abc import Iterable

from bartizan.containment.level import Level
from bartizan.containment.model import ManagementPath, Ruleset
from bartizan.containment.render import digest
from bartizan.errors import BartizanError, Malformed, Unavailable
from bartizan.ids import Address, DeviceId
from bartizan.policy.model import Verdict
from bartizan.wire import codec, events
from bartizan_agent import release
from bartizan_agent.announcements import Announcements
from bartizan_agent.clock import Clock
from bartizan_agent.confirmation import Confirmation, describe
from bartizan_agent.durable import replace_file
from bartizan_agent.firewall import Enforced, Firewall, FirewallRefused
from bartizan_agent.notes import note
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.reconcile import (
    Link,
    Rulesets,
    Verdicts,
    held_up,
    mended,
    next_change_at,
    with_devices_of,
    with_site_of,
)
from bartizan_agent.release import Release
from bartizan_agent.roster import Roster
from bartizan_agent.segments import Links
from bartizan_agent.state import LastGood

RETRY_SECONDS = 10.0  # after the kernel refused
NOTHING_ENFORCED = Enforced(False, "", ())
NOTHING_WANTED = Ruleset((), (), ())

log = logging.getLogger(__name__)


class Containment:
    """One gateway's containment."""

    def __init__(  # noqa: PLR0913 - built once, by the composition root, all by keyword
        self,
        *,
        firewall: Firewall,
        last_good: LastGood,
        roster: Roster,
        links: Links,
        places: Places,
        outbox: Outbox,
        announcements: Announcements,
        clock: Clock,
        confirmation: Confirmation,
        lost_devices: bool = False,
    ) -> None:
        """Take up containment.

        Args:
            firewall: The packet filter.
            last_good: What was accepted.
            roster: What is on the segments.
            links: Gives the segments as this gateway is connected to them now.
            places: Of the state folder.
            outbox: Takes events.
            announcements: Tells what changed.
            clock: What time it is.
            confirmation: Whether the controller answered since the last change.
            lost_devices: The inventory was lost: devices held before stay held, whether found again or not.
        """
        self._firewall = firewall
        self._last_good = last_good
        self._roster = roster
        self._links = links
        self._places = places
        self._outbox = outbox
        self._announcements = announcements
        self._clock = clock
        self._confirmation = confirmation
        self._lost_devices = lost_devices
        self._judge = Verdicts()
        self._rulesets = Rulesets()
        self._possible: Ruleset | None = None
        self._retry_at = math.inf
        self._kept = _read_ruleset(places)
        self._seen_links: tuple[Link, ...] = ()
        self._seen_routers: tuple[Address, ...] = ()
        self._wanted: Ruleset | None = None
        self._told: Ruleset | None = None
        self._took_milliseconds = 0.0
        self._put_right: tuple[str, ...] = ()
        """What somebody else had changed, and an enforcement that was due anyway put right."""
        self.verdicts: dict[DeviceId, Verdict] = {}
        self.problems: dict[DeviceId, str] = {}
        """Why single devices are not held in full."""
        self.enforced = NOTHING_ENFORCED
        """As last read from the kernel."""
        self.released: Release | None = None

    def enforce(self, since: float) -> None:
        """Make what is wanted now be in force; `since` is the monotonic time at which that became known.

        Nothing is written to disk here but by the firewall itself, after the kernel has it; `look` tells of it.
        """
        self._seen_links, self._seen_routers = self._links(), self._links.routers()
        self.obey(since)

    def obey(self, since: float) -> None:
        """Do as `enforce` does, on the segments as that last found them: for what must not wait for a look at them."""
        self._retry_at = math.inf
        wanted = self._compute(self._seen_links)
        was_released = self.released is not None
        with release.changing(self._places):
            self.released = release.standing(self._places, self._clock.now())
            if self.released is None:
                amended = self._confirmation.amended(wanted, self._firewall.spared)
                self._apply(amended, since, was_released=was_released)

    def answered(self, path: ManagementPath, asked_at: float) -> bool:
        """Take note that the controller's broker answered to something asked at this monotonic time.

        Returns:
            Whether something else is to be enforced now.
        """
        confirmation = self._confirmation
        otherwise = confirmation.answered(path, asked_at, self._firewall.spared)
        if confirmation.is_needed:
            because = "; ".join(confirmation.suspects)
            told = note(events.CONTAINMENT_AMENDED, path=describe(path), because=because)
            self._announcements.once("management path", because, told)
        elif not confirmation.state.let_through:
            self._announcements.once("management path", "")
        return otherwise

    def look(self) -> bool:
        """Read back what is in force, repair what somebody else changed, and tell what changed.

        Returns:
            Whether somebody else had changed it.
        """
        self._confirmation.keep()
        self._tell_applied()
        put_right, self._put_right = self._put_right, ()
        if put_right:
            self._tell_of_drift("; ".join(put_right), repaired=True)
        try:
            self.enforced = self._firewall.read()
        except FirewallRefused as error:
            self.enforced = NOTHING_ENFORCED
            self._failed(error)
            return bool(put_right)
        drifted = not self.enforced.intact and self._wanted is not None and self.released is None
        if drifted and self._wanted is not None:
            self._repair(self._wanted)
        because = {device: verdict.explanation for device, verdict in self.verdicts.items()}
        self._announcements.levels({} if self.released else level_of(self.enforced), because)
        around = "; ".join(dict.fromkeys((*self.enforced.bypasses, *_around(self._links()))))
        self._announcements.once(
            "bypasses", around, *([note(events.CONTAINMENT_FAILED, reason=around)] if around else [])
        )
        return drifted or bool(put_right)

    @property
    def wanted(self) -> Ruleset | None:
        """What every enforcer is to hold now: nothing while it is released; None before anything is known."""
        return NOTHING_WANTED if self.released is not None else self._wanted

    def next_look_at(self) -> float:
        """Return the Unix time at which something changes by itself; infinity if nothing does."""
        last_good, now = self._last_good, self._clock.now()
        by_itself = next_change_at(last_good.catalogue, last_good.books, now)
        ends = self.released.ends_at if self.released else now + self._confirmation.due_in()
        waits_until = last_good.waiting.ends_at if last_good.waiting else math.inf
        return min(self._retry_at, ends, waits_until, math.inf if by_itself is None else by_itself)

    def _compute(self, links: tuple[Link, ...]) -> Ruleset:
        last_good, devices = self._last_good, self._roster.devices
        self.verdicts = self._judge.judge(
            last_good.catalogue, last_good.facts, last_good.books, devices, self._clock.now()
        )
        wanted = self._rulesets.compose(last_good.facts, devices, self.verdicts, links, self._seen_routers)
        if self._kept is not None:
            wanted = self._not_below(wanted, self._kept)
        wanted, self.problems = mended(wanted, accepted=self._possible)
        self._possible = wanted
        return wanted

    def _not_below(self, wanted: Ruleset, before: Ruleset) -> Ruleset:
        """Make up for what was lost of the state by what was enforced before."""
        if self._last_good.lacks_catalogue:
            wanted = with_site_of(before, wanted)
        if self._last_good.lacks_words:
            wanted = held_up(wanted, before)
        return with_devices_of(before, wanted) if self._lost_devices else wanted

    def _apply(self, wanted: Ruleset, since: float, *, was_released: bool) -> None:
        try:
            found = self._firewall.apply(wanted)
        except (FirewallRefused, Malformed) as error:
            self._failed(error)
            return
        if not was_released:
            self._put_right += found
        self._took_milliseconds = (self._clock.monotonic() - since) * 1000
        self._wanted = wanted
        self._confirmation.enforced(wanted)

    def _tell_applied(self) -> None:
        wanted = self._wanted
        if self.released is not None:
            self._announcements.once("ruleset", "")
        elif wanted is not None and wanted != self._told:
            mark, devices, took = digest(wanted), len(wanted.devices), f"{self._took_milliseconds:.1f}"
            applied = note(events.CONTAINMENT_APPLIED, ruleset=mark, devices=devices, milliseconds=took)
            if self._announcements.once("ruleset", mark, applied):
                self._told = wanted
            self._announcements.once("containment failed", "")
            if wanted != self._kept:
                self._keep(wanted)

    def _failed(self, error: BartizanError) -> None:
        reason = str(error)
        log.error("the ruleset is not in force; the one before it stands", exc_info=error)
        self._announcements.once("containment failed", reason, note(events.CONTAINMENT_FAILED, reason=reason))
        self._retry_at = self._clock.now() + RETRY_SECONDS

    def _repair(self, wanted: Ruleset) -> None:
        found = "; ".join(self.enforced.missing)
        with release.changing(self._places):
            self.released = release.standing(self._places, self._clock.now())
            if self.released is not None:
                return
            try:
                self._firewall.apply(wanted)
                self.enforced = self._firewall.read()
            except (FirewallRefused, Malformed) as error:
                self._failed(error)
        self._tell_of_drift(found, repaired=self.enforced.intact)

    def _tell_of_drift(self, found: str, *, repaired: bool) -> None:
        answer = "yes" if repaired else "no"
        log.warning("somebody changed the packet filter", extra={"found": found, "repaired": answer})
        self._outbox.record(note(events.CONTAINMENT_DRIFT, found=found, repaired=answer))

    def _keep(self, wanted: Ruleset) -> None:
        try:
            replace_file(self._places.ruleset, codec.encode(wanted))
        except Unavailable:
            log.warning("the ruleset could not be kept as the floor for a damaged state")
        self._kept = wanted


def level_of(enforced: Enforced) -> dict[DeviceId, Level]:
    """Return the level at which the kernel holds each device."""
    return {device.id: device.level for device in enforced.devices}


def _around(links: Iterable[Link]) -> Iterable[str]:
    return (link.around for link in links if link.around)


def _read_ruleset(places: Places) -> Ruleset | None:
    try:
        return codec.decode(places.ruleset.read_bytes(), Ruleset)
    except (OSError, Malformed):
        return None
