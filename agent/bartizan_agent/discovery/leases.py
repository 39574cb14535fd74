"""Overhearing DHCP requests on an interface: a packet socket on which the kernel lets nothing else through."""

import asyncio
import errno
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bartizan.ids import Mac
from bartizan_agent import socket_filter
from bartizan_agent.discovery import dhcp
from bartizan_agent.discovery.interfaces import Interface

_ETH_P_IP = 0x0800
_READS_PER_WAKE_UP = 64
# As `tcpdump -dd 'udp dst port 67'` writes it, on packets without their Ethernet header.
_ONLY_REQUESTS = (
    (0x30, 0, 0, 9),  # load the protocol
    (0x15, 0, 6, socket.IPPROTO_UDP),
    (0x28, 0, 0, 6),  # load the fragment offset
    (0x45, 4, 0, 0x1FFF),  # a later fragment has no ports
    (0xB1, 0, 0, 0),  # the header's length
    (0x48, 0, 0, 2),  # load the port sent to
    (0x15, 0, 1, dhcp.SERVER_PORT),
    (0x06, 0, 0, dhcp.LIMIT),
    (0x06, 0, 0, 0),
)

Tell = Callable[[Interface, dhcp.Request], None]


class Leases:
    """The DHCP requests of one interface. Within `with`, those that say something are told in the event loop.

    Args:
        interface: Where to listen.
        tell: Called with every request that says something of its sender.
    """

    def __init__(self, interface: Interface, tell: Tell) -> None:
        self._interface = interface
        self._tell = tell
        self._socket: socket.socket | None = None
        self.problem = ""
        """Why nothing is overheard here, if so."""

    def __enter__(self) -> Self:
        try:
            self._socket = _packet_socket(self._interface)
        except OSError as error:
            needs = ": it needs CAP_NET_RAW" if error.errno in {errno.EPERM, errno.EACCES} else ""
            self.problem = f"DHCP on {self._interface.name} is not overheard{needs or f': {error.strerror}'}"
        else:
            asyncio.get_running_loop().add_reader(self._socket, self._read, self._socket)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _read(self, sock: socket.socket) -> None:
        for _ in range(_READS_PER_WAKE_UP):
            try:
                packet, (_, _, _, _, sender) = sock.recvfrom(dhcp.LIMIT)
            except OSError:  # nothing more, or the interface went down, which somebody else notices
                return
            request = dhcp.parse(packet, Mac(sender.hex(":")))
            if request:
                self._tell(self._interface, request)


def _packet_socket(interface: Interface) -> socket.socket:
    """Return a socket that is deaf until its filter is in place, and only then bound to what it is to hear."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        socket_filter.attach(sock, _ONLY_REQUESTS)
        sock.bind((interface.name, _ETH_P_IP))
    except OSError:
        sock.close()
        raise
    return sock
