"""Two gateways of one site, by VRRP: when the address moves, containment is there already.

keepalived moves the address, on both sides at once. Both gateways enforce the same ruleset all the time, beside a
firewall of the office's that lets through what connection tracking knows; neither knows the other's connections.
"""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent.clock import GatewayClock
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.renamed import Remembered
from bartizan_agent.segments import Links
from bartizan_agent.settings import ContainmentSettings, SegmentSettings
from bartizan_lab.netns import Namespace, bridge, route_between, veth
from tests.containment.test_flows_in_progress import OFFICE

pytestmark = pytest.mark.netns

CAMERA, RECORDER, CLOUD = "10.9.0.11", "10.1.0.5", "203.0.113.9"
MAC = Mac("02:00:00:00:00:11")
INSIDE, OUTSIDE = "10.9.0.1", "10.1.0.1"
WAIT_SECONDS = 20.0
PAUSE_SECONDS = 0.05
KEEPALIVED = """
global_defs {{ vrrp_version 3 }}
vrrp_sync_group site {{ group {{ inside outside }} }}
vrrp_instance inside {{
    interface cam0
    virtual_router_id 9
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{ 10.9.0.1/24 }}
}}
vrrp_instance outside {{
    interface core0
    virtual_router_id 1
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{ 10.1.0.1/24 }}
}}
"""


class Member:
    """One of the two gateways."""

    def __init__(self, stack: contextlib.ExitStack, switch: Namespace, number: int, folder: Path) -> None:
        self.host = stack.enter_context(Namespace(f"gw{number}"))
        self.folder = folder
        folder.mkdir()
        route_between(self.host)
        for interface, side in (("cam0", "in"), ("core0", "out")):
            veth(self.host, interface, switch, f"{side}{number}")
        self.host.ip(f"address add 10.9.0.{1 + number}/24 dev cam0", f"address add 10.1.0.{1 + number}/24 dev core0")
        self.host.ip("link set cam0 up", "link set core0 up")
        self.host.run("nft", "--file", "-", text_in=OFFICE)
        with self.host.entered():
            self.firewall = Nftables(folder)
        stack.callback(self.firewall.close)
        self._stack = stack

    def start(self, priority: int) -> None:
        """Start keepalived."""
        configuration = self.folder / "keepalived.conf"
        configuration.write_text(KEEPALIVED.format(priority=priority))
        log = self._stack.enter_context((self.folder / "keepalived.log").open("ab"))
        pids = ("-p", str(self.folder / "pid"), "-r", str(self.folder / "vrrp.pid"))
        arguments = ("keepalived", "-n", "-l", "-P", "-f", str(configuration), *pids)
        process = subprocess.Popen(
            self.host.command("setpriv", "--pdeathsig", "TERM", *arguments), stdout=log, stderr=log
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    @property
    def is_master(self) -> bool:
        addresses = self.host.run("ip", "-4", "-brief", "address")
        return f"{INSIDE}/24" in addresses and f"{OUTSIDE}/24" in addresses

    def lose_power(self) -> None:
        """Take both cables out."""
        self.host.ip("link set cam0 down", "link set core0 down")


class Site:
    """Two gateways between a camera and everything else."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        switch, self.camera, self.far = (stack.enter_context(Namespace(name)) for name in ("sw", "camera", "far"))
        switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        self.members = [Member(stack, switch, number, folder / f"gw{number}") for number in (1, 2)]
        veth(switch, "in0", self.camera, "eth0")
        veth(switch, "out0", self.far, "eth0")
        bridge(switch, "br-in", "in0", "in1", "in2")
        bridge(switch, "br-out", "out0", "out1", "out2")
        self.camera.ip(f"link set eth0 address {MAC}", f"address add {CAMERA}/24 dev eth0", "link set eth0 up")
        self.camera.ip(f"route add default via {INSIDE}")
        self.far.ip(f"address add {RECORDER}/24 dev eth0", f"address add {CLOUD}/32 dev lo", "link set eth0 up")
        self.far.ip(f"route add default via {OUTSIDE}")
        for member in self.members:
            member.host.ip(f"route add {CLOUD} via {RECORDER}")
        for host in (self.camera, self.far):
            host.sysctl("net.ipv4.neigh.eth0.locktime", "0")  # believe whoever announces the address, at once

    def enforce(self, level: Level) -> None:
        camera = ContainedDevice(DeviceId("camera"), "cam0", level, (MAC,), (Address(CAMERA),), (Address(RECORDER),))
        for member in self.members:
            member.firewall.apply(Ruleset((Segment("cam0", Level.ISOLATE),), (), (camera,)))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        made = Site(stack, tmp_path)
        for member, priority in zip(made.members, (150, 100), strict=True):
            member.start(priority)
        until(lambda: made.members[0].is_master and not made.members[1].is_master)
        yield made


def until(true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def stream(site: Site, address: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the two ends of an open connection of the camera's."""
    with site.far.entered():
        listener = socket.create_server((address, 554))
    with site.camera.entered():
        ours = socket.create_connection((address, 554), timeout=WAIT_SECONDS)
    theirs, _ = listener.accept()
    with listener, ours, theirs:
        ours.settimeout(WAIT_SECONDS)
        theirs.settimeout(WAIT_SECONDS)
        yield ours, theirs


class Shouting:
    """A camera that goes on saying the same to somebody, and what came of it."""

    def __init__(self, site: Site, address: str) -> None:
        with site.far.entered():
            self._heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._heard.bind((address, 9999))
        self._heard.setblocking(False)
        with site.camera.entered():
            self._ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ours.connect((address, 9999))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._shout)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._heard.close()
        self._ours.close()

    def heard(self) -> int:
        """Return how much came through since this was last asked."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard.recv(16)
                count += 1
        return count

    def _shout(self) -> None:
        while not self._over.wait(0.005):
            with contextlib.suppress(OSError):  # while the address is nobody's
                self._ours.send(b"!")


def test_a_stream_that_is_allowed_survives_and_nothing_else_gets_out(site: Site) -> None:
    site.enforce(Level.WATCH)
    with stream(site, RECORDER) as (ours, theirs), stream(site, CLOUD) as (leaving, abroad):
        leaving.sendall(b"before")
        assert abroad.recv(16) == b"before"
        site.enforce(Level.ISOLATE)
        with Shouting(site, CLOUD) as shouting:
            leaving.sendall(b"never")
            site.members[0].lose_power()
            until(lambda: site.members[1].is_master)

            ours.sendall(b"picture")
            assert theirs.recv(16) == b"picture"
            theirs.sendall(b"thanks")
            assert ours.recv(16) == b"thanks"
            until(lambda: sum(each.packets for each in site.members[1].firewall.counters()) > 100)

            assert not shouting.heard()
            abroad.settimeout(0.5)
            with pytest.raises(TimeoutError):
                abroad.recv(16)


def test_what_is_changed_after_the_address_moved_holds_at_once(site: Site) -> None:
    site.enforce(Level.WATCH)
    with Shouting(site, CLOUD) as shouting:
        until(lambda: shouting.heard() > 0)
        site.members[0].lose_power()
        until(lambda: site.members[1].is_master and shouting.heard() > 0)

        site.enforce(Level.ISOLATE)
        shouting.heard()
        until(lambda: sum(each.packets for each in site.members[1].firewall.counters()) > 100)

        assert not shouting.heard()


def test_the_one_that_has_taken_over_is_known_by_the_address_that_it_has(site: Site, tmp_path: Path) -> None:
    assert [INSIDE in own_addresses(member, tmp_path) for member in site.members] == [True, False]

    site.members[0].lose_power()
    until(lambda: site.members[1].is_master)

    assert INSIDE in own_addresses(site.members[1], tmp_path)


def own_addresses(member: Member, folder: Path) -> tuple[Address, ...]:
    """Return what this gateway reports as its own on its camera segment."""
    segments, clock = (SegmentSettings("cam0"),), GatewayClock(folder / "clock")
    with member.host.entered():
        (link,) = Links(segments, ContainmentSettings(), clock, Remembered(folder / "interfaces.json"))()
    return link.own
