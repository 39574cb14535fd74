"""The interfaces of this machine, and which of them a scan may use. Asks the kernel, which answers at once."""

import socket
from ipaddress import IPv4Network, ip_interface

import msgspec

from bartizan.ids import Address, Mac
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.errors import CannotScan

_KERNEL_SECONDS = 2.0  # the kernel does not make anybody wait; this bounds a bug
_READ = 256 * 1024


class Interface(msgspec.Struct, frozen=True):
    """One interface, its addresses, and the IPv4 networks that are on its link."""

    name: str
    index: int
    is_up: bool
    is_loopback: bool
    mac: Mac | None = None
    addresses: tuple[Address, ...] = ()
    networks: tuple[IPv4Network, ...] = ()
    bridge: int = 0
    """Number of the bridge that it is a port of; 0 if it is none."""
    has_carrier: bool = True
    """Whether a cable is plugged in and taken up."""

    @property
    def has_ipv6(self) -> bool:
        """Whether it can send to IPv6 groups."""
        return any(":" in address for address in self.addresses)


def interfaces() -> tuple[Interface, ...]:
    """Return every interface of this network namespace."""
    addresses = [x for x in dump(rtnetlink.RTM_GETADDR) if isinstance(x, rtnetlink.InterfaceAddress)]
    return tuple(
        _interface(link, [found for found in addresses if found.index == link.index])
        for link in dump(rtnetlink.RTM_GETLINK)
        if isinstance(link, rtnetlink.Link)
    )


def scannable() -> tuple[Interface, ...]:
    """Return the interfaces that devices could be behind: up, not loopback, with a MAC."""
    return tuple(found for found in interfaces() if found.is_up and not found.is_loopback and found.mac)


def named(name: str) -> Interface:
    """Return the interface of this name.

    Raises:
        CannotScan: There is none, or it is down.
    """
    found = next((interface for interface in interfaces() if interface.name == name), None)
    if found is None:
        raise CannotScan(f"there is no interface {name!r}: choose one of {', '.join(x.name for x in scannable())}")
    if not found.is_up:
        raise CannotScan(f"interface {name!r} is down: `ip link set {name} up` first")
    return found


def dump(kind: int, family: int = socket.AF_UNSPEC) -> list[rtnetlink.Message]:
    """Return everything of one kind that the kernel holds.

    Raises:
        OSError: The kernel refuses, which it does not do unless it is confined.
    """
    found: list[rtnetlink.Message] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_KERNEL_SECONDS)
        kernel.sendto(rtnetlink.dump_request(kind, 1, family), (0, 0))
        while True:
            for message in rtnetlink.messages(kernel.recv(_READ)):
                if isinstance(message, rtnetlink.Done):
                    if message.error:
                        raise OSError(message.error, "route netlink refuses the dump")
                    return found
                found.append(message)


def _interface(link: rtnetlink.Link, held: list[rtnetlink.InterfaceAddress]) -> Interface:
    networks = (ip_interface(f"{found.address}/{found.prefix_length}").network for found in held)
    return Interface(
        name=link.name,
        index=link.index,
        is_up=bool(link.flags & rtnetlink.UP),
        is_loopback=bool(link.flags & rtnetlink.LOOPBACK),
        mac=link.mac,
        addresses=tuple(found.address for found in held),
        networks=tuple(network for network in networks if isinstance(network, IPv4Network)),
        bridge=link.bridge,
        has_carrier=bool(link.flags & rtnetlink.RUNNING),
    )
