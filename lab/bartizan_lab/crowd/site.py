"""The crowd's segment in network namespaces: a gateway, a switch, and every inhabitant on a port of its own."""

import contextlib
import functools
import socket
from collections.abc import Iterator, Sequence

from bartizan_lab.cameras.living import Home, Living, living
from bartizan_lab.crowd.plan import Inhabitant
from bartizan_lab.netns import Namespace, bridge, veth
from bartizan_lab.network import HostNetwork

INTERFACE = "cam0"
GATEWAY = "10.9.0.254"
_IPV6_EVERY = 5
"""Namespaces share one kernel's table of IPv6 neighbours, which 250 hosts that all look for each other overflow."""


@contextlib.contextmanager
def crowded(inhabitants: Sequence[Inhabitant]) -> Iterator[tuple[Namespace, Living]]:
    """Build the segment and let everybody live there for the block; yield the gateway, and who lives there.

    Call it outside an event loop.

    Raises:
        RuntimeError: The devices did not come up.
    """
    with contextlib.ExitStack() as stack:
        gateway, switch = stack.enter_context(Namespace("gw")), stack.enter_context(Namespace("sw"))
        switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        gateway.sysctl("net.ipv6.conf.default.accept_dad", "0")
        veth(gateway, INTERFACE, switch, "uplink")
        bridge(switch, "br0", "uplink")
        gateway.ip(f"address add {GATEWAY}/24 brd + dev {INTERFACE}", f"link set {INTERFACE} up")
        homes: list[Home] = []
        for inhabitant in inhabitants:
            place = _plug_in(stack, switch, inhabitant)
            if inhabitant.camera:
                homes.append((inhabitant.camera, place))
        yield gateway, stack.enter_context(living(homes))


def _plug_in(stack: contextlib.ExitStack, switch: Namespace, inhabitant: Inhabitant) -> HostNetwork:
    number, address = inhabitant.number, f"10.9.0.{inhabitant.number}"
    host = stack.enter_context(Namespace(f"d{number}"))
    host.sysctl("net.ipv6.conf.default.accept_dad", "0")
    if inhabitant.has_ipv4 and number % _IPV6_EVERY:
        host.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    veth(switch, f"p{number}", host, "eth0")
    switch.ip(f"link set p{number} master br0", f"link set p{number} up")
    host.ip(f"link set eth0 address {inhabitant.mac}", "link set eth0 up")
    if inhabitant.has_ipv4:
        host.ip(f"address add {address}/24 brd + dev eth0", "route add default dev eth0")
    return HostNetwork(address, "eth0", inhabitant.mac, None, functools.partial(_new_socket, host))


def _new_socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)
