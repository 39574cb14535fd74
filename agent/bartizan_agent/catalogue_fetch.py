"""The catalogue by HTTPS, where MQTT does not bring it: too large for the broker, lost, or no broker there.

What arrives is judged as a bundle from the broker is. The server is asked at an uneven moment, so that a whole estate
does not come at once, and again more and more seldom for as long as it does not help.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import BartizanError, Refused, Unavailable
from bartizan.wire.down import CatalogueBundle
from bartizan_agent.clock import Clock
from bartizan_agent.state import LastGood

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)


class Patience(msgspec.Struct, frozen=True):
    """How long to wait before asking. Each wait is of uneven length: from a half of this to all of it."""

    lacking_seconds: float = 30.0
    """For the broker to bring what is known to be missing."""
    away_seconds: float = 600.0
    """For the link to come back."""
    longest_seconds: float = 3600.0
    """Between two attempts, each of which waits twice as long as the one before."""


PATIENCE = Patience()


class CatalogueFetch:
    """Watches whether the catalogue comes by MQTT, and fetches it if not. `run` it in the composition root."""

    def __init__(
        self,
        base_url: str,
        tls: "Callable[[], ssl.SSLContext]",
        last_good: LastGood,
        *,
        clock: Clock,
        chance: random.Random,
        patience: Patience = PATIENCE,
    ) -> None:
        """Take note of where it could be fetched.

        Args:
            base_url: Of the controller's gateway port, or of a mirror.
            tls: Makes a context for a connection, with the certificate of that moment.
            last_good: What is held.
            clock: What time it is.
            chance: Spreads the gateways of an estate.
            patience: How long to wait.
        """
        self._base_url = base_url
        self._tls = tls
        self._last_good = last_good
        self._clock = clock
        self._chance = chance
        self._patience = patience
        self._changed = asyncio.Event()
        self._due_at: float | None = None
        self._wait = 0.0
        self._failed_because = ""
        self._is_lacking = self._is_away = False
        if not last_good.versions():
            self.lacks()

    @property
    def due_at(self) -> float | None:
        """When the server is asked next, monotonic seconds; None while the broker brings what there is."""
        return self._due_at

    def lacks(self) -> None:
        """Something newer was announced, or nothing is held, and not all of it came."""
        if not self._is_lacking:
            self._is_lacking = True
            self._expect(self._patience.lacking_seconds)

    def settled(self) -> None:
        """What came was accepted."""
        self._is_lacking = False
        self._failed_because = ""
        self._reconsider()

    def linked(self, *, connected: bool) -> None:
        """The broker can be reached, or no longer can."""
        was_away, self._is_away = self._is_away, not connected
        if connected:
            self._reconsider()
        elif not was_away:
            self._expect(self._patience.away_seconds)

    async def run(self, accept: Callable[[CatalogueBundle, float], None]) -> None:
        """Fetch whenever it is time, until cancelled; `accept` takes what came as if a broker had brought it."""
        while True:
            await self._until_due()
            self._wait = min(2 * self._wait, self._patience.longest_seconds)
            self._due_at = self._clock.monotonic() + self._uneven(self._wait)
            try:
                came = await self._newer()
                if came:
                    accept(CatalogueBundle(came), self._clock.monotonic())
            except BartizanError as error:
                if str(error) != self._failed_because:
                    log.warning(
                        "the catalogue is not to be had by HTTPS either", exc_info=True, extra={"reason": str(error)}
                    )
                self._failed_because = str(error)

    async def _until_due(self) -> None:
        while self._due_at is None or self._clock.monotonic() < self._due_at:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if self._due_at is None else self._due_at - self._clock.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _newer(self) -> dict[str, bytes]:
        """Return the files of a newer catalogue, or of one that is to be refused; nothing if what is held is newest."""
        # Late: until it is needed, it is not worth its memory.
        from bartizan_agent.server_files import ServerFiles

        rehearsal, now = self._last_good.rehearsal(), self._clock.now()
        try:
            tls = self._tls()
        except OSError as error:
            raise Unavailable(f"this gateway's certificate cannot be used: {error}") from error
        with closing(ServerFiles(self._base_url, tls, self._clock.monotonic)) as files:
            try:
                # In a thread, because verification asks for one file after the other. Leaving ends it at once.
                newest = await asyncio.to_thread(rehearsal.update, files, now)
            except Refused:
                return files.came
        return files.came if dict(newest.versions) != self._last_good.versions() else {}

    def _expect(self, seconds: float) -> None:
        """Ask after so long, if it is not to be asked sooner anyway."""
        due_at = self._clock.monotonic() + self._uneven(seconds)
        if self._due_at is None or due_at < self._due_at:
            self._wait = seconds
            self._due_at = due_at
            self._changed.set()

    def _reconsider(self) -> None:
        if not (self._is_lacking or self._is_away):
            self._due_at = None
            self._changed.set()

    def _uneven(self, seconds: float) -> float:
        return seconds * self._chance.uniform(0.5, 1.0)
