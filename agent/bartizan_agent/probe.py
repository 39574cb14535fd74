"""A stranger on a camera segment, and what the gateway does with what it sends.

The stranger's frames come out of an interface of the test's own, whose way out leads into the segment's interface as if
they had come in from its wire (`tc … mirred ingress redirect`): all that the gateway does with a camera's frame it does
with these, whether it routes or is a bridge. Nothing of them is on the cameras' wire, where only the questions are that
look for a spare address, and these come from the gateway's own MAC.

Whatever ends the process, nothing of it sends any more; its interface is taken away by the next test or start.
"""

import contextlib
import json
import secrets
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_interface

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset
from bartizan.errors import BartizanError
from bartizan.ids import Address, Mac
from bartizan_agent import socket_filter
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.errors import CannotScan
from bartizan_agent.discovery.interfaces import Interface, dump, interfaces, named
from bartizan_agent.firewall import Firewall
from bartizan_agent.self_test import (
    PACKETS,
    FamilyResult,
    Outcome,
    SegmentResult,
    arp_probe,
    datagram,
    is_claim,
    is_neighbour,
    judge,
    listening_for,
    neighbour_probe,
    nowhere,
    outside,
    spare,
    stranger,
)
from bartizan_agent.settings import Topology

PORT_NAME, PEER_NAME = "bzprobe", "bzprobe-end"
COMMAND_SECONDS = 10.0
CLAIM_SECONDS = 1.0
JUDGED_SECONDS = 3.0
_ONE_AT_A_TIME = "\0bartizan-self-test"  # an abstract socket: of this network namespace, and of this process's life
_EVERYTHING, _OUTGOING = 3, 4  # ETH_P_ALL, PACKET_OUTGOING


class CannotTest(BartizanError):
    """Nothing was tested, and nothing is left behind; the text says why."""


def probe(interface: str, ruleset: Ruleset | None, firewall: Firewall, topology: Topology) -> SegmentResult:
    """Have a stranger on a segment try to get out in both families, and take it away again.

    Raises:
        CannotTest: It cannot be put there.
    """
    level = (
        next((each.default_level for each in ruleset.segments if each.interface == interface), None)
        if ruleset
        else None
    )
    mac = stranger(secrets.token_bytes(6))
    if level is Level.WATCH:
        passes = FamilyResult(Outcome.NOT_TESTED, "strangers may pass here: the segment is at watch")
        return SegmentResult(interface, level.value, mac, passes, passes)
    place = _Place(interface, ruleset, topology)
    with _planted(interface) as wire:
        ipv4 = place.attempt(wire, mac, 4, firewall)
        ipv6 = place.attempt(wire, mac, 6, firewall)
    return SegmentResult(interface, level.value if level else "", mac, ipv4, ipv6)


def clear_away() -> None:
    """Take away what a test left whose process was killed."""
    with contextlib.suppress(OSError, CannotTest):  # there is none
        socket.if_nametoindex(PORT_NAME)
        with _alone():
            _ip("link", "del", PORT_NAME)


class _Place:
    """A segment as this gateway reaches it."""

    def __init__(self, interface: str, ruleset: Ruleset | None, topology: Topology) -> None:
        try:
            self._segment = named(interface)
        except CannotScan as error:
            raise CannotTest(str(error)) from error
        self._ruleset = ruleset
        self._is_bridge = topology is Topology.BRIDGE
        self._link = self._segment
        if self._is_bridge:
            self._link = _bridge_of(self._segment)

    def attempt(self, wire: socket.socket, mac: Mac, version: int, firewall: Firewall) -> FamilyResult:
        """Have a stranger try to get out in one family."""
        source = self._free_ipv4() if version == 4 else self._free_ipv6()
        destination = outside(version, self._ruleset.estate_networks if self._ruleset else ())
        if source is None:
            return FamilyResult(Outcome.NOT_TESTED, f"{self._link.name} has no free address of this family")
        if destination is None:
            return FamilyResult(Outcome.NOT_TESTED, "the estate's networks cover every documentation range")
        if not self._is_bridge and not _is_routed(self._segment, source, destination):
            reason = "the gateway forwards nothing there: it has no route"
            return FamilyResult(Outcome.NOT_TESTED, reason, source, destination)
        # To a router's own MAC, or across a bridge to one that nobody has.
        to = stranger(secrets.token_bytes(6)) if self._is_bridge else self._segment.mac or Mac("")
        payload = secrets.token_bytes(16)
        frame = datagram(mac, to, source, destination, payload)
        left: list[str] = []
        sent = counted = 0
        with _listener(destination) as ear:
            while sent < PACKETS and counted == sent and not left:
                wire.send(frame)
                sent += 1

                def is_judged(sent: int = sent) -> bool:
                    left.extend(_leaving(ear, payload, ignored=(self._segment.name, PORT_NAME)))
                    return bool(left) or _counted(firewall, mac, destination) >= sent

                _until(is_judged, JUDGED_SECONDS)
                left.extend(_leaving(ear, payload, ignored=(self._segment.name, PORT_NAME)))
                counted = _counted(firewall, mac, destination)
        return judge(sent, counted, left, source=source, destination=destination)

    def _free_ipv4(self) -> Address | None:
        """Return an address of the segment that nobody claims when asked."""
        devices = self._ruleset.devices if self._ruleset else ()
        taken = {*self._link.addresses, *(address for device in devices for address in device.addresses)}
        networks = [network for network in self._link.networks if network.prefixlen < 31]
        if self._is_bridge and not networks:
            return nowhere(4, secrets.randbits(16))
        for network in networks:
            for candidate in spare(IPv4Network(network), taken):
                if not self._is_claimed(candidate):
                    return candidate
        return None

    def _free_ipv6(self) -> Address | None:
        """Return a random address of the link's first global network that nobody claims when asked."""
        for found in dump(rtnetlink.RTM_GETADDR):
            if (
                isinstance(found, rtnetlink.InterfaceAddress)
                and found.index == self._link.index
                and ":" in found.address
            ):
                network = ip_interface(f"{found.address}/{found.prefix_length}").network
                if isinstance(network, IPv6Network) and not network.is_link_local and network.prefixlen <= 64:
                    candidate = Address(str(network[secrets.randbits(64)]))
                    return None if self._is_claimed(candidate) else candidate
        return nowhere(6, secrets.randbits(63)) if self._is_bridge else None

    def _is_claimed(self, address: Address) -> bool:
        ask, is_claimed = (neighbour_probe, is_neighbour) if ":" in address else (arp_probe, is_claim)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING)) as wire:
            wire.bind((self._segment.name, _EVERYTHING))
            wire.send(ask(self._segment.mac or Mac(""), address))
            ends_at = time.monotonic() + CLAIM_SECONDS
            while select.select([wire], (), (), max(0.0, ends_at - time.monotonic()))[0]:
                if is_claimed(wire.recv(2048), address):
                    return True
        return False


def _bridge_of(segment: Interface) -> Interface:
    others = [each for each in interfaces() if each.bridge == segment.bridge and each.index != segment.index]
    bridge = next((each for each in interfaces() if segment.bridge and each.index == segment.bridge), None)
    if bridge is None:
        raise CannotTest(f"{segment.name} is no port of a bridge: this gateway cannot hold what is behind it")
    if not others:
        raise CannotTest(f"{segment.name} is the only port of {bridge.name}: there is no way out to be tested")
    return bridge


def _counted(firewall: Firewall, mac: Mac, destination: Address) -> int:
    return sum(each.packets for each in firewall.counters() if (each.mac, each.destination) == (mac, destination))


@contextlib.contextmanager
def _listener(destination: Address) -> Iterator[socket.socket]:
    """Yield a socket that hears what comes and goes on all interfaces to one address."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING)) as ear:
        socket_filter.attach(ear, listening_for(destination))
        ear.setblocking(False)
        yield ear


def _leaving(ear: socket.socket, payload: bytes, *, ignored: tuple[str, ...]) -> Iterator[str]:
    """Yield the interfaces by which frames with this payload went out since it was asked last."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, (interface, _, kind, *_) = ear.recvfrom(2048)
            if kind == _OUTGOING and payload in data and interface not in ignored:
                yield interface


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as turn:
        try:
            turn.bind(_ONE_AT_A_TIME)
        except OSError as error:
            raise CannotTest("another self-test runs on this gateway: wait until it is done") from error
        yield


@contextlib.contextmanager
def _planted(interface: str) -> Iterator[socket.socket]:
    """Yield a raw socket whose frames come into an interface as if from its wire."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone())
        if PORT_NAME in {link["ifname"] for link in json.loads(_ip("-json", "link", "show"))}:
            _ip("link", "del", PORT_NAME)
        stack.callback(_take_away)
        # Its other end stays down: without a carrier nothing on this machine takes it for a network.
        _ip("link", "add", PORT_NAME, "type", "veth", "peer", "name", PEER_NAME)
        _ip("link", "set", PORT_NAME, "addrgenmode", "none", "arp", "off", "up")
        _run("tc", "qdisc", "add", "dev", PORT_NAME, "clsact")
        everything = ("protocol", "all", "u32", "match", "u32", "0", "0")
        into = ("action", "mirred", "ingress", "redirect", "dev", interface)
        _run("tc", "filter", "add", "dev", PORT_NAME, "egress", *everything, *into)
        try:
            wire = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            wire.bind((PORT_NAME, 0))
        except OSError as error:
            raise CannotTest("no raw socket can be opened here: run this as root") from error
        yield wire


def _take_away() -> None:
    with contextlib.suppress(CannotTest):  # it was never made
        _ip("link", "del", PORT_NAME)


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
    return _run("ip", *arguments)


def _run(*arguments: str) -> str:
    program = arguments[0]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotTest(
            f"the {program} program cannot be run to its end: is the package iproute2 installed?"
        ) from error
    if done.returncode:
        raise CannotTest(f"{' '.join(arguments)}: {done.stderr.strip() or 'refused'}")
    return done.stdout
