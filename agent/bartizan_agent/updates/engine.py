"""The updater: which cameras are updated now, and each one's update carried from step to step, whatever happens.

One task per camera being updated. A step is written down before it begins and after it ends, so an agent that dies
takes up where it was; an update whose camera may hold part of an image is always carried to an end, whether its order
still stands or not.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.wire import events
from bartizan_agent.clock import Clock
from bartizan_agent.drivers.contract import Act, Driver, recognised
from bartizan_agent.images import ImageCache
from bartizan_agent.updates import machine, proof
from bartizan_agent.updates.backups import Backups
from bartizan_agent.updates.journal import Entry, Journal
from bartizan_agent.updates.model import (
    DOWN,
    Assignment,
    Done,
    End,
    Ending,
    Held,
    Interrupted,
    Limits,
    Outcome,
    Phase,
    Plan,
    Trouble,
    Update,
)
from bartizan_agent.updates.places import Places
from bartizan_agent.updates.steps import OpenSession, Steps

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 86400.0  # but for the window: a failed fetch waits for minutes, a lock-out for an hour
NEVER_AGAIN = frozenset(
    {
        "image-refused",
        "write-failed",
        "unexpected-version",
        "stream-lost",
        "stream-changed",
        "picture-lost",
        "picture-changed",
        "not-restarted",
    }
)
"""Failures that the same image would meet on the same camera again."""

Emit = Callable[[str, DeviceId, dict[str, str]], None]


class Settings(msgspec.Struct, frozen=True):
    """What is configured of updates on one gateway."""

    backups: Path
    """Where configurations of cameras are kept."""
    at_once: int = 2
    """Cameras of the site that may be down at the same time."""
    limits: Limits = machine.LIMITS


class Updater:
    """All updates of one site.

    Args:
        connection: The agent's store, with `journal.SCHEMA` made.
        drivers: Those that may be used.
        open_session: Opens a session with a camera.
        images: The site's images.
        clock: What time it is.
        emit: Told kind, device and detail of what happens; writes into the same store, so that journal and events
            agree.
        settings: What is configured.
        hold: Says at the last moment why nothing may be begun; nothing if it may.
    """

    def __init__(  # noqa: PLR0913 - built once, by the composition root, the rest by keyword
        self,
        connection: sqlite3.Connection,
        drivers: tuple[Driver, ...],
        open_session: OpenSession,
        images: ImageCache,
        *,
        clock: Clock,
        emit: Emit,
        settings: Settings,
        hold: Callable[[], str] = lambda: "",
    ) -> None:
        self._journal = Journal(connection)
        self._drivers = {driver.name: driver for driver in drivers}
        self._images = images
        self._steps = Steps(open_session, images, Backups(settings.backups))
        self._clock = clock
        self._emit = emit
        self._limits = settings.limits
        self._places = Places(settings.at_once)
        self._assigned: dict[DeviceId, Assignment] = {}
        self._frozen = ""
        self._hold = hold
        self._running: dict[DeviceId, asyncio.Event] = {}
        """The event wakes the device's task."""
        self._first_assignment = asyncio.Event()
        self._changed = asyncio.Event()
        self._recover_places()

    @property
    def updating(self) -> tuple[DeviceId, ...]:
        """The devices whose updates have not ended."""
        return tuple(sorted(entry.update.device.id for entry in self._journal.unfinished()))

    def assign(self, assignments: tuple[Assignment, ...]) -> None:
        """Take over the whole set of assignments. Repeating it changes nothing.

        What is no longer in it is withdrawn where the camera is still untouched.
        """
        self._assigned = {assignment.device.id: assignment for assignment in assignments}
        self._images.pin(frozenset(assignment.image.id for assignment in assignments))
        for assignment in assignments:
            self._take_up(assignment)
        self._first_assignment.set()
        self._wake()

    def freeze(self, reason: str) -> None:
        """Begin no more writing: the catalogue has expired, or cannot be trusted. What is under way is finished."""
        self._frozen = reason

    def thaw(self) -> None:
        """The catalogue is good again."""
        self._frozen = ""
        self._wake()

    def seen_alive(self, device: DeviceId) -> None:
        """A camera that had to be visited was seen at work: those that cover the same may be updated again."""
        self._places.found(device)
        self._wake()

    async def run(self) -> None:
        """Carry out updates until cancelled, beginning with the first assignment."""
        await self._first_assignment.wait()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                for entry in self._journal.unfinished():
                    device = entry.update.device.id
                    if device not in self._running:
                        self._running[device] = asyncio.Event()
                        tasks.create_task(self._supervise(entry), name=f"update {device}")
                await self._changed.wait()

    def _recover_places(self) -> None:
        """Take the places of cameras that were down when the agent stopped, before any other begins."""
        for entry in self._journal.unfinished():
            if entry.update.phase in DOWN:
                self._places.keep(entry.update.device.id, entry.update.tags)
        for update in self._journal.awaiting_visit():
            self._places.lose(update.device.id, update.tags)

    def _take_up(self, assignment: Assignment) -> None:
        """Write a new assignment into the journal, unless its device is busy with another one."""
        install, device = assignment.install, assignment.device
        if self._journal.known((device.id, install.id, install.attempt)) or self._journal.is_open(device.id):
            return
        now = self._clock.now()
        planned = _plan(device, tuple(self._drivers.values()))
        begun = machine.begin(assignment, planned or Plan("", "", 0.0, 0.0), now)
        update = self._refused(begun, assignment, planned)
        self._journal.add(update, now, lambda: self._tell(update, None))

    def _refused(self, update: Update, assignment: Assignment, planned: Plan | None) -> Update:
        """Return the update, ended if it must not even begin."""
        known = self._journal.last_failure(assignment.device.id, assignment.image.id)
        if assignment.image.recalled:
            return machine.refuse(update, "recalled", f"{assignment.image.file_name} was recalled")
        if planned is None:
            return machine.refuse(update, "no-driver", "nothing here knows how this model takes an image")
        if known in NEVER_AGAIN:
            return machine.refuse(update, "known-failure", f"this image failed on this camera before: {known}")
        return update

    async def _supervise(self, entry: Entry) -> None:
        """Carry one camera's update to its end. A fault of ours in it must not stop the others."""
        device = entry.update.device.id
        present: Entry | None = entry
        try:
            while present is not None:
                try:
                    await self._carry_out(present)
                except Exception:  # one of the supervising loops
                    log.exception("an update stumbled; it is taken up again", extra={"device": device})
                    await asyncio.sleep(self._limits.fault_pause)
                present = self._left_of(device)
        finally:
            del self._running[device]
        if device in self._assigned:
            self._take_up(self._assigned[device])
        self._wake()

    def _left_of(self, device: DeviceId) -> Entry | None:
        """Return the device's unfinished update, if there is one."""
        return next((entry for entry in self._journal.unfinished() if entry.update.device.id == device), None)

    async def _carry_out(self, entry: Entry) -> None:
        update, interrupted = entry.update, entry.interrupted
        while update.ending is None:
            overruled = self._overruled(update)
            if overruled is not None:
                self._close(overruled, update, None)
                return
            outcome = Interrupted() if interrupted else await self._perform(update)
            interrupted = False
            if outcome is None:
                continue
            changed, _ = machine.advance(update, outcome, self._clock.now(), self._limits)
            self._close(changed, update, outcome)
            update = changed
        await self._finish(update)

    async def _perform(self, update: Update) -> Outcome | None:
        """Wait until the step is due, and take it. None: something changed while waiting; look again."""
        woken = self._running[update.device.id]
        await _pause(woken, _wait(update, self._clock.now()))
        was_woken = woken.is_set()
        woken.clear()
        if was_woken and update.phase is not Phase.WINDOW:
            return None
        if update.phase is Phase.WINDOW:
            return self._window(update)
        frozen = self._frozen or self._hold()
        if frozen and update.phase in {Phase.PREFLIGHT, Phase.BACK_UP, Phase.WRITE}:
            return Held(self._clock.now() + self._limits.look_again_seconds, frozen)
        self._journal.open_step(update)
        return await self._take_step(update)

    async def _take_step(self, update: Update) -> Outcome:
        driver = self._drivers.get(update.plan.driver)
        if driver is None:
            return Trouble(Act.LATER, "no-driver", f"the driver {update.plan.driver!r} is not there")
        assigned = self._assigned.get(update.device.id)
        credential = assigned.credential if assigned is not None else None
        # The address may have changed since the order was taken up.
        device = assigned.device if assigned is not None and assigned.device.addresses else update.device
        present = msgspec.structs.replace(update, device=device)
        try:
            async with asyncio.timeout(_seconds(update, self._limits)):
                return await self._steps.perform(present, driver, credential, self._clock.now())
        except TimeoutError:
            if update.phase is Phase.WRITE:
                return Interrupted()
            return Trouble(Act.LATER, "timed-out", f"{update.phase.value} took too long and was broken off")

    def _window(self, update: Update) -> Outcome:
        """Return whether the camera may go down now. Taking its place is part of that."""
        now, install = self._clock.now(), update.install
        look_again = now + self._limits.look_again_seconds
        if now < install.not_before:
            return Held(install.not_before, "its window has not begun")
        if install.not_after is not None and now + update.plan.worst_case_seconds > install.not_after:
            needed = update.plan.worst_case_seconds / 60
            return Trouble(Act.NEVER, "window-over", f"its window no longer holds the {needed:.0f} minutes it may take")
        frozen = self._frozen or self._hold()
        if frozen:
            return Held(look_again, frozen)
        taken = self._places.take(update.device.id, update.tags)
        return Held(look_again, taken) if taken else Done()

    def _overruled(self, update: Update) -> Update | None:
        """Return the update as ended, if its order was taken back or its image recalled and the camera is untouched."""
        if not machine.may_be_withdrawn(update):
            return None
        assigned = self._assigned.get(update.device.id)
        if assigned is None or (assigned.install.id, assigned.install.attempt) != update.key[1:]:
            return machine.withdraw(update, "the order was taken back")
        if assigned.image.recalled:
            return machine.refuse(update, "recalled", f"{assigned.image.file_name} was recalled")
        return None

    def _close(self, update: Update, was: Update, outcome: Outcome | None) -> None:
        held_as_before = isinstance(outcome, Held) and (update.phase, update.note) == (was.phase, was.note)
        if not held_as_before:
            self._journal.close_step(update, was, outcome, self._clock.now(), lambda: self._tell(update, was))
        if was.phase is Phase.PREFLIGHT and update.phase is Phase.BACK_UP:
            self._places.found(update.device.id)
        if update.ending is not None and update.ending.end is End.FAILED_NEEDS_VISIT:
            self._places.lose(update.device.id, update.tags)
        elif update.ending is not None or update.phase in {Phase.FETCH, Phase.VERIFY, Phase.WINDOW}:
            self._places.give_back(update.device.id)
        else:
            return
        if update.phase is not was.phase or update.ending is not None:
            self._wake()

    async def _finish(self, update: Update) -> None:
        driver = self._drivers.get(update.plan.driver)
        assigned = self._assigned.get(update.device.id)
        if driver is None or not update.writes or not update.device.addresses:
            return
        async with asyncio.timeout(self._limits.step_seconds):
            await self._steps.clean_up(update, driver, assigned.credential if assigned is not None else None)

    def _wake(self) -> None:
        self._changed.set()
        for event in self._running.values():
            event.set()

    def _tell(self, update: Update, was: Update | None) -> None:
        detail = {"rollout": str(update.install.rollout), "image": str(update.image.id), "state": update.phase.value}
        if update.ending is not None:
            kind, more = _ended(update, update.ending)
            self._emit(kind, update.device.id, detail | more)
        elif was is None or _is_news(update, was):
            self._emit(events.UPDATE_STEP, update.device.id, detail | {"note": update.note})


def _plan(device: Device, drivers: tuple[Driver, ...]) -> Plan | None:
    """Return what the device's family says of its updates; None where no driver, or no family, is known for it."""
    driver = recognised(drivers, device.identity)
    family = driver.family(device.identity.model, device.identity.platform) if driver is not None else None
    if driver is None or family is None:
        return None
    return Plan(
        driver=driver.name,
        family=family.name,
        upload_seconds=family.upload_seconds,
        worst_case_seconds=family.worst_case_seconds,
        rolls_back=family.rolls_back,
        rolls_back_by_itself_seconds=family.rolls_back_by_itself_seconds,
    )


def _is_news(update: Update, was: Update) -> bool:
    """Return whether people want to hear of it: a new phase, or why one does not go on; not every percent."""
    if update.phase is not was.phase:
        return True
    held = update.phase is Phase.WINDOW and update.note != was.note
    return held or (update.phase not in DOWN and bool(update.note) and not was.note)


def _seconds(update: Update, limits: Limits) -> float:
    match update.phase:
        case Phase.FETCH:
            return limits.fetch_seconds
        case Phase.WRITE:
            return limits.step_seconds + update.plan.upload_seconds
    return limits.step_seconds


def _ended(update: Update, ending: Ending) -> tuple[str, dict[str, str]]:
    match ending.end:
        case End.SUCCEEDED | End.ALREADY_INSTALLED:
            return events.UPDATE_SUCCEEDED, {"code": ending.code} | _proof(update)
        case End.REFUSED:
            return events.UPDATE_REFUSED, {"code": ending.code, "reason": ending.reason}
    told = {"end": ending.end.value, "code": ending.code, "reason": ending.reason}
    return events.UPDATE_FAILED, told | ({"visit": ending.visit} if ending.visit else {}) | _proof(update)


def _proof(update: Update) -> dict[str, str]:
    """Return what was read of the camera before and after, for whoever has to believe it."""
    before, after = update.before, update.after or update.before
    if before is None or after is None:
        return {}
    return {
        "before": before.firmware,
        "after": after.firmware,
        "serial": after.serial,
        "boot_before": proof.started(before),
        "boot_after": proof.started(after),
        "picture": proof.size(after),
        "codec": after.stream.codec if after.stream is not None else "",
    }


def _wait(update: Update, now: float) -> float:
    """Return how many seconds it is until the next step; none where a clock that was set back since says years."""
    seconds = update.due - now
    return 0.0 if seconds > LONGEST_PAUSE_SECONDS and update.phase is not Phase.WINDOW else seconds


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set or the seconds are over; let others go first in any case."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
