"""How a gateway is connected: what its own kernel says of bridges, routes, and ways past the packet filter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan.policy.model import Verdict
from bartizan_agent.clock import GatewayClock
from bartizan_agent.errors import BadSettings
from bartizan_agent.evidence import device_postures, limits
from bartizan_agent.reconcile import Link
from bartizan_agent.renamed import Remembered
from bartizan_agent.segments import Links, bypasses
from bartizan_agent.settings import ContainmentSettings, SegmentSettings, Topology, parse
from bartizan_agent.switches.outcome import HeldPort, SwitchesEnforced
from bartizan_lab.netns import Namespace, bridge, veth

BRIDGE = ContainmentSettings(Topology.BRIDGE)
SEGMENTS = (SegmentSettings("cam0"), SegmentSettings("cam1"))


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    """A bridge `br0` with ports `cam0` and `up0`, `cam1` beside it, and routes by both."""
    with Namespace("gateway") as gateway, Namespace("far") as far:
        for name in ("cam0", "up0", "cam1"):
            veth(gateway, name, far, name)
        bridge(gateway, "br0", "cam0", "up0")
        gateway.ip("address add 10.9.0.2/24 dev br0", "address add 10.8.0.2/24 dev cam1", "link set cam1 up")
        gateway.ip("route add default via 10.9.0.1", "route add 10.7.0.0/16 via 10.8.0.1")
        yield gateway


def links(gateway: Namespace, containment: ContainmentSettings) -> Links:
    nowhere = Path("/nonexistent")
    found = Links(SEGMENTS, containment, GatewayClock(nowhere), Remembered(nowhere))
    with gateway.entered():
        found()
    return found


@pytest.mark.netns
def test_a_port_has_the_networks_of_its_bridge_and_the_routers_are_those_beyond_it(gateway: Namespace) -> None:
    found = links(gateway, BRIDGE)

    assert found()[0] == Link("cam0", (Network("10.9.0.0/24"),), own=(Address("10.9.0.2"),))
    assert found.routers() == ("10.9.0.1",)


@pytest.mark.netns
def test_an_address_that_moves_here_is_one_of_its_own_and_that_of_the_link_is_not(gateway: Namespace) -> None:
    found = links(gateway, ContainmentSettings())
    before = found()[1].own

    gateway.ip("address add 10.8.0.1/24 dev cam1", "address add fd00:8::1/64 dev cam1 nodad")
    gateway.ip("address add fe80::8/64 dev cam1 nodad")
    with gateway.entered():
        kept = found()[1].own
        found.look_again()
        after = found()[1].own

    assert (before, kept) == (("10.8.0.2",), ("10.8.0.2",))
    assert after == ("10.8.0.1", "10.8.0.2", "fd00:8::1")


@pytest.mark.netns
def test_routers_that_are_configured_are_the_only_ones(gateway: Namespace) -> None:
    found = links(gateway, ContainmentSettings(Topology.BRIDGE, (Address("10.9.0.254"),)))

    assert found.routers() == ("10.9.0.254",)


@pytest.mark.netns
def test_a_gateway_that_routes_has_no_routers_to_let_through(gateway: Namespace) -> None:
    assert links(gateway, ContainmentSettings()).routers() == ()


@pytest.mark.netns
def test_a_segment_that_the_filter_does_not_see_is_told(gateway: Namespace) -> None:
    on_a_bridge = [link.around for link in links(gateway, BRIDGE)()]
    routed = [link.around for link in links(gateway, ContainmentSettings())()]

    assert on_a_bridge == [
        "",
        "cam1 is no port of a bridge, so nothing of it passes the filter: set topology to router",
    ]
    assert routed == ["cam0 is a port of br0, whose frames no router sees: set topology to bridge", ""]


@pytest.mark.netns
@pytest.mark.parametrize("sysctl", ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
def test_a_bridge_that_routes_besides_is_told(gateway: Namespace, sysctl: str) -> None:
    gateway.sysctl(sysctl, "1")

    assert sysctl in links(gateway, BRIDGE)()[0].around
    assert "does not cross its bridge" in links(gateway, BRIDGE)()[0].around


def test_a_segment_that_is_not_there_has_no_way_past_the_filter() -> None:
    assert bypasses(Topology.BRIDGE, ["cam0"], {}, []) == {"cam0": ""}


@pytest.mark.parametrize(
    ("others", "named"), [(1, "with b1, and"), (3, "with b1, b2, b3, and"), (5, "with b1, b2, b3 and 2 others, and")]
)
def test_who_shares_an_unmanaged_switch_is_named(others: int, named: str) -> None:
    device = Device(DeviceId("a"), Identity(), "cam0", macs=(Mac("02:00:00:00:00:02"),))
    neighbours = tuple(Device(DeviceId(f"b{number}"), Identity(), "cam0") for number in range(1, others + 1))
    verdicts = {each.id: Verdict(Level.ISOLATE, ()) for each in (device, *neighbours)}

    shared = limits((device, *neighbours), verdicts, (Link("cam0", ()),), (), ())
    apart = limits((device, *neighbours), verdicts, (Link("cam0", (), ports_isolated=True),), (), ())

    assert "it shares a switch behind cam0" in shared[device.id]
    assert named in shared[device.id]
    assert apart == {}


def on_one_switch(level: Level, *names: str) -> tuple[tuple[Device, ...], dict[DeviceId, Verdict]]:
    """Devices of one segment, each wanted at a level."""
    devices = tuple(Device(DeviceId(name), Identity(), "cam0") for name in names)
    return devices, {device.id: Verdict(level, ()) for device in devices}


def test_who_is_held_by_a_managed_switch_shares_it_with_nobody() -> None:
    devices, verdicts = on_one_switch(Level.ISOLATE, "a", "b", "c")
    one = SwitchesEnforced(
        (HeldPort("sw1", "7", DeviceId("a"), "switch sw1 port 7 (vlan 666)"),),
        refusals={DeviceId("b"): "switch sw1 port 8: it is shared with 02:00:00:00:00:07"},
    )

    found = limits(devices, verdicts, (Link("cam0", ()),), (), (), one)
    told = device_postures(devices, verdicts, verdicts_levels(verdicts), (), found, one)

    assert {each.device: (each.enforceable, each.switch) for each in told} == {
        "a": (True, "switch sw1 port 7 (vlan 666)"),
        "b": (False, ""),
        "c": (False, ""),
    }
    assert found[DeviceId("b")] == (
        "it shares a switch behind cam0 with c, and frames between them do not pass this gateway: switch sw1 port 8: it"
        " is shared with 02:00:00:00:00:07"
    )
    assert "with b, and" in found[DeviceId("c")]


def test_who_is_the_last_one_left_on_a_switch_shares_it_with_nobody() -> None:
    devices, verdicts = on_one_switch(Level.ISOLATE, "a", "b")
    one = SwitchesEnforced((HeldPort("sw1", "7", DeviceId("a"), "switch sw1 port 7 (vlan 666)"),))

    assert limits(devices, verdicts, (Link("cam0", ()),), (), (), one) == {}


@pytest.mark.parametrize(
    "doubtful",
    [
        HeldPort("sw1", "7", DeviceId("a"), "there", why_not="the switch does not answer"),
        HeldPort("sw1", "7", DeviceId("a"), "there", ending=True),
    ],
)
def test_a_port_that_does_not_hold_for_sure_holds_nobody(doubtful: HeldPort) -> None:
    devices, verdicts = on_one_switch(Level.ISOLATE, "a", "b")

    assert set(limits(devices, verdicts, (Link("cam0", ()),), (), (), SwitchesEnforced((doubtful,)))) == {"a", "b"}


def test_what_passes_the_filter_by_stays_so_whatever_a_switch_holds() -> None:
    devices, verdicts = on_one_switch(Level.ISOLATE, "a", "b")
    held = SwitchesEnforced((HeldPort("sw1", "7", DeviceId("a"), "there"),))

    assert limits(devices, verdicts, (Link("cam0", ()),), (), ("a flowtable",), held)[DeviceId("a")] == "a flowtable"


def verdicts_levels(verdicts: dict[DeviceId, Verdict]) -> dict[DeviceId, Level]:
    """The levels, as if the kernel held all of them."""
    return {device: verdict.level for device, verdict in verdicts.items()}


def test_what_passes_the_filter_by_is_never_counted_as_contained() -> None:
    device = Device(DeviceId("a"), Identity(), "cam0", macs=(Mac("02:00:00:00:00:02"),))
    other = Device(DeviceId("b"), Identity(), "cam1", macs=(Mac("02:00:00:00:00:03"),))
    verdicts = {each.id: Verdict(Level.BLOCK_EGRESS, ()) for each in (device, other)}

    found = limits((device, other), verdicts, (Link("cam0", (), around="it goes around"), Link("cam1", ())), (), ())

    assert found == {device.id: "it goes around"}


@pytest.mark.parametrize("entry", ['topology = "hub"', 'routers = ["10.9.0.0/24"]', "sides = 2"])
def test_a_topology_that_makes_no_sense_is_refused(entry: str) -> None:
    text = f"""
    site = "school"
    segments = []
    [controller]
    broker_host = "broker.example"
    images_url = "https://controller.example"
    [containment]
    {entry}
    """

    with pytest.raises(BadSettings, match=r"agent\.toml"):
        parse(text, source="agent.toml")
