"""Sockets of one device's own: neighbours on the same machine never hear each other's datagrams."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from bartizan_lab.cameras import Setting, make
from bartizan_lab.cameras.greeting import GreetingService
from bartizan_lab.network import HostNetwork, Network
from tests.lab.cameras.standing import QUICK, loopback_address, until

GROUP = "239.255.77.77"
PORT = 47123


async def heard(sock: socket.socket) -> bytes | None:
    """Return the next datagram, or None if none comes soon."""
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 0.1)
    return None


async def test_unicast_reaches_one_device_and_a_group_all_its_members() -> None:
    one, two, asker = (HostNetwork(loopback_address()) for _ in range(3))
    with (
        one.udp_socket(PORT) as own,
        one.udp_socket(PORT, groups=(GROUP,)) as shared,
        two.udp_socket(PORT) as others_own,
        two.udp_socket(PORT, groups=(GROUP,), broadcast=True) as others_shared,
        asker.udp_client() as client,
    ):
        client.sendto(b"to one", (one.address, PORT))
        assert [await heard(sock) for sock in (own, shared, others_own, others_shared)] == [b"to one", None, None, None]

        client.sendto(b"to all", (GROUP, PORT))
        assert [await heard(sock) for sock in (own, shared, others_own, others_shared)] == [
            None,
            b"to all",
            None,
            b"to all",
        ]


def test_connections_come_from_the_devices_own_address() -> None:
    network = HostNetwork(loopback_address())
    with network.tcp_client() as stream, network.udp_client() as packets:
        assert stream.getsockname()[0] == packets.getsockname()[0] == network.address


def test_a_device_without_ipv6_says_so() -> None:
    with pytest.raises(OSError, match="has no IPv6 address: give its network one"):
        HostNetwork("127.0.0.9").tcp_listener(80, family=socket.AF_INET6)


async def test_an_attached_service_opens_at_every_boot() -> None:
    """As the RTSP server does that stands in for the device's own."""

    class Counting:
        opened = 0

        @contextlib.asynccontextmanager
        async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
            self.opened += 1
            async with GreetingService(554, b"RTSP", set()).open(network, tasks):
                yield

    counting = Counting()
    camera = make("axis", setting=Setting(QUICK))
    camera.attach(counting)
    async with camera.serve(HostNetwork(loopback_address())):
        camera.reboot()
        await until(lambda: camera.state.boots == 2 and camera.is_up)

    assert counting.opened == 2
