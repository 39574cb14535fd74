"""The UDP side of an emulated device: one port, its groups, and a function from datagram to answers."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bartizan_lab.cameras.faults import XML_BOMB, Fault
from bartizan_lab.network import Network

Endpoint = tuple[str, int]
_RUBBISH_OCTETS = 333


@dataclass(frozen=True)
class Datagram:
    """One datagram, received from or to be sent to `peer`."""

    octets: bytes
    peer: Endpoint


Responder = Callable[[Datagram], Iterable[Datagram]]


@dataclass(frozen=True)
class DatagramService:
    """Answers datagrams on one port, whether sent to the device, to a group, or to everybody."""

    port: int
    respond: Responder
    faults: AbstractSet[Fault]
    slow_seconds: float
    groups: tuple[str, ...] = ()
    broadcast: bool = False
    time_to_live: int = 1
    greetings: Callable[[], Iterable[Datagram]] = tuple
    """What the device sends unasked when it comes up."""
    speaks_xml: bool = False

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:  # noqa: ARG002 - one form for all services; this one needs no tasks
        """Listen until the block ends."""
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as opened:
            own = network.udp_socket(self.port)
            own.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, self.time_to_live)
            speaker, protocol = await loop.create_datagram_endpoint(lambda: _Listener(self), sock=own)
            opened.callback(speaker.close)
            protocol.speaker = speaker
            if self.groups or self.broadcast:
                shared = network.udp_socket(self.port, groups=self.groups, broadcast=self.broadcast)
                hearer, protocol = await loop.create_datagram_endpoint(lambda: _Listener(self), sock=shared)
                opened.callback(hearer.close)
                protocol.speaker = speaker
            for greeting in self.greetings():
                speaker.sendto(greeting.octets, greeting.peer)
            yield

    def answers(self, datagram: Datagram) -> list[Datagram]:
        """Return what is sent back, faults included."""
        if Fault.SILENT in self.faults:
            return []
        answers = list(self.respond(datagram))
        if Fault.RUBBISH in self.faults:
            answers = [Datagram(os.urandom(_RUBBISH_OCTETS), answer.peer) for answer in answers]
        elif Fault.XML_BOMB in self.faults and self.speaks_xml:
            answers = [Datagram(XML_BOMB, answer.peer) for answer in answers]
        if Fault.DUPLICATE_ANSWERS in self.faults:
            answers = [twin for answer in answers for twin in (answer, answer)]
        return answers


class _Listener(asyncio.DatagramProtocol):
    """Hears on its socket, and answers through the one that has the device's own address."""

    def __init__(self, service: DatagramService) -> None:
        self._service = service
        self.speaker: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answers = self._service.answers(Datagram(data, (addr[0], addr[1])))
        if Fault.SLOW in self._service.faults:
            asyncio.get_running_loop().call_later(self._service.slow_seconds, self._send, answers)
        else:
            self._send(answers)

    def _send(self, answers: list[Datagram]) -> None:
        if self.speaker is None or self.speaker.is_closing():
            return
        for answer in answers:
            self.speaker.sendto(answer.octets, answer.peer)
