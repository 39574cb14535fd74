"""A stream that is already open is cut by the next packet, and one that is still allowed loses none."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace, bridge, route_between, veth
from tests.containment.estate import with_level

pytestmark = pytest.mark.netns

CAMERA, NEIGHBOUR, RECORDER, CLOUD = "10.9.0.2", "10.9.0.3", "10.1.0.5", "203.0.113.9"
CAMERA_MAC, NEIGHBOUR_MAC = Mac("02:00:00:00:00:02"), Mac("02:00:00:00:00:03")
SITE = Ruleset(
    segments=(Segment("cam0", Level.WATCH),),
    estate_networks=(),
    devices=(
        ContainedDevice(
            DeviceId("camera"), "cam0", Level.WATCH, (CAMERA_MAC,), (Address(CAMERA),), (Address(RECORDER),)
        ),
        ContainedDevice(DeviceId("neighbour"), "cam0", Level.WATCH, (NEIGHBOUR_MAC,), (Address(NEIGHBOUR),)),
    ),
)
# Another program's firewall as it stands on most gateways: it accepts what conntrack knows.
OFFICE = """
table inet office {
    chain forward_all {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "cam0" accept
    }
}
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Namespace, Namespace, Namespace]]:
    """A gateway with a camera segment behind a switch, one host that is both recorder and cloud, and a camera."""
    with Namespace("gateway") as gateway, Namespace("camera") as camera, Namespace("far") as far:
        route_between(gateway)
        veth(gateway, "port1", camera, "eth0")
        veth(gateway, "core0", far, "eth0")
        bridge(gateway, "cam0", "port1")
        gateway.ip("addr add 10.9.0.1/24 dev cam0", "addr add 10.1.0.1/24 dev core0", "link set core0 up")
        gateway.ip(f"route add {CLOUD} via {RECORDER}")
        camera.ip(f"link set eth0 address {CAMERA_MAC}", f"addr add {CAMERA}/24 dev eth0", "link set eth0 up")
        camera.ip("route add default via 10.9.0.1")
        far.ip(f"addr add {RECORDER}/24 dev eth0", f"addr add {CLOUD}/32 dev lo", "link set eth0 up")
        far.ip("route add default via 10.1.0.1")
        gateway.run("nft", "--file", "-", text_in=OFFICE)
        yield gateway, camera, far


@pytest.fixture
def firewall(hosts: tuple[Namespace, Namespace, Namespace], tmp_path: Path) -> Iterator[Nftables]:
    with hosts[0].entered():
        enforcer = Nftables(tmp_path)
    with contextlib.closing(enforcer):
        enforcer.apply(SITE)
        yield enforcer


@contextlib.contextmanager
def stream(camera: Namespace, far: Namespace, address: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the two ends of an open TCP connection from the camera."""
    with far.entered():
        listener = socket.create_server((address, 0))
    with camera.entered():
        ours = socket.create_connection(listener.getsockname(), timeout=5)
    theirs, _ = listener.accept()
    with listener, ours, theirs:
        theirs.settimeout(5)
        yield ours, theirs


@pytest.mark.parametrize("level", [Level.BLOCK_EGRESS, Level.ISOLATE, Level.QUARANTINE])
def test_an_open_stream_to_the_cloud_is_cut_at_once(
    hosts: tuple[Namespace, Namespace, Namespace], firewall: Nftables, level: Level
) -> None:
    _, camera, far = hosts
    with stream(camera, far, CLOUD) as (ours, theirs):
        ours.sendall(b"before")
        assert theirs.recv(100) == b"before"

        firewall.apply(with_level(SITE, 0, level))
        ours.sendall(b"after")

        theirs.settimeout(0.3)
        with pytest.raises(TimeoutError):
            theirs.recv(100)


def test_an_isolated_camera_keeps_its_stream_to_the_recorder(
    hosts: tuple[Namespace, Namespace, Namespace], firewall: Nftables
) -> None:
    _, camera, far = hosts
    with stream(camera, far, RECORDER) as (ours, theirs):
        firewall.apply(with_level(SITE, 0, Level.ISOLATE))

        ours.sendall(b"frame")
        assert theirs.recv(100) == b"frame"
        theirs.sendall(b"ack")
        assert ours.recv(100) == b"ack"


def test_a_quarantined_camera_still_reaches_the_gateway(
    hosts: tuple[Namespace, Namespace, Namespace], firewall: Nftables
) -> None:
    gateway, camera, _ = hosts
    firewall.apply(with_level(SITE, 0, Level.QUARANTINE))

    with stream(camera, gateway, "10.9.0.1") as (ours, theirs):
        ours.sendall(b"version?")
        assert theirs.recv(100) == b"version?"


def test_no_allowed_packet_is_lost_while_others_change(
    hosts: tuple[Namespace, Namespace, Namespace], firewall: Nftables
) -> None:
    _, camera, far = hosts
    with far.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind((RECORDER, 0))
    with camera.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    levels = list(Level)
    held = with_level(SITE, 0, Level.ISOLATE)
    with receiver, sender:
        receiver.settimeout(5)
        for number in range(100):
            firewall.apply(with_level(held, 1, levels[number % 4]))
            sender.sendto(number.to_bytes(2, "big"), receiver.getsockname())

        assert [int.from_bytes(receiver.recv(10), "big") for _ in range(100)] == list(range(100))
