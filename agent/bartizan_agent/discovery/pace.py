"""Politeness: how fast, how many at once, and how long a scan may trouble a network."""

import asyncio

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
    """Spreads actions evenly in time, with a small burst allowed."""

    BURST_SECONDS = 0.02

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Return when the next action may be taken."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self.BURST_SECONDS) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)
