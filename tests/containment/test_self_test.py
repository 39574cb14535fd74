"""The self-test, run on a gateway in a namespace: what it says is what is so, and nothing of it is left behind."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter, Ruleset, Segment
from bartizan.ids import Address, Network
from bartizan.wire import codec, events
from bartizan_agent import cli, self_test, socket_filter
from bartizan_agent.firewall import FirewallRefused
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.notes import Note
from bartizan_agent.places import Places
from bartizan_agent.probe import PORT_NAME, CannotTest, clear_away, probe
from bartizan_agent.settings import Topology
from bartizan_lab.netns import Namespace, bridge, route_between, veth
from tests.fakes.memory_firewall import MemoryFirewall

pytestmark = pytest.mark.netns

ETH_P_ALL = 3
OUTSIDE4, OUTSIDE6 = IPv4Address("192.0.2.1").packed, IPv6Address("2001:db8:ba57:12a::1").packed


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    """A gateway with a camera segment behind a switch of its own, one camera there, and a way out in both families."""
    with Namespace("gateway") as host, Namespace("camera") as camera, Namespace("far") as far:
        route_between(host)
        route_between(far)
        veth(host, "port1", camera, "eth0")
        veth(host, "core0", far, "eth0")
        bridge(host, "cam0", "port1")
        host.ip("addr add 10.9.0.1/24 dev cam0", "addr add fd09::1/64 dev cam0 nodad", "link set core0 up")
        host.ip("addr add 10.1.0.1/24 dev core0", "addr add fd01::1/64 dev core0 nodad")
        far.ip("link set eth0 up", "addr add 10.1.0.5/24 dev eth0", "addr add fd01::5/64 dev eth0 nodad")
        host.ip("route add default via 10.1.0.5", "route add ::/0 via fd01::5")
        camera.ip("link set eth0 up", "addr add 10.9.0.254/24 dev eth0")
        yield host


def contain(gateway: Namespace, state: Path, level: Level) -> None:
    """Hold strangers on the segment at a level, as the agent does."""
    ruleset = Ruleset((Segment("cam0", level),), (Network("10.0.0.0/8"), Network("192.0.2.0/24")), ())
    with gateway.entered(), contextlib.closing(Nftables(state)) as firewall:
        firewall.apply(ruleset)
    Places(state).ruleset.write_bytes(codec.encode(ruleset))


def run(gateway: Namespace, state: Path, *options: str) -> int:
    with gateway.entered():
        return cli.main(["--state", str(state), "self-test", "--interface", "cam0", *options])


def told(state: Path) -> list[Note]:
    return [codec.decode(file.read_bytes(), Note) for file in Places(state).spool.glob("*.json")]


def links(host: Namespace) -> list[str]:
    return [link["ifname"] for link in json.loads(host.run("ip", "-json", "link"))]


def mac(host: Namespace) -> str:
    (link,) = json.loads(host.run("ip", "-json", "link", "show", "cam0"))
    return str(link["address"])


@pytest.mark.parametrize("level", [Level.BLOCK_EGRESS, Level.ISOLATE, Level.QUARANTINE])
def test_where_strangers_are_held_it_says_blocked_in_both_families(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], level: Level
) -> None:
    contain(gateway, tmp_path, level)
    before = links(gateway)

    assert run(gateway, tmp_path, "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["level"], result["ipv4"]["outcome"], result["ipv6"]["outcome"]) == (
        level.value,
        "blocked",
        "blocked",
    )
    assert result["ipv4"]["source"] == "10.9.0.253", "the camera answers for the last one"
    assert result["ipv4"]["destination"] == "198.51.100.1", "the first range is the estate's here"
    (event,) = told(tmp_path)
    assert (event.kind, event.detail["ipv4"], event.detail["mac"]) == (
        events.CONTAINMENT_TESTED,
        "blocked",
        result["mac"],
    )
    assert links(gateway) == before


def test_without_a_packet_filter_it_says_not_blocked(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = links(gateway)

    assert run(gateway, tmp_path) == 1
    assert capsys.readouterr().out.count("NOT BLOCKED: packets left by core0") == 2
    (event,) = told(tmp_path)
    assert (event.kind, event.detail["ipv6"], event.detail["why"]) == (events.CONTAINMENT_LEAKS, "not-blocked", "hand")
    assert links(gateway) == before


def test_at_watch_nothing_is_tried_and_the_level_says_why(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contain(gateway, tmp_path, Level.WATCH)

    assert run(gateway, tmp_path) == 1
    said = capsys.readouterr().out
    assert ("held at watch" in said, said.count("not tested: strangers may pass here")) == (True, 2)


def test_where_no_route_leads_out_it_does_not_call_that_a_block(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contain(gateway, tmp_path, Level.ISOLATE)
    gateway.ip("route del default", "route del ::/0")

    assert run(gateway, tmp_path) == 1
    assert capsys.readouterr().out.count("not tested: the gateway forwards nothing there") == 2


def test_a_segment_that_is_not_there_is_refused(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = links(gateway)

    assert run(gateway, tmp_path, "--interface", "nowhere") == 1
    assert "no interface 'nowhere'" in capsys.readouterr().err
    assert (links(gateway), told(tmp_path)) == (before, [])


def test_where_the_block_fails_one_packet_leaves_in_each_family(gateway: Namespace) -> None:
    with gateway.entered():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ear.bind(("core0", ETH_P_ALL))
        ear.setblocking(False)
        result = probe("cam0", None, MemoryFirewall(), Topology.ROUTER)
    with ear:
        assert result.ipv4.outcome is result.ipv6.outcome is self_test.Outcome.NOT_BLOCKED
        left = [frame for frame in frames(ear) if OUTSIDE4 in frame or OUTSIDE6 in frame]
    assert len([frame for frame in left if frame[12:14] == b"\x08\x00"]) == 1
    assert len([frame for frame in left if frame[12:14] == b"\x86\xdd"]) == 1


def test_nothing_of_the_stranger_is_on_the_cameras_wire(gateway: Namespace, tmp_path: Path) -> None:
    """There are only the questions for a spare address, from the gateway's own MAC."""
    contain(gateway, tmp_path, Level.ISOLATE)
    with gateway.entered():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ear.bind(("port1", ETH_P_ALL))
        ear.setblocking(False)
    assert run(gateway, tmp_path) == 0
    with ear:
        senders = {frame[6:12].hex(":") for frame in frames(ear)}
    (event,) = told(tmp_path)
    assert event.detail["mac"] not in senders
    assert mac(gateway) in senders


def test_whatever_goes_wrong_the_stranger_is_taken_away(gateway: Namespace) -> None:
    class Refusing(MemoryFirewall):
        def counters(self) -> tuple[DropCounter, ...]:
            assert PORT_NAME in links(gateway)
            assert mac(gateway) == before_mac
            raise FirewallRefused("no")

    before, before_mac = links(gateway), mac(gateway)
    with gateway.entered(), pytest.raises(FirewallRefused):
        probe("cam0", None, Refusing(), Topology.ROUTER)
    assert links(gateway) == before


def test_what_a_killed_test_leaves_is_taken_away_by_the_next_and_at_the_agents_start(
    gateway: Namespace, tmp_path: Path
) -> None:
    contain(gateway, tmp_path, Level.ISOLATE)
    before = links(gateway)
    gateway.ip("address add 10.9.0.253/24 dev cam0")  # so that it waits for an answer first
    kill_in_the_middle(gateway, tmp_path)
    assert run(gateway, tmp_path) == 0
    assert links(gateway) == before

    kill_in_the_middle(gateway, tmp_path)
    with gateway.entered():
        clear_away()
        assert links(gateway) == before
        clear_away()


def kill_in_the_middle(gateway: Namespace, state: Path) -> None:
    program = gateway.command(sys.executable, "-m", "bartizan_agent", "--state", str(state), "self-test")
    with subprocess.Popen([*program, "--interface", "cam0"], stdout=subprocess.DEVNULL) as process:
        wait(lambda: PORT_NAME in links(gateway))
        process.send_signal(signal.SIGKILL)
    assert PORT_NAME in links(gateway)


def test_two_at_once_do_not_meet(gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gateway.entered(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind("\0bartizan-self-test")
        assert run(gateway, tmp_path) == 1
    assert "another self-test runs" in capsys.readouterr().err


@pytest.fixture
def across() -> Iterator[Namespace]:
    """A gateway that is a transparent bridge between a camera and a router, with no address of its own."""
    with Namespace("gateway") as host, Namespace("camera") as camera, Namespace("far") as far:
        veth(host, "cam0", camera, "eth0")
        veth(host, "up0", far, "eth0")
        bridge(host, "br0", "cam0", "up0")
        camera.ip("link set eth0 up")
        far.ip("link set eth0 up")
        yield host


@pytest.mark.parametrize("has_address", [False, True])
def test_across_a_bridge_too(across: Namespace, tmp_path: Path, *, has_address: bool) -> None:
    if has_address:
        across.ip("address add 10.9.0.2/24 dev br0", "address add fd09::2/64 dev br0 nodad")
    ruleset = Ruleset((Segment("cam0", Level.ISOLATE),), (), ())
    with across.entered():
        open_to_all = probe("cam0", None, MemoryFirewall(), Topology.BRIDGE)
        with contextlib.closing(Nftables(tmp_path, topology=Topology.BRIDGE)) as firewall:
            firewall.apply(ruleset)
            held = probe("cam0", ruleset, firewall, Topology.BRIDGE)
        with pytest.raises(CannotTest, match="br0 is no port of a bridge"):
            probe("br0", None, MemoryFirewall(), Topology.BRIDGE)

    assert (open_to_all.ipv4.reason, open_to_all.ipv6.reason) == ("packets left by up0", "packets left by up0")
    assert (held.ipv4.outcome, held.ipv6.outcome) == (self_test.Outcome.BLOCKED, self_test.Outcome.BLOCKED)
    assert (held.ipv4.source == "10.9.0.254") is has_address


def frames(ear: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(BlockingIOError):
        while True:
            yield ear.recv(2048)


def wait(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_at, "it never came to that"


@given(st.binary(min_size=14, max_size=60), st.sampled_from(["192.0.2.1", "2001:db8:ba57:12a::1"]))
def test_no_frame_breaks_what_looks_for_claims(frame: bytes, address: str) -> None:
    assert self_test.is_neighbour(frame, Address("2001:db8::1")) in (True, False)
    assert self_test.is_claim(frame, Address("192.0.2.1")) in (True, False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        socket_filter.attach(any_socket, self_test.listening_for(Address(address)))  # the kernel refuses a broken one


def test_a_full_network_has_no_spare_address() -> None:
    network = IPv4Network("10.9.0.0/30")

    assert self_test.spare(network, ()) == ("10.9.0.2", "10.9.0.1")
    assert self_test.spare(network, (Address("10.9.0.1"), Address("10.9.0.2"))) == ()


def test_where_the_estate_has_every_documentation_range_nothing_is_outside() -> None:
    assert self_test.outside(4, ()) == "192.0.2.1"
    assert self_test.outside(4, (Network("0.0.0.0/0"),)) is None
    assert self_test.outside(6, (Network("0.0.0.0/0"),)) == "2001:db8:ba57:12a::1"


def test_a_packet_that_was_neither_counted_nor_seen_to_leave_is_not_called_blocked() -> None:
    told = self_test.judge(3, 2, (), source="a", destination="b")

    assert told.outcome is self_test.Outcome.NOT_BLOCKED
    assert self_test.judge(3, 3, (), source="a", destination="b").outcome is self_test.Outcome.BLOCKED
    assert self_test.judge(3, 3, ["core0"], source="a", destination="b").outcome is self_test.Outcome.NOT_BLOCKED
