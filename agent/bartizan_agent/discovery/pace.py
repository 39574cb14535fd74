"""Politeness: how fast, how many at once, and how long a scan may trouble a network."""

import asyncio
from collections import deque

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """The bounds of one scan. Defaults suit a gateway on a switched network of cameras."""

    packets_per_second: float = 2000.0
    """Connections begun and addresses nudged, together: about 1 Mbit/s."""
    concurrent_devices: int = 256
    """Looked at together. Each device has one connection at a time."""
    listen_seconds: float = 1.0
    """How long answers to the last request are waited for: WS-Discovery and SSDP let devices wait up to a second."""
    quiet_seconds: float = 0.3
    """While answers come, listening goes on until there was none for so long ..."""
    listen_seconds_at_most: float = 4.0
    """... or until this."""
    connect_seconds: float = 0.5
    read_seconds: float = 1.0
    """For one answer, headers and body."""
    device_seconds: float = 4.0
    """For everything asked of one device."""
    total_seconds: float = 30.0
    addresses: int = 4096
    """In all networks together."""
    unresolved: int = 512
    """Addresses nudged at a time: the kernel's neighbour table holds 1,024 by default, and the gateway needs it."""
    unresolved_seconds: float = 3.0
    """How long the kernel asks for an address that nobody has."""


class Pace:
    """Spreads actions evenly in time, with a small burst allowed.

    What finds devices goes ahead of what looks at those that were found: answers to the former take their time, and the
    latter is done in it.
    """

    BURST_SECONDS = 0.02
    SHORTEST_SLEEP_SECONDS = 0.002  # a few actions at a time: a wake-up for each would cost more than they do

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._free_at = 0.0
        self._ahead: deque[asyncio.Future[None]] = deque()
        self._behind: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, *, ahead: bool = False) -> None:
        """Return when the next action may be taken; `ahead` of all that wait without it."""
        loop = asyncio.get_running_loop()
        if self._timer is None and self._is_free(loop.time()):
            self._take()
            return
        granted = loop.create_future()
        (self._ahead if ahead else self._behind).append(granted)
        self._wait(loop)
        await granted

    def _is_free(self, now: float) -> bool:
        self._free_at = max(self._free_at, now - self.BURST_SECONDS)
        return self._free_at <= now

    def _take(self) -> None:
        self._free_at += self._interval

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            seconds = max(self._free_at - loop.time(), self.SHORTEST_SLEEP_SECONDS)
            self._timer = loop.call_later(seconds, self._grant, loop)

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while (waiting := self._ahead or self._behind) and self._is_free(now):
            granted = waiting.popleft()
            if not granted.done():  # cancelled meanwhile: its turn is somebody else's
                granted.set_result(None)
                self._take()
        if self._ahead or self._behind:
            self._wait(loop)
