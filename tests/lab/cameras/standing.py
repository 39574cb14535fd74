"""Standing up emulated devices on loopback addresses of their own, with short times."""

import asyncio
import contextlib
import itertools
import os
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from bartizan_lab.cameras import Camera, Setting, Timings, make
from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.registry import PASSWORD
from bartizan_lab.network import HostNetwork

QUICK = Timings(
    reboot_seconds=0.1,
    shutdown_seconds=0.02,
    flash_seconds=0.1,
    settle_seconds=0.0,
    slow_seconds=0.4,
    phone_home_seconds=0.02,
    minute_seconds=0.1,
)
_numbers = itertools.count(1)
_TLS = ssl.create_default_context()
"""One for all clients: making one takes longer than most tests."""


def loopback_address() -> str:
    """Return an address that no other test of this machine is likely to use."""
    return f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 250}.{next(_numbers) % 250 + 1}"


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Standing:
    """A device that is up."""

    camera: Camera
    network: HostNetwork

    @property
    def url(self) -> str:
        return f"http://{self.network.address}"

    @property
    def user(self) -> str:
        return next(iter(self.camera.state.users))

    def client(self, password: str = PASSWORD) -> httpx.AsyncClient:
        """Return a client that logs in with digest."""
        login = httpx.DigestAuth(self.user, password)
        return httpx.AsyncClient(base_url=self.url, auth=login, timeout=5, trust_env=False, verify=_TLS)

    def stranger(self) -> httpx.AsyncClient:
        """Return a client without a login."""
        return httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False, verify=_TLS)

    async def ask(self, octets: bytes, port: int) -> bytes:
        """Send one datagram to the device and return its answer."""
        loop = asyncio.get_running_loop()
        with self.network.udp_client() as sock:
            async with asyncio.timeout(5):
                await loop.sock_sendto(sock, octets, (self.network.address, port))
                return await loop.sock_recv(sock, 65535)

    async def booted(self, times: int) -> None:
        """Return when it is up for that many times."""
        await until(lambda: self.camera.state.boots >= times and self.camera.is_up)


@contextlib.asynccontextmanager
async def standing(kind: str, setting: Setting | None = None, **facts: Any) -> AsyncIterator[Standing]:
    """Run a device of that kind for the block."""
    camera = make(kind, setting=setting or Setting(QUICK), **facts)
    network = HostNetwork(loopback_address())
    async with camera.serve(network):
        yield Standing(camera, network)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return when the condition holds.

    Raises:
        TimeoutError: It does not within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def datagram(octets: bytes) -> Datagram:
    """Return a datagram from some client."""
    return Datagram(octets, ("192.0.2.9", 40000))
