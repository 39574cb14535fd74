"""A stranger plugged into a camera segment, and what the gateway does with what it sends.

The segment must be a bridge of this gateway. On any other interface nothing that this machine sends comes in again: a
macvlan beside it sends to the wire, past the gateway's own stack. So there the test is refused, not guessed.

One end of a cable becomes a port of the bridge, the other lies in a network namespace that nothing but a socket of this
process holds. Whatever ends the process, the kernel takes the namespace away, and the cable with it.
"""

import contextlib
import ctypes
import json
import os
import secrets
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_interface

from bartizan.containment.model import Ruleset
from bartizan.errors import BartizanError
from bartizan.ids import Address, Mac
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interfaces import Interface, dump, named
from bartizan_agent.firewall import Firewall
from bartizan_agent.self_test import (
    PACKETS,
    FamilyResult,
    Outcome,
    SegmentResult,
    arp_probe,
    datagram,
    is_claim,
    judge,
    outside,
    spare,
    stranger,
)

PORT_NAME = "bzprobe"
PORT_MAC = "fe:ff:ff:ff:ff:fe"  # a bridge takes the least MAC of its ports for its own, which cameras know: never this
COMMAND_SECONDS = 10.0
FORWARDING_SECONDS = 40.0  # a bridge with spanning tree listens and learns for 15 s each
CLAIM_SECONDS = 1.0
JUDGED_SECONDS = 5.0
_CLONE_NEWNET = 0x40000000
_EVERYTHING, _OUTGOING = 3, 4  # ETH_P_ALL, PACKET_OUTGOING


class CannotTest(BartizanError):
    """Nothing was tested, and nothing is left behind; the text says why."""


def probe(interface: str, ruleset: Ruleset | None, firewall: Firewall) -> SegmentResult:
    """Plug a stranger into a segment, have it try to get out in both families, and take it away again.

    Raises:
        CannotTest: It cannot be plugged in here.
    """
    segment = _segment(interface)
    mac = stranger(secrets.token_bytes(6))
    levels = {each.interface: each.default_level.value for each in ruleset.segments} if ruleset else {}
    with _plugged_into(interface) as wire:
        estate = ruleset.estate_networks if ruleset else ()
        ipv4 = _try(wire, segment, mac, _free_ipv4(wire, segment, mac, ruleset), outside(4, estate), firewall)
        ipv6 = _try(wire, segment, mac, _free_ipv6(segment), outside(6, estate), firewall)
    return SegmentResult(interface, levels.get(interface, ""), mac, ipv4, ipv6)


def _try(
    wire: socket.socket,
    segment: Interface,
    mac: Mac,
    source: Address | None,
    destination: Address | None,
    firewall: Firewall,
) -> FamilyResult:
    if source is None:
        return FamilyResult(Outcome.NOT_TESTED, f"{segment.name} has no free address of this family")
    if destination is None:
        return FamilyResult(Outcome.NOT_TESTED, "the estate's networks cover every documentation range")
    if not _is_routed(segment, source, destination):
        return FamilyResult(
            Outcome.NOT_TESTED, "the gateway forwards nothing there: it has no route", source, destination
        )
    payload = secrets.token_bytes(16)
    frame = datagram(mac, segment.mac or Mac(""), source, destination, payload)

    def counted() -> int:
        return sum(each.packets for each in firewall.counters() if (each.mac, each.destination) == (mac, destination))

    left: list[str] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING)) as ear:
        ear.setblocking(False)
        for _ in range(PACKETS):
            wire.send(frame)

        def is_judged() -> bool:
            left.extend(_leaving(ear, payload, ignored=(segment.name, PORT_NAME)))
            return bool(left) or counted() >= PACKETS

        _until(is_judged, JUDGED_SECONDS)
        left.extend(_leaving(ear, payload, ignored=(segment.name, PORT_NAME)))
    return judge(PACKETS, counted(), left, source=source, destination=destination)


def _leaving(ear: socket.socket, payload: bytes, *, ignored: tuple[str, ...]) -> Iterator[str]:
    """Yield the interfaces by which frames with this payload went out since it was asked last."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, (interface, _, kind, *_) = ear.recvfrom(2048)
            if kind == _OUTGOING and payload in data and interface not in ignored:
                yield interface


def _segment(interface: str) -> Interface:
    try:
        segment = named(interface)
    except CannotScan as error:
        raise CannotTest(str(error)) from error
    (link,) = json.loads(_ip("-json", "-details", "link", "show", "dev", interface))
    if link.get("linkinfo", {}).get("info_kind") != "bridge":
        raise CannotTest(
            f"{interface} is no bridge of this gateway: nothing sent from here would come in by it. Plug a laptop"
            " into the segment instead, and look for its MAC with `nft list set inet bartizan tried4`"
        )
    return segment


@contextlib.contextmanager
def _plugged_into(bridge: str) -> Iterator[socket.socket]:
    """Yield a raw socket whose frames come into a bridge by a port of its own."""
    with contextlib.ExitStack() as stack:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, home)
        if PORT_NAME in {link["ifname"] for link in json.loads(_ip("-json", "link", "show"))}:
            raise CannotTest(f"{PORT_NAME} is there already: another self-test runs, or `ip link del {PORT_NAME}`")
        stack.callback(_unplug)
        wire = stack.enter_context(_far_end(home))
        _ip("link", "set", PORT_NAME, "addrgenmode", "none", "master", bridge, "up")
        if not _until(_is_forwarding, FORWARDING_SECONDS):
            raise CannotTest(f"{bridge} lets nothing in by a new port: look at its spanning tree")
        yield wire


def _far_end(home: int) -> socket.socket:
    """Return a socket at the far end of a new cable, in a namespace that lives as long as the socket."""
    made: list[socket.socket | OSError | CannotTest] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            made.append(CannotTest("a network namespace is refused: run this as root, outside of a container"))
            return
        try:
            made.append(_cable(home))
        except (OSError, CannotTest) as error:
            made.append(error)

    # A thread of its own, because unsharing moves the thread that does it.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (result,) = made
    if isinstance(result, socket.socket):
        return result
    if isinstance(result, OSError):
        raise CannotTest("no raw socket can be opened here: run this as root") from result
    raise result


def _cable(home: int) -> socket.socket:
    there = f"/proc/{os.getpid()}/fd/{home}"
    _ip("link", "add", "far", "type", "veth", "peer", "name", PORT_NAME, "address", PORT_MAC, "netns", there)
    _ip("link", "set", "far", "addrgenmode", "none", "up")
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
    end.bind(("far", _EVERYTHING))
    end.setblocking(False)
    return end


def _unplug() -> None:
    with contextlib.suppress(CannotTest):  # it was never made, or went with its namespace
        _ip("link", "del", PORT_NAME)


def _is_forwarding() -> bool:
    (link,) = json.loads(_ip("-json", "-details", "link", "show", "dev", PORT_NAME))
    return bool(link["linkinfo"]["info_slave_data"]["state"] == "forwarding")


def _free_ipv4(wire: socket.socket, segment: Interface, mac: Mac, ruleset: Ruleset | None) -> Address | None:
    """Return an address of the segment that nobody claims when asked."""
    held = {address for device in ruleset.devices for address in device.addresses} if ruleset else set()
    for network in segment.networks:
        if network.prefixlen < 31:
            for candidate in spare(IPv4Network(network), {*segment.addresses, *held}):
                wire.send(arp_probe(mac, candidate))
                if not _is_claimed(wire, candidate):
                    return candidate
    return None


def _is_claimed(wire: socket.socket, address: Address) -> bool:
    ends_at = time.monotonic() + CLAIM_SECONDS
    while select.select([wire], (), (), max(0.0, ends_at - time.monotonic()))[0]:
        if is_claim(wire.recv(2048), address):
            return True
    return False


def _free_ipv6(segment: Interface) -> Address | None:
    """Return a random address of the segment's first global network; that somebody has it is out of the question."""
    for found in dump(rtnetlink.RTM_GETADDR):
        if isinstance(found, rtnetlink.InterfaceAddress) and found.index == segment.index and ":" in found.address:
            network = ip_interface(f"{found.address}/{found.prefix_length}").network
            if isinstance(network, IPv6Network) and not network.is_link_local and network.prefixlen <= 64:
                return Address(str(network[secrets.randbits(64)]))
    return None


def _is_routed(segment: Interface, source: Address, destination: Address) -> bool:
    with contextlib.suppress(CannotTest):
        _ip("route", "get", destination, "from", source, "iif", segment.name)
        return True
    return False


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until a condition holds or the time is over; return whether it holds."""
    ends_at = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < ends_at:
        time.sleep(0.02)
    return holds


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotTest("the ip program cannot be run to its end: is the package iproute2 installed?") from error
    if done.returncode:
        raise CannotTest(f"ip {' '.join(arguments)}: {done.stderr.strip() or 'refused'}")
    return done.stdout
