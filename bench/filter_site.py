"""What the packet filter's benchmarks share: a site to enforce, a network to enforce it on, and bare libnftables."""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network
from bartizan_lab.netns import Namespace, route_between, veth

CAMERA_MAC = Mac("02:00:00:00:00:01")
CAMERA, RECORDER, CLOUD = Address("10.9.0.2"), Address("10.1.0.5"), Address("203.0.113.9")


def ruleset(size: int, level: Level = Level.ISOLATE) -> Ruleset:
    """Return a ruleset of `size` dual-stack devices with recorders of their own; the first is the one that sends."""
    return Ruleset(
        segments=(Segment("cam0", Level.ISOLATE),),
        estate_networks=(Network("10.0.0.0/8"), Network("fd00::/8")),
        devices=tuple(_device(number, level) for number in range(size)),
        segment_recorders=(Address("10.1.0.6"),),
    )


def first_at(site: Ruleset, level: Level) -> Ruleset:
    """Return the ruleset with the first device at another level."""
    first, *others = site.devices
    return msgspec.structs.replace(site, devices=(msgspec.structs.replace(first, level=level), *others))


def _device(number: int, level: Level) -> ContainedDevice:
    high, low = divmod(number + 1, 256)
    return ContainedDevice(
        id=DeviceId(f"device-{number}"),
        interface="cam0",
        level=level,
        macs=(Mac(f"02:00:00:00:{high:02x}:{low:02x}"),),
        addresses=(Address(f"10.9.{(number + 2) >> 8}.{(number + 2) & 255}"), Address(f"fd00:9::{number + 2:x}")),
        recorders=(RECORDER, Address("fd00:1::5")),
    )


class Site(NamedTuple):
    """A camera, its gateway, and a far host that is recorder and cloud in one."""

    camera: Namespace
    gateway: Namespace
    far: Namespace


@contextlib.contextmanager
def network() -> Iterator[Site]:
    """Make the site's network, and take it away at the end."""
    with Namespace("camera") as camera, Namespace("gateway") as gateway, Namespace("far") as far:
        route_between(gateway)
        veth(gateway, "cam0", camera, "eth0")
        veth(gateway, "core0", far, "eth0")
        gateway.ip("addr add 10.9.0.1/16 dev cam0", "addr add 10.1.0.1/24 dev core0")
        gateway.ip("link set cam0 up", "link set core0 up", f"route add {CLOUD} via {RECORDER}")
        camera.ip(f"link set eth0 address {CAMERA_MAC}", f"addr add {CAMERA}/16 dev eth0", "link set eth0 up")
        camera.ip("route add default via 10.9.0.1")
        far.ip(f"addr add {RECORDER}/24 dev eth0", f"addr add {CLOUD}/32 dev lo", "link set eth0 up")
        far.ip("route add default via 10.1.0.1")
        yield Site(camera, gateway, far)


class BareNftables:
    """libnftables as anybody would call it: one context, one call, nothing looked at but the return code."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libnftables.so.1")
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.nft_ctx_new(0))

    def __call__(self, text: str) -> None:
        """Carry out a transaction."""
        if self._library.nft_run_cmd_from_buffer(self._context, text.encode()):
            raise RuntimeError("libnftables refused the floor's own text")
