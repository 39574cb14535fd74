"""A gateway that gives its cameras addresses, names and time goes on doing so at every level, and nobody else does.

The servers are dnsmasq and chrony, the client is udhcpc: it takes a lease, asks for it again by unicast and by
broadcast, and is held all the while.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace, route_between, veth

pytestmark = pytest.mark.netns

MAC = Mac("02:00:00:00:00:11")
GATEWAY, RECORDER, RESOLVER, POOL, ESTATE_RESOLVER = "10.9.0.1", "10.1.0.5", "8.8.8.8", "198.51.100.123", "10.1.0.53"
OTHER = "10.8.0.11"
HELD = (Level.BLOCK_EGRESS, Level.ISOLATE, Level.QUARANTINE)
ELSEWHERE = (
    ("udp", RESOLVER, 53), ("tcp", RESOLVER, 53), ("tcp", RESOLVER, 443), ("tcp", RESOLVER, 853), ("udp", POOL, 123),
    ("udp", ESTATE_RESOLVER, 53), ("tcp", ESTATE_RESOLVER, 853), ("udp", ESTATE_RESOLVER, 123),
)  # fmt: skip
"""Names and time of others: DNS, DNS over HTTPS and over TLS, NTP; abroad and within the estate."""
QUESTION = bytes.fromhex("b41701000001000000000000") + b"\x08recorder\x04test\0" + bytes.fromhex("00010001")
WAIT_SECONDS = 15.0
SILENCE_SECONDS = 0.3
SCRIPT = """#!/bin/sh
case $1 in
deconfig) ip address flush dev $interface scope global; ip link set $interface up;;
bound|renew) ip address replace $ip/24 dev $interface; ip route replace default via $router;;
esac
echo $1 $ip >>"$EVENTS"
"""


class Site:
    """A gateway with its servers, a camera on `cam0`, another on `cam1`, and everything else behind `core0`."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack = stack
        self.folder = folder
        hosts = [stack.enter_context(Namespace(name)) for name in ("gw", "camera", "other", "core")]
        self.gateway, self.camera, self.other, self.core = hosts
        route_between(self.gateway)
        for interface, host in (("cam0", self.camera), ("cam1", self.other), ("core0", self.core)):
            host.sysctl("net.ipv6.conf.default.accept_dad", "0")
            veth(self.gateway, interface, host, "eth0")
            self.gateway.ip(f"link set {interface} up")
        self.gateway.ip("address add 10.9.0.1/24 dev cam0", "address add fd00:9::1/64 dev cam0")
        self.gateway.ip("address add 10.8.0.1/24 dev cam1", "address add 10.1.0.1/24 dev core0")
        self.gateway.ip(f"route add {RESOLVER} via {RECORDER}", f"route add {POOL} via {RECORDER}")
        self.camera.ip(f"link set eth0 address {MAC}", "link set eth0 up")
        self.other.ip(f"address add {OTHER}/24 dev eth0", "link set eth0 up", "route add default via 10.8.0.1")
        self.core.ip(f"address add {RECORDER}/24 dev eth0", f"address add {ESTATE_RESOLVER}/24 dev eth0")
        self.core.ip(f"address add {RESOLVER} dev lo", f"address add {POOL} dev lo", "link set eth0 up")
        self.core.ip("route add default via 10.1.0.1")
        self._serve()

    def _serve(self) -> None:
        self.start(
            self.gateway, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--user=root", "--pid-file=", "--interface=cam0", "--bind-interfaces", "--log-dhcp", "--log-facility=-",
            f"--dhcp-leasefile={self.folder}/leases", "--dhcp-range=10.9.0.50,10.9.0.50,2m", "--enable-ra",
            "--dhcp-range=fd00:9::100,fd00:9::1ff,64,2m", f"--address=/recorder.test/{RECORDER}",
        )  # fmt: skip
        chrony = self.folder / "chrony.conf"
        chrony.write_text(
            f"local stratum 5\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {self.folder}/chrony.pid\n"
        )
        self.start(self.gateway, "chronyd", "-d", "-x", "-u", "root", "-f", str(chrony))

    def start(self, host: Namespace, program: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / f"{program}.log").open("ab"))
        started = subprocess.Popen(
            host.command("setpriv", "--pdeathsig", "KILL", program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
        )
        self._stack.callback(started.wait)
        self._stack.callback(started.kill)
        return started

    def asks(self, message: bytes, port: int) -> bytes:
        """Return what the gateway answers the camera."""
        with self.camera.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(1)
            asking.connect((GATEWAY, port))
            for _ in range(int(WAIT_SECONDS)):
                asking.send(message)
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):  # until it has started
                    return asking.recv(2048)
        raise AssertionError(f"the gateway does not answer at port {port}")

    def reached(self) -> set[tuple[str, str, int]]:
        """Return who else's names and time the camera reaches."""
        return {(kind, address, port) for kind, address, port in ELSEWHERE if self._reaches(kind, address, port)}

    def _reaches(self, kind: str, address: str, port: int) -> bool:
        if kind == "udp":
            return delivered(self.camera, self.core, address, port)
        with self.core.entered():
            listening = socket.create_server((address, port))
        with listening, self.camera.entered(), contextlib.suppress(TimeoutError):
            socket.create_connection((address, port), timeout=SILENCE_SECONDS).close()
            return True
        return False


def delivered(source: Namespace, receiver: Namespace, address: str, port: int, from_port: int = 0) -> bool:
    """Return whether a datagram comes to an address."""
    with receiver.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind((address, port))
        there.settimeout(SILENCE_SECONDS)
        with source.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(("", from_port))
            ours.sendto(b"?", (address, port))
        with contextlib.suppress(TimeoutError):
            return there.recv(16) == b"?"
        return False


class Client:
    """A camera's DHCP client, and what it was told."""

    def __init__(self, site: Site) -> None:
        self._events = site.folder / "events"
        self._events.write_text("")
        script = site.folder / "script"
        script.write_text(SCRIPT)
        script.chmod(0o755)
        self._process = site.start(
            site.camera, "udhcpc", "-f", "-i", "eth0", "-s", str(script), "-t", "5", "-T", "1", EVENTS=str(self._events)
        )
        self.wait_for("bound 10.9.0.50", times=1)

    def renew(self) -> None:
        """Have the lease prolonged, which is asked of the server by unicast."""
        told = self._told("renew 10.9.0.50")
        self._process.send_signal(signal.SIGUSR1)
        self.wait_for("renew 10.9.0.50", times=told + 1)

    def begin_again(self) -> None:
        """Give the lease back and ask everybody for one."""
        told = self._told("bound 10.9.0.50")
        self._process.send_signal(signal.SIGUSR2)
        self._process.send_signal(signal.SIGUSR1)
        self.wait_for("bound 10.9.0.50", times=told + 1)

    def wait_for(self, line: str, *, times: int) -> None:
        ends_at = time.monotonic() + WAIT_SECONDS
        while self._told(line) < times:
            assert time.monotonic() < ends_at, f"no {line!r}: {self._events.read_text()}"
            time.sleep(0.02)

    def _told(self, line: str) -> int:
        return self._events.read_text().splitlines().count(line)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    return Client(site)


def at(level: Level) -> Ruleset:
    camera = ContainedDevice(DeviceId("camera"), "cam0", level, (MAC,), (Address("10.9.0.50"),), (Address(RECORDER),))
    other = ContainedDevice(DeviceId("other"), "cam1", level, (), (Address(OTHER),))
    segments = (Segment("cam0", level), Segment("cam1", level))
    return Ruleset(segments, (Network("10.0.0.0/8"),), (camera, other))


@pytest.fixture
def firewall(site: Site, tmp_path: Path) -> Iterator[Nftables]:
    with site.gateway.entered():
        made = Nftables(tmp_path)
    with contextlib.closing(made):
        yield made


@pytest.mark.parametrize("level", HELD, ids=lambda level: level.value)
def test_a_lease_is_prolonged_and_taken_anew(site: Site, client: Client, firewall: Nftables, level: Level) -> None:
    firewall.apply(at(level))

    client.renew()
    client.begin_again()


@pytest.mark.parametrize("level", HELD, ids=lambda level: level.value)
def test_names_and_time_come_from_the_gateway_alone(
    site: Site, client: Client, firewall: Nftables, level: Level
) -> None:
    firewall.apply(at(Level.WATCH))
    assert site.reached() == set(ELSEWHERE)

    firewall.apply(at(level))

    assert socket.inet_aton(RECORDER) in site.asks(QUESTION, 53)
    assert site.asks(b"\x23" + bytes(47), 123)[0] & 0o77 == 0o44  # version 4, from a server
    assert site.reached() == set()


@pytest.mark.parametrize("level", HELD, ids=lambda level: level.value)
def test_a_lease_of_ipv6_and_the_router_are_told(site: Site, firewall: Nftables, level: Level) -> None:
    firewall.apply(at(level))
    site.camera.run("ip", "-6", "route", "flush", "default")
    site.camera.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1")
    site.camera.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0")  # so that it asks for routers again
    done = site.start(
        site.camera, "dhclient", "-6", "-1", "-d", "-sf", "/bin/true", "-cf", "/dev/null",
        "-lf", f"{site.folder}/leases6-{level.value}", "-pf", f"{site.folder}/dhclient.pid", "eth0",
    )  # fmt: skip
    leased = site.folder / f"leases6-{level.value}"
    ends_at = time.monotonic() + WAIT_SECONDS
    while not (leased.exists() and "iaaddr fd00:9::" in leased.read_text()):
        assert time.monotonic() < ends_at, "no lease"
        time.sleep(0.05)
    done.kill()
    while "default via fe80:" not in site.camera.run("ip", "-6", "route"):
        assert time.monotonic() < ends_at, "no router"
        time.sleep(0.05)


def test_what_a_camera_says_as_a_server_comes_to_no_other_segment(
    site: Site, client: Client, firewall: Nftables
) -> None:
    firewall.apply(at(Level.WATCH))
    client.renew()
    assert delivered(site.camera, site.other, OTHER, 68, from_port=67)
    assert delivered(site.camera, site.other, OTHER, 5353, from_port=53)

    firewall.apply(at(Level.ISOLATE))

    assert not delivered(site.camera, site.other, OTHER, 68, from_port=67)
    assert not delivered(site.camera, site.other, OTHER, 5353, from_port=53)
