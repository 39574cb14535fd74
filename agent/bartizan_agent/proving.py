"""The self-test that a gateway makes by itself: when it is due, and what came of it. It never changes what is enforced.

It is due by schedule, some quiet time after what is enforced has changed, and when the controller orders it. However
many changes come at once, one test follows them. What it tries, and how, `bartizan_agent.probe` knows.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bartizan.containment.model import Ruleset
from bartizan.errors import BartizanError, Malformed, Unavailable
from bartizan.wire import codec, events
from bartizan.wire.up import SelfTest
from bartizan_agent.clock import Clock
from bartizan_agent.durable import replace_file
from bartizan_agent.notes import Note, note
from bartizan_agent.places import Places
from bartizan_agent.self_test import Outcome, SegmentResult
from bartizan_agent.settings import Settings

SCHEDULE, CHANGE, ORDER, HAND = "schedule", "change", "order", "hand"
BLOCKED, NOT_BLOCKED, NOT_RUN = "blocked", "not-blocked", "not-run"
STORM = 10
"""Quiet times after which a test is made although changes still come."""
JITTER = 0.1
LONGEST_SLEEP_SECONDS = 3600.0

Try = Callable[[str, Ruleset], SegmentResult]
"""Tries one segment under a ruleset; blocks for seconds, so it is called in a thread.

Raises:
    BartizanError: It cannot; the text says why.
"""

log = logging.getLogger(__name__)


class Basis(NamedTuple):
    """What a test is held against."""

    ruleset: Ruleset | None
    digest: str
    not_because: str = ""
    """Why nothing is to be tested now; empty: it is."""


class Proving:
    """The self-test of one gateway.

    Args:
        settings: Which segments, and how often.
        places: Where the last result is kept.
        clock: What time it is.
        attempt: Makes the attempt.
        chance: Spreads the schedules of ten thousand gateways.
    """

    def __init__(
        self, settings: Settings, places: Places, clock: Clock, attempt: Try | None, chance: random.Random
    ) -> None:
        self._settings = settings
        self._file = places.self_test
        self._clock = clock
        self._attempt = attempt
        self._chance = chance
        self._wanted = asyncio.Event()
        self._ordered = False
        self.last = read(places)

    @property
    def is_possible(self) -> bool:
        """Whether there is anything that makes the attempt."""
        return self._attempt is not None

    def changed(self) -> None:
        """Take note that something else is enforced than before."""
        if self._settings.containment.self_test_seconds:
            self._wanted.set()

    def order(self) -> None:
        """Take note that somebody wants to know now."""
        self._ordered = True
        self._wanted.set()

    async def run(self, basis: Callable[[], Basis], tell: Callable[[SelfTest, tuple[Note, ...]], None]) -> None:
        """Test whenever it is due, until cancelled.

        Args:
            basis: Gives what is enforced now.
            tell: Takes what came of it.
        """
        if self._attempt is None:
            await asyncio.Event().wait()
        while True:
            why = await self._due()
            tell(*await self._test(basis(), why))

    async def _due(self) -> str:
        """Wait until a test is due; return why."""
        every = self._settings.containment.self_test_seconds
        due_at = self._clock.monotonic() + self._scheduled_in(every)
        while not await self._happens(due_at - self._clock.monotonic() if every else LONGEST_SLEEP_SECONDS):
            if every and self._clock.monotonic() >= due_at:
                return SCHEDULE
        quiet = self._settings.containment.self_test_after_seconds
        at_latest = self._clock.monotonic() + STORM * quiet
        while not self._ordered:
            self._wanted.clear()
            if not await self._happens(quiet) or self._clock.monotonic() >= at_latest:
                break
        return ORDER if self._ordered else CHANGE

    def _scheduled_in(self, every: float) -> float:
        """Return the seconds until the next test by schedule. One that is overdue is made soon, not at once."""
        since = self._clock.now() - self.last.at if self.last else every
        left = max(0.0, min(every - since, every))
        return left + every * self._chance.uniform(0.0, JITTER)

    async def _happens(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, min(seconds, LONGEST_SLEEP_SECONDS))):
                return await self._wanted.wait()
        except TimeoutError:
            return False

    async def _test(self, basis: Basis, why: str) -> tuple[SelfTest, tuple[Note, ...]]:
        self._wanted.clear()
        self._ordered = False
        results, refused = list[SegmentResult](), dict[str, str]()
        for segment in self._settings.segments:
            ruleset = basis.ruleset
            if ruleset is None or basis.not_because or self._attempt is None:
                refused[segment.interface] = basis.not_because or "nothing is enforced that could be tested"
                continue
            try:
                results.append(await asyncio.to_thread(self._attempt, segment.interface, ruleset))
            except (BartizanError, OSError) as error:
                refused[segment.interface] = str(error)
        self.last = summary(results, refused, ruleset=basis.digest, why=why, at=self._clock.now())
        self._keep(self.last)
        return self.last, tuple(told(result, ruleset=basis.digest, why=why) for result in results if _is_tried(result))

    def _keep(self, result: SelfTest) -> None:
        try:
            replace_file(self._file, codec.encode(result))
        except Unavailable:
            log.warning("what came of the self-test could not be kept")


def summary(results: list[SegmentResult], refused: Mapping[str, str], *, ruleset: str, why: str, at: float) -> SelfTest:
    """Return what came of a test of all segments, and of those that could not be tried, with the reason."""
    proven, failed, untested = list[str](), list[str](), [f"{name}: {reason}" for name, reason in refused.items()]
    for result in results:
        for family, found in (("IPv4", result.ipv4), ("IPv6", result.ipv6)):
            where = f"{result.interface} at {result.level or 'an unknown level'}: {family}"
            if found.outcome is Outcome.BLOCKED:
                proven.append(where)
            elif found.left:
                failed.append(f"{where}: {found.reason}, from {found.source} to {found.destination}")
            else:
                untested.append(f"{where}: {found.reason}")
    outcome = NOT_BLOCKED if failed else BLOCKED if proven else NOT_RUN
    return SelfTest(at, outcome, ruleset, why, tuple(proven), tuple(failed), tuple(untested))


def told(result: SegmentResult, *, ruleset: str, why: str) -> Note:
    """Return the event about one segment, held by the ruleset of this digest: an alarm where anything got out."""
    leaks = result.ipv4.left or result.ipv6.left
    return note(
        events.CONTAINMENT_LEAKS if leaks else events.CONTAINMENT_TESTED,
        interface=result.interface,
        level=result.level,
        mac=result.mac,
        ipv4=result.ipv4.outcome.value,
        ipv4_reason=result.ipv4.reason,
        ipv6=result.ipv6.outcome.value,
        ipv6_reason=result.ipv6.reason,
        ruleset=ruleset,
        why=why,
    )


def read(places: Places) -> SelfTest | None:
    """Return what came of the last test, or None where none was made, or that cannot be read."""
    try:
        return codec.decode(places.self_test.read_bytes(), SelfTest)
    except (OSError, Malformed):
        return None


def _is_tried(result: SegmentResult) -> bool:
    return any(found.left or found.outcome is Outcome.BLOCKED for found in (result.ipv4, result.ipv6))
