"""The camera segments as this gateway is connected to them now."""

import logging
from collections.abc import Iterable

from bartizan.ids import Network
from bartizan_agent.clock import Clock
from bartizan_agent.discovery.interfaces import interfaces
from bartizan_agent.reconcile import Link
from bartizan_agent.settings import SegmentSettings

GOOD_FOR_SECONDS = 10.0

log = logging.getLogger(__name__)


class Links:
    """Gives each configured segment with its networks: the configured ones, or else those of its interface."""

    def __init__(self, segments: Iterable[SegmentSettings], clock: Clock) -> None:
        self._segments = tuple(segments)
        self._clock = clock
        self._links: tuple[Link, ...] = ()
        self._read_at = float("-inf")

    def __call__(self) -> tuple[Link, ...]:
        """Return the segments, as of a few seconds ago at most."""
        now = self._clock.monotonic()
        if now - self._read_at >= GOOD_FOR_SECONDS:
            self._read_at, self._links = now, self._read()
        return self._links

    def _read(self) -> tuple[Link, ...]:
        present: dict[str, tuple[Network, ...]] = {}
        if not all(segment.networks for segment in self._segments):
            try:
                present = {one.name: tuple(Network(str(network)) for network in one.networks) for one in interfaces()}
            except OSError:
                log.warning("the kernel does not tell its interfaces", exc_info=True)
        return tuple(
            Link(segment.interface, segment.networks or present.get(segment.interface, ()), segment.ports_isolated)
            for segment in self._segments
        )
