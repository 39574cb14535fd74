"""The self-test, run on a gateway in a namespace: what it says is what is so, and nothing of it is left behind."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter, Ruleset, Segment
from bartizan.ids import Address, Network
from bartizan.wire import codec, events
from bartizan_agent import cli, self_test
from bartizan_agent.firewall import FirewallRefused
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.notes import Note
from bartizan_agent.places import Places
from bartizan_agent.probe import PORT_NAME, probe
from bartizan_lab.netns import Namespace, bridge, route_between, veth
from tests.fakes.memory_firewall import MemoryFirewall

pytestmark = pytest.mark.netns


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
    assert {event.detail["ipv6"] for event in told(tmp_path)} == {"not-blocked"}
    assert links(gateway) == before


def test_at_watch_nothing_is_blocked_and_the_level_says_why(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contain(gateway, tmp_path, Level.WATCH)

    assert run(gateway, tmp_path) == 1
    said = capsys.readouterr().out
    assert ("held at watch" in said, said.count("NOT BLOCKED")) == (True, 2)


def test_where_no_route_leads_out_it_does_not_call_that_a_block(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contain(gateway, tmp_path, Level.ISOLATE)
    gateway.ip("route del default", "route del ::/0")

    assert run(gateway, tmp_path) == 1
    assert capsys.readouterr().out.count("not tested: the gateway forwards nothing there") == 2


def test_a_segment_that_is_no_bridge_is_refused(
    gateway: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = links(gateway)

    assert run(gateway, tmp_path, "--interface", "core0") == 1
    assert "core0 is no bridge" in capsys.readouterr().err
    assert run(gateway, tmp_path, "--interface", "nowhere") == 1
    assert "no interface 'nowhere'" in capsys.readouterr().err
    assert (links(gateway), told(tmp_path)) == (before, [])


def test_whatever_goes_wrong_the_stranger_is_taken_away(gateway: Namespace) -> None:
    """And while it is there the bridge keeps its MAC: cameras know their gateway by it."""

    class Refusing(MemoryFirewall):
        def counters(self) -> tuple[DropCounter, ...]:
            assert PORT_NAME in links(gateway)
            assert mac(gateway) == before_mac
            raise FirewallRefused("no")

    before, before_mac = links(gateway), mac(gateway)
    with gateway.entered(), pytest.raises(FirewallRefused):
        probe("cam0", None, Refusing())
    assert links(gateway) == before


def test_a_test_that_is_killed_leaves_nothing(gateway: Namespace, tmp_path: Path) -> None:
    """Its namespace ends with it, and takes the cable along."""
    gateway.ip("link set cam0 type bridge stp_state 1 forward_delay 3000")  # so that it waits for the port to forward
    program = gateway.command(sys.executable, "-m", "bartizan_agent", "--state", str(tmp_path), "self-test")
    with subprocess.Popen([*program, "--interface", "cam0"], stdout=subprocess.DEVNULL) as process:
        wait(lambda: PORT_NAME in links(gateway))
        process.send_signal(signal.SIGKILL)
    wait(lambda: PORT_NAME not in links(gateway))


def wait(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_at, "it never came to that"


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
