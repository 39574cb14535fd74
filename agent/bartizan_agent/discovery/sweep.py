"""Which addresses a scan may trouble, and waking them: the kernel asks the link who is there, nobody else need."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

import msgspec

from bartizan.ids import Address
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.discovery.pace import Limits, Pace
from bartizan_agent.discovery.sockets import datagram_socket, destination, pin

_DISCARD_PORT = 9  # RFC 863: nothing listens there, and what does throws it away
_ALL_NODES = "ff02::1"
_ECHO_REQUEST = struct.pack("!BBHHH", 128, 0, 0, 0xB27A, 1)  # RFC 4443 section 4.1; the kernel adds the checksum


class Target(msgspec.Struct, frozen=True):
    """An interface, and the networks on its link in which addresses may be tried. Without networks: only listen."""

    interface: Interface
    networks: tuple[IPv4Network, ...] = ()

    def covers(self, address: Address) -> bool:
        """Return whether this scan may connect to an address."""
        found = ip_address(address)
        if address in self.interface.addresses or not self.networks:
            return False
        if isinstance(found, IPv4Address):
            return any(found in network for network in self.networks)
        return found.is_link_local


def target(interface: Interface, networks: Sequence[IPv4Network] | None, limits: Limits) -> Target:
    """Return what to scan on an interface: the given networks, or those of its own addresses if None.

    Raises:
        CannotScan: A network is not on the interface's link, or there are too many addresses.
    """
    wanted = interface.networks if networks is None else tuple(networks)
    for network in wanted:
        if not any(network.subnet_of(own) for own in interface.networks):
            own = ", ".join(str(own) for own in interface.networks) or "none"
            raise CannotScan(f"{network} is not on the link of {interface.name}, whose networks are: {own}")
    count = sum(network.num_addresses for network in wanted)
    if count > limits.addresses:
        names = ", ".join(str(network) for network in wanted)
        raise CannotScan(
            f"{names} on {interface.name}: {count} addresses; at most {limits.addresses} are tried at a time. "
            "Name the part that holds cameras with --network, or only listen with --no-sweep"
        )
    return Target(interface, wanted)


async def nudge(target: Target, limits: Limits, pace: Pace) -> None:
    """Send one datagram to every address, so that the kernel resolves it. Answers show in the neighbour table."""
    if not target.networks:
        return
    with datagram_socket(target.interface, socket.AF_INET) as sock:
        for number, address in enumerate(_addresses(target), start=1):
            await pace.turn(ahead=True)
            with contextlib.suppress(OSError):  # one address that cannot be sent to does not stop the others
                sock.sendto(b"", (str(address), _DISCARD_PORT))
            if number % limits.unresolved == 0:
                await asyncio.sleep(limits.unresolved_seconds)


def wake_ipv6(interface: Interface) -> bool:
    """Ping all IPv6 nodes of a link: to answer they must ask for us, which shows them. False without root."""
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    except PermissionError:
        return False
    with sock, contextlib.suppress(OSError):  # no IPv6 there after all: nobody to wake
        pin(sock, interface)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
        sock.sendto(_ECHO_REQUEST, destination(interface, _ALL_NODES, 0))
    return True


def _addresses(target: Target) -> Iterator[IPv4Address]:
    own = set(target.interface.addresses)
    for network in target.networks:
        for address in network.hosts():
            if str(address) not in own:
                yield address
