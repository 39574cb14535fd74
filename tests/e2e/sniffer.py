"""A packet socket on one interface: what really passed there, with the kernel's own times."""

import asyncio
import errno
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from types import TracebackType
from typing import Self

from bartizan_lab.netns import Namespace

_ETH_P_ALL = 0x0003
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_SO_RCVBUFFORCE = 33
_BUFFER = 8 << 20
_LONGEST_HEAD = 14 + 40 + 4  # octets: Ethernet, IPv6, ports
_AT_ONCE = 256


@dataclass(frozen=True)
class Packet:
    """One IP packet that passed."""

    at: float
    """Unix seconds, taken by the kernel."""
    source: str
    destination: str
    protocol: int
    """6 TCP, 17 UDP, 1 and 58 ICMP."""


@dataclass
class Sniffer:
    """Keeps every IP packet from some networks that passes an interface, in either direction.

    Args:
        namespace: Where the interface is.
        interface: Which one.
        networks: Whose packets are of interest, by their source.
    """

    namespace: Namespace
    interface: str
    networks: Collection[str]
    packets: list[Packet] = field(default_factory=list, repr=False)
    _socket: socket.socket | None = None
    _missed: int = 0

    def __enter__(self) -> Self:
        with self.namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self._socket.bind((self.interface, _ETH_P_ALL))
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:  # root of a user namespace alone; what is missed is counted
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._networks = [ip_network(network) for network in self.networks]
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def of(self, sources: Collection[str], since: float = 0.0) -> list[Packet]:
        """Return the packets of these sources from a time (Unix seconds) on; see `since`."""
        return [packet for packet in self.since(since) if packet.source in sources]

    def since(self, at: float) -> list[Packet]:
        """Return the packets from a time (Unix seconds) on.

        Raises:
            AssertionError: The kernel had to leave packets out, so that nothing can be said.
        """
        while self._read():
            pass
        self._missed += self._left_out()
        assert not self._missed, f"the sniffer on {self.interface} was too slow for {self._missed} packets"
        return [packet for packet in self.packets if packet.at >= at]

    def _left_out(self) -> int:
        """Return how many packets the kernel had no room for since the last call."""
        assert self._socket is not None
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", statistics)[1])

    def _read(self) -> bool:
        assert self._socket is not None
        try:
            for _ in range(_AT_ONCE):
                head, ancillary, _, _ = self._socket.recvmsg(_LONGEST_HEAD, 64)
                self.packets.extend(self._interesting(head, ancillary))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ENETDOWN:  # what comes once, when the interface goes away
                raise
            return False
        return True

    def _interesting(self, head: bytes, ancillary: list[tuple[int, int, bytes]]) -> Iterator[Packet]:
        if head[12:14] == b"\x08\x00":
            source, destination, protocol = head[26:30], head[30:34], head[23]
        elif head[12:14] == b"\x86\xdd":
            source, destination, protocol = head[22:38], head[38:54], head[20]
        else:
            return
        address = ip_address(source)
        if any(address in network for network in self._networks):
            seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
            yield Packet(seconds + nanoseconds / 1e9, str(address), str(ip_address(destination)), protocol)
