"""The vendors' clouds and whatever else lies on the internet: takes what comes and counts it by sender."""

import asyncio
import contextlib
import itertools
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from bartizan_lab.cameras.connection import begin, closing, peer_of
from bartizan_lab.network import Network

READ_OCTETS = 4096


@dataclass
class Received:
    """What reached the cloud, by the sender's address. Times are those of `time.monotonic`."""

    connections: Counter[str] = field(default_factory=Counter)
    datagrams: Counter[str] = field(default_factory=Counter)
    last_at: dict[str, float] = field(default_factory=dict)

    def total(self, sender: str) -> int:
        """Return how often a sender got through, by whatever means."""
        return self.connections[sender] + self.datagrams[sender]


class Cloud:
    """Listens on TCP and UDP ports until cancelled."""

    def __init__(self, network: Network, *, tcp_ports: tuple[int, ...], udp_ports: tuple[int, ...]) -> None:
        self._network = network
        self._tcp_ports = tcp_ports
        self._udp_ports = udp_ports
        self.received = Received()

    async def run(self) -> None:
        """Take whatever comes."""
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                begin(tasks, writer, self._listen(reader, writer))

            families = (socket.AF_INET, socket.AF_INET6) if self._network.address6 else (socket.AF_INET,)
            for port, family in itertools.product(self._tcp_ports, families):
                server = await asyncio.start_server(accept, sock=self._network.tcp_listener(port, family=family))
                stack.callback(server.close)
            for port in self._udp_ports:
                sock = self._network.udp_socket(port)
                transport, _ = await loop.create_datagram_endpoint(lambda: _Sink(self.received), sock=sock)
                stack.callback(transport.close)
            await loop.create_future()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = peer_of(writer)
        self.received.connections[sender] += 1
        self.received.last_at[sender] = time.monotonic()
        async with closing(writer):
            with contextlib.suppress(OSError):  # a caller that was cut off has called all the same
                while await reader.read(READ_OCTETS):
                    self.received.last_at[sender] = time.monotonic()


class _Sink(asyncio.DatagramProtocol):
    def __init__(self, received: Received) -> None:
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Count a datagram, whatever is in it, and answer, so that the caller knows that it got through."""
        self._received.datagrams[addr[0]] += 1
        self._received.last_at[addr[0]] = time.monotonic()
        if self._transport is not None:
            self._transport.sendto(data[:64], addr)
