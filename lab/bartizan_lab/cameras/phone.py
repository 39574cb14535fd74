"""Phoning home: a device calls its maker's cloud on a timer, and counts how often it got through."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bartizan_lab.cameras.state import CloudAddress
from bartizan_lab.network import Network

_LONGEST_CALL_SECONDS = 1.0


@dataclass
class Calls:
    """How often the device tried to reach its maker, and how often it was answered."""

    tcp_attempts: int = 0
    tcp_successes: int = 0
    """Connections that opened."""
    udp_attempts: int = 0
    udp_successes: int = 0
    """Datagrams that got an answer."""


@dataclass(frozen=True)
class PhoneHome:
    """Calls every address of `cloud` each `period_seconds`, by TCP and by UDP."""

    cloud: tuple[CloudAddress, ...]
    period_seconds: float
    message: bytes
    """What it tells its maker."""
    calls: Calls = field(default_factory=Calls)

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Call until `tasks` ends."""
        for address in self.cloud:
            tasks.create_task(self._keep_calling(network, address))
        yield

    async def _keep_calling(self, network: Network, cloud: CloudAddress) -> None:
        while True:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._call_by_tcp(network, cloud))
                both.create_task(self._call_by_udp(network, cloud))
            await asyncio.sleep(self.period_seconds)

    async def _call_by_tcp(self, network: Network, cloud: CloudAddress) -> None:
        loop = asyncio.get_running_loop()
        self.calls.tcp_attempts += 1
        with network.tcp_client(family=_family(cloud)) as sock, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LONGEST_CALL_SECONDS):
                await loop.sock_connect(sock, (cloud.address, cloud.port))
                self.calls.tcp_successes += 1
                await loop.sock_sendall(sock, self.message)

    async def _call_by_udp(self, network: Network, cloud: CloudAddress) -> None:
        loop = asyncio.get_running_loop()
        self.calls.udp_attempts += 1
        with network.udp_client(family=_family(cloud)) as sock, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LONGEST_CALL_SECONDS):
                await loop.sock_sendto(sock, self.message, (cloud.address, cloud.port))
                await loop.sock_recvfrom(sock, 2048)
                self.calls.udp_successes += 1


def _family(cloud: CloudAddress) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in cloud.address else socket.AF_INET
