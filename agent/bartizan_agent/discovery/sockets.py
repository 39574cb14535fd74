"""Sockets that speak on one interface and no other, whatever the routing table says."""

import contextlib
import socket
import struct

from bartizan.ids import Address
from bartizan_agent.discovery.interfaces import Interface

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets. 250 cameras answer a probe at once; the default buffer loses more than half of them."""

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h: past the limit of ordinary users, with CAP_NET_ADMIN
_IP_MULTICAST_ALL = 49  # linux/in.h


def datagram_socket(
    interface: Interface, family: socket.AddressFamily, *, port: int = 0, groups: tuple[str, ...] = ()
) -> socket.socket:
    """Return a non-blocking datagram socket of one interface, a member of `groups`.

    SO_REUSEADDR alone lets it share 5353 or 37020 with a program that is there already: Linux gives each a copy of
    what comes to a group. SO_REUSEPORT would spread answers to us over both.

    Raises:
        OSError: The port is held by a program that does not share it, or the interface has no such family.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        pin(sock, interface)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _enlarge(sock)
        _prepare(sock, interface, groups)
        sock.bind(("", port))
    except OSError:
        sock.close()
        raise
    return sock


def stream_socket(interface: Interface, address: Address) -> socket.socket:
    """Return a non-blocking stream socket for connecting to an address on the interface's link.

    Raises:
        OSError: The interface is gone.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        pin(sock, interface)
    except OSError:
        sock.close()
        raise
    return sock


def destination(interface: Interface, address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return the socket address of a peer; link-local IPv6 needs the interface's number."""
    return (address, port, 0, interface.index) if ":" in address else (address, port)


def pin(sock: socket.socket, interface: Interface) -> None:
    """Bind a socket to its interface. Linux before 5.7 lets only root do it: there, routing decides."""
    with contextlib.suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode() + b"\x00")


def _enlarge(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def _prepare(sock: socket.socket, interface: Interface, groups: tuple[str, ...]) -> None:
    if sock.family is socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
        for group in groups:
            member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", interface.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _membership("0.0.0.0", interface))
    sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    for group in groups:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(group, interface))


def _membership(group: str, interface: Interface) -> bytes:
    """`struct ip_mreqn`: by index, because an interface without an address can listen too."""
    return socket.inet_aton(group) + bytes(4) + struct.pack("=i", interface.index)
