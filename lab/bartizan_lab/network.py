"""Where an emulated device stands: its addresses, and the sockets made there.

A socket belongs to the network namespace in which it was created. One process can thus serve a whole site:
each camera makes its sockets through its own `Network`, and asyncio serves them all from one loop.
"""

import fcntl
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bartizan.ids import Mac

_SIOCGIFINDEX = 0x8933
_IP_MULTICAST_ALL = 49
"""linux/in.h; Python's socket module does not name it."""
_RECEIVE_BUFFER = 1 << 20
"""Octets. A probe to a group is answered by every camera at once; the default buffer loses most of them."""
_BACKLOG = 64
_LOOPBACK_MAC = Mac("00:00:00:00:00:00")

NewSocket = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]


class Network(Protocol):
    """One device's place in a network. All sockets are non-blocking and belong to the caller."""

    @property
    def address(self) -> str:
        """The device's IPv4 address."""

    @property
    def address6(self) -> str | None:
        """The device's IPv6 address, if it has one."""

    @property
    def mac(self) -> Mac:
        """The address of the interface on the wire."""

    @property
    def interface(self) -> str:
        """The interface's name inside its namespace."""

    def tcp_listener(self, port: int, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """Return a listening socket bound to this device's address of that family.

        Raises:
            OSError: The port is taken, or the address is not on this machine.
        """

    def udp_socket(self, port: int, *, groups: tuple[str, ...] = (), broadcast: bool = False) -> socket.socket:
        """Return a datagram socket of `port`.

        Without groups and broadcast it is bound to `address`: it hears what is sent to the device alone, and what it
        sends comes from there. With them it hears only these IPv4 groups and broadcasts, because in a namespace
        shared by several devices a datagram to one of them must not reach another.

        Raises:
            OSError: The port is taken, or the address is not on this machine.
        """

    def tcp_client(self, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """Return an unconnected stream socket whose connections come from this device's address."""

    def udp_client(self, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """Return a datagram socket on a free port of this device's address, for sending, also to groups."""


@dataclass(frozen=True)
class HostNetwork:
    """A `Network` by ordinary sockets: those of this process, or of another namespace through `new_socket`.

    On loopback every 127.x.y.z is this machine, so that many cameras can each have the real port numbers.
    """

    address: str
    interface: str = "lo"
    mac: Mac = _LOOPBACK_MAC
    address6: str | None = None
    new_socket: NewSocket = socket.socket
    """Makes a socket in the device's namespace. Everything after that works from any namespace."""

    def tcp_listener(self, port: int, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """See `Network`."""
        sock = self._bound(socket.SOCK_STREAM, self._own(family), port)
        sock.listen(_BACKLOG)
        return sock

    def udp_socket(self, port: int, *, groups: tuple[str, ...] = (), broadcast: bool = False) -> socket.socket:
        """See `Network`."""
        if not groups and not broadcast:
            return self._ready_to_multicast(self._bound(socket.SOCK_DGRAM, self.address, port))
        # Bound to a group address, Linux delivers that group alone; to several or to broadcasts, any address must do.
        sock = self._bound(socket.SOCK_DGRAM, groups[0] if len(groups) == 1 and not broadcast else "", port)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        for group in groups:
            # By address, not by index: the kernel finds it in the socket's namespace.
            member = socket.inet_aton(group) + socket.inet_aton(self.address)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        return sock

    def tcp_client(self, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """See `Network`."""
        return self._bound(socket.SOCK_STREAM, self._own(family), 0)

    def udp_client(self, *, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        """See `Network`."""
        return self._ready_to_multicast(self._bound(socket.SOCK_DGRAM, self._own(family), 0))

    def _own(self, family: socket.AddressFamily) -> str:
        if family is socket.AF_INET:
            return self.address
        if self.address6 is None:
            raise OSError(f"{self.address} has no IPv6 address: give its network one")
        return self.address6

    def _bound(self, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = self.new_socket(family, kind)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if kind is socket.SOCK_DGRAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        return sock

    def _ready_to_multicast(self, sock: socket.socket) -> socket.socket:
        if sock.family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _interface_index(sock, self.interface))
            return sock
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
        return sock


def _interface_index(sock: socket.socket, interface: str) -> int:
    """Return the interface's number in the socket's namespace; `socket.if_nametoindex` would use the process's."""
    answer = fcntl.ioctl(sock, _SIOCGIFINDEX, struct.pack("16si20x", interface.encode(), 0))
    return int(struct.unpack("16si20x", answer)[1])
