"""A camera segment of a few namespaces: a gateway, a switch, and devices of the lab with MACs of their own."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from bartizan.ids import Mac
from bartizan_lab.netns import Namespace, bridge, until_up, veth
from bartizan_lab.network import HostNetwork

T = TypeVar("T")
LIMIT_SECONDS = 20.0


class CameraSegment:
    """`cam0` of the gateway, 10.9.0.1/24, leads to a switch; devices are plugged into it by `plug_in`."""

    interface = "cam0"

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.gateway = stack.enter_context(Namespace("gw"))
        self._switch = stack.enter_context(Namespace("sw"))
        self._count = 0
        veth(self.gateway, self.interface, self._switch, "uplink")
        bridge(self._switch, "br0", "uplink")
        self.gateway.sysctl("net.ipv6.conf.cam0.accept_dad", "0")
        self.gateway.sysctl("net.ipv6.conf.cam0.disable_ipv6", "1")  # it comes up when it likes; one test wants it
        self.gateway.ip("address add 10.9.0.1/24 brd + dev cam0", "link set cam0 up")
        until_up(self.gateway, self.interface)
        until_up(self._switch, "uplink")

    def plug_in(self, address: str, mac: str, *, also: str = "") -> HostNetwork:
        """Add a device; `also` is a second address of its interface."""
        self._count += 1
        host = self._stack.enter_context(Namespace(f"d{self._count}"))
        host.sysctl("net.ipv6.conf.default.accept_dad", "0")
        veth(self._switch, f"p{self._count}", host, "eth0")
        self._switch.ip(f"link set p{self._count} master br0", f"link set p{self._count} up")
        host.ip(
            f"link set eth0 address {mac}",
            *(f"address add {x}/24 brd + dev eth0" for x in (address, also) if x),
            "link set eth0 up",
            "route add default dev eth0",
        )
        until_up(host, "eth0")
        until_up(self._switch, f"p{self._count}")
        return HostNetwork(address, "eth0", Mac(mac), None, functools.partial(_socket, host))

    def run(self, act: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine as if in a process of the gateway; the devices' sockets are elsewhere all the same."""

        async def bounded() -> T:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await act()

        with self.gateway.entered():
            return asyncio.run(bounded())


@pytest.fixture
def segment() -> Iterator[CameraSegment]:
    with contextlib.ExitStack() as stack:
        yield CameraSegment(stack)


def _socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)
