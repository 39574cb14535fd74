"""Camera segments that are VLANs of one trunk: found, held and kept apart like others, with real tags on the wire."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent.discovery.interfaces import interfaces
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import target
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.settings import Topology
from bartizan_lab.cameras import make
from bartizan_lab.netns import Namespace, bridge, route_between, veth
from bartizan_lab.network import HostNetwork
from bartizan_lab.vlans import VlanSwitch, VlanSwitches, checksums
from tests.containment.wire import end, heard_frame

pytestmark = pytest.mark.netns

VLANS = (20, 30)
RECORDER, CLOUD = "10.1.0.5", "198.51.100.7"
MACS = {vlan: Mac(f"44:19:b6:00:00:{vlan}") for vlan in VLANS}
CAMERAS = {vlan: f"10.9.{vlan}.11" for vlan in VLANS}
LIMIT_SECONDS = 20.0


class Site:
    """A gateway with one cable to a switch, on which both camera VLANs are tagged, and a core behind it."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.gateway, self.switch, self.core = (stack.enter_context(Namespace(name)) for name in ("gw", "sw", "core"))
        route_between(self.gateway)
        veth(self.gateway, "lan0", self.switch, "trunk")
        veth(self.gateway, "core0", self.core, "eth0")
        self.gateway.ip("link set lan0 up", "address add 10.1.0.1/24 dev core0", "link set core0 up")
        self.gateway.ip(f"route add {CLOUD} via {RECORDER}")
        self.switch.ip("link set trunk up")
        self.core.ip(f"address add {RECORDER}/24 dev eth0", f"address add {CLOUD}/32 dev lo", "link set eth0 up")
        self.core.ip("route add default via 10.1.0.1")
        ours = stack.enter_context(VlanSwitches(self.gateway, folder / "gateway")).add("sw0")
        theirs = stack.enter_context(VlanSwitches(self.switch, folder / "switch")).add("sw0")
        ours.trunk("lan0", *VLANS)
        theirs.trunk("trunk", *VLANS)
        self.cameras = {vlan: self._camera(stack, ours, theirs, vlan) for vlan in VLANS}

    def _camera(self, stack: contextlib.ExitStack, ours: VlanSwitch, theirs: VlanSwitch, vlan: int) -> Namespace:
        host = stack.enter_context(Namespace(f"cam{vlan}"))
        veth(self.switch, f"p{vlan}", host, "eth0")
        self.switch.ip(f"link set p{vlan} up")
        checksums(host, "eth0")
        host.ip(
            f"link set eth0 address {MACS[vlan]}",
            f"address add {CAMERAS[vlan]}/24 brd + dev eth0",
            "link set eth0 up",
            f"route add default via 10.9.{vlan}.1",
        )
        theirs.access(f"p{vlan}", vlan)
        ours.interface(f"lan0.{vlan}", vlan)
        self.gateway.ip(f"address add 10.9.{vlan}.1/24 brd + dev lan0.{vlan}", f"link set lan0.{vlan} up")
        return host


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack, tmp_path_factory.mktemp("switches"))


def reaches(source: Namespace, address: str) -> bool:
    """Return whether a datagram and its echo pass."""
    try:
        source.run("ping", "-q", "-c", "1", "-W", "0.5", address)
    except RuntimeError:
        return False
    return True


def reached(site: Site, vlan: int) -> set[str]:
    """Return which of everything worth reaching a camera reaches."""
    others = [CAMERAS[other] for other in VLANS if other != vlan]
    everything = (RECORDER, CLOUD, f"10.9.{vlan}.1", *others)
    return {address for address in everything if reaches(site.cameras[vlan], address)}


def tags_of(trunk: socket.socket) -> dict[Mac, set[str]]:
    """Return what stood where an untagged frame has its Ethertype, in all that was heard of each camera."""
    frames = []
    with contextlib.suppress(BlockingIOError):
        while True:
            frames.append(heard_frame(trunk))
    return {
        mac: {each[12:16].hex() for each in frames if each[6:12] == bytes.fromhex(mac.replace(":", ""))}
        for mac in MACS.values()
    }


def held(level: Level, vlan: int) -> ContainedDevice:
    addresses = (Address(CAMERAS[vlan]),)
    return ContainedDevice(
        DeviceId(f"camera-{vlan}"), f"lan0.{vlan}", level, (MACS[vlan],), addresses, (Address(RECORDER),)
    )


def test_each_vlan_is_held_as_the_segment_it_is(site: Site, tmp_path: Path) -> None:
    with site.gateway.entered():
        firewall = Nftables(tmp_path)
    segments = (Segment("lan0.20", Level.WATCH), Segment("lan0.30", Level.ISOLATE))
    with contextlib.closing(firewall), site.gateway.entered(), end("lan0") as trunk:
        firewall.apply(Ruleset((), (), ()))
        before = {vlan: reached(site, vlan) for vlan in VLANS}
        tags = tags_of(trunk)
        firewall.apply(Ruleset(segments, (), (held(Level.ISOLATE, 20),)))
        isolated = {vlan: reached(site, vlan) for vlan in VLANS}
        firewall.apply(Ruleset(segments, (), (held(Level.QUARANTINE, 20), held(Level.WATCH, 30))))
        quarantined = {vlan: reached(site, vlan) for vlan in VLANS}

    assert tags == {MACS[20]: {"81000014"}, MACS[30]: {"8100001e"}}
    assert before == {
        20: {RECORDER, CLOUD, "10.9.20.1", CAMERAS[30]},
        30: {RECORDER, CLOUD, "10.9.30.1", CAMERAS[20]},
    }
    assert isolated == {20: {RECORDER, "10.9.20.1"}, 30: {"10.9.30.1"}}
    assert quarantined == {20: {"10.9.20.1"}, 30: {RECORDER, CLOUD, "10.9.30.1"}}


def test_a_scan_tells_each_device_at_its_vlan(site: Site) -> None:
    networks = {
        vlan: HostNetwork(CAMERAS[vlan], "eth0", MACS[vlan], None, functools.partial(_socket, site.cameras[vlan]))
        for vlan in VLANS
    }
    cameras = {vlan: make("hikvision", number=vlan, mac=MACS[vlan]) for vlan in VLANS}

    async def act() -> dict[Mac | None, str]:
        async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as tasks:
            living = [tasks.create_task(camera.run(networks[vlan])) for vlan, camera in cameras.items()]
            for camera in cameras.values():
                await camera.wait_until_up()
            limits = Limits(listen_seconds=0.3)
            ours = [each for each in interfaces() if each.name in ("lan0.20", "lan0.30")]
            found = await scan([target(each, None, limits) for each in ours], limits)
            for task in living:
                task.cancel()
        assert all(each.open_ports for each in found)
        return {each.mac: each.interface for each in found}

    with site.gateway.entered():
        assert asyncio.run(act()) == {MACS[20]: "lan0.20", MACS[30]: "lan0.30"}


def test_a_bridge_holds_one_vlan_and_carries_the_other(tmp_path: Path) -> None:
    """Between two switches, with a trunk to each: a bridge for each VLAN, of which one port is a segment."""
    hosts = {"camera": (20, "11"), "recorder": (20, "5"), "router": (20, "1"), "desk": (10, "11"), "server": (10, "5")}
    with contextlib.ExitStack() as stack:
        gateway, near, far = (stack.enter_context(Namespace(name)) for name in ("gw", "near", "far"))
        switches = stack.enter_context(VlanSwitches(gateway, tmp_path / "gateway"))
        for port, switch in (("lan0", near), ("up0", far)):
            veth(gateway, port, switch, "trunk")
            gateway.ip(f"link set {port} up")
            switch.ip("link set trunk up")
            of_port = switches.add(f"sw-{port}")
            of_port.trunk(port, 10, 20)
            for vlan in (10, 20):
                of_port.interface(f"{port}.{vlan}", vlan)
        for vlan in (10, 20):
            bridge(gateway, f"br{vlan}", f"lan0.{vlan}", f"up0.{vlan}")
        there = {
            switch: stack.enter_context(VlanSwitches(switch, tmp_path / switch.name)).add("sw0")
            for switch in (near, far)
        }
        for each in there.values():
            each.trunk("trunk", 10, 20)
        plugged = {
            name: _plug(stack, switch, there[switch], name, *hosts[name])
            for switch, names in ((near, ("camera", "desk")), (far, ("recorder", "router", "server")))
            for name in names
        }
        with gateway.entered():
            firewall = Nftables(tmp_path, topology=Topology.BRIDGE)
        stack.callback(firewall.close)
        camera = ContainedDevice(
            DeviceId("camera"), "lan0.20", Level.ISOLATE, (MACS[20],), (Address("10.9.20.11"),), (Address("10.9.20.5"),)
        )

        def reached() -> set[str]:
            peers = {"camera": ("recorder", "router"), "desk": ("server",)}
            ways = [(one, other) for one, others in peers.items() for other in others]
            return {other for one, other in ways if reaches(plugged[one], "10.9.{}.{}".format(*hosts[other]))}

        assert reached() == {"recorder", "router", "server"}
        firewall.apply(Ruleset((Segment("lan0.20", Level.QUARANTINE),), (), (camera,)))
        assert reached() == {"recorder", "server"}


def _plug(
    stack: contextlib.ExitStack, switch: Namespace, ports: VlanSwitch, name: str, vlan: int, host: str
) -> Namespace:
    plugged = stack.enter_context(Namespace(name))
    veth(switch, f"p-{name}", plugged, "eth0")
    switch.ip(f"link set p-{name} up")
    ports.access(f"p-{name}", vlan)
    if name == "camera":
        plugged.ip(f"link set eth0 address {MACS[20]}")
    plugged.ip(f"address add 10.9.{vlan}.{host}/24 brd + dev eth0", "link set eth0 up")
    return plugged


def _socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)
