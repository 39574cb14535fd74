"""A full scan of 250 devices, against a bare scan that learns nothing and against nmap, and what it learned.

The site is a switch in network namespaces; its devices are the lab's, in processes of their own. What is learned is
compared with the lab's truth: recall is how much of what could be known is known, precision how much of it is right.
"""

import asyncio
import contextlib
import functools
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bartizan.identity.model import Device
from bartizan.ids import Mac
from bartizan_agent.discovery.interfaces import dump, named
from bartizan_agent.discovery.pace import Limits
from bartizan_agent.discovery.rtnetlink import RTM_GETNEIGH, Neighbour
from bartizan_agent.discovery.scan import scan
from bartizan_agent.discovery.sweep import target
from bartizan_agent.inventory import merge
from bartizan_agent.knowledge import packaged
from bartizan_lab.cameras import Camera, make
from bartizan_lab.cameras.living import living
from bartizan_lab.netns import Namespace, bridge, sweep, veth
from bartizan_lab.network import HostNetwork
from bench.floor import Goal, Result, in_turn, report

DEVICES = 250
ROUNDS = 5
INTERFACE = "cam0"
NMAP_DEVICES = 20
"""nmap -sV works on 20 hosts at a time, a minute each: all 250 took it 687 s. Our whole scan must beat these 20."""
NMAP_SECONDS = 300

MIX = {
    "hikvision": 90,
    "hikvision-oem": 40,
    "hikvision-nvr": 10,
    "dahua": 50,
    "dahua-oem": 20,
    "axis": 30,
    "onvif": 8,
    "printer": 2,
}
MAKERS = {
    "hikvision-oem": "hikvision",
    "hikvision-nvr": "hikvision",
    "dahua-oem": "dahua",
    "onvif": "vivotek",
    "printer": "",
}
"""Who built each kind, where the kind is not called so. Of the ONVIF camera only its Vivotek MAC tells."""
FIRMWARE_NEEDS_LOGIN = {"onvif", "printer"}


class Truth(NamedTuple):
    """What a device really is, as far as it can be known without a login."""

    maker: str
    model: str
    firmware: str


class Score:
    """Counts of what was said, what was right, and what could have been said."""

    def __init__(self) -> None:
        self.said = self.right = self.knowable = 0

    def count(self, said: str, truth: str) -> None:
        self.said += bool(said)
        self.knowable += bool(truth)
        self.right += bool(said) and (said == truth or said.startswith(f"{truth} build "))

    @property
    def recall(self) -> float:
        return self.right / max(1, self.knowable)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.said)


def measure() -> Iterator[Result]:
    cameras = [make(kind, number=number) for kind, count in MIX.items() for number in range(1, count + 1)]
    sweep()
    with site(cameras) as gateway:
        found: list[Device] = []
        ours, bare = in_turn(
            lambda: timed(gateway, functools.partial(full_scan, found)), lambda: timed(gateway, bare_scan), ROUNDS
        )
        nmap = timed(gateway, nmap_scan)
    yield Result(f"full scan, {DEVICES} devices", ours, "s", bare, Goal("value", at_most=2.0))
    name = f"the same, against nmap -sV -p80 of {NMAP_DEVICES} of them"
    yield Result(name, ours, "s", nmap, Goal("ratio", at_most=1 / 25))
    truths = {camera.state.mac: truth(kind, camera) for kind, camera in zip(kinds(), cameras, strict=True)}
    yield from judged(found, truths)


def judged(found: list[Device], truths: dict[Mac, Truth]) -> Iterator[Result]:
    """Compare what the last scan found with what is there."""
    makers, models, firmware = Score(), Score(), Score()
    known = {device.macs[0]: device.identity for device in found if device.macs}
    for mac, truth in truths.items():
        identity = known.get(mac)
        makers.count(identity.maker if identity else "", truth.maker)
        models.count(identity.model if identity else "", truth.model)
        firmware.count(identity.firmware if identity else "", truth.firmware)
    yield Result("devices found", len(known.keys() & truths.keys()), "of 250", goal=Goal("value", at_least=len(truths)))
    yield Result("devices invented", len(known.keys() - truths.keys()), "", goal=Goal("value", at_most=0))
    for name, score in (("maker", makers), ("model", models), ("firmware", firmware)):
        yield Result(f"{name}: recall", 100 * score.recall, "%", goal=Goal("value", at_least=99))
        yield Result(f"{name}: precision", 100 * score.precision, "%", goal=Goal("value", at_least=99))


def kinds() -> list[str]:
    return [kind for kind, count in MIX.items() for _ in range(count)]


def truth(kind: str, camera: Camera) -> Truth:
    firmware = "" if kind in FIRMWARE_NEEDS_LOGIN else camera.state.firmware
    return Truth(MAKERS.get(kind, kind), camera.state.model, firmware)


def timed(gateway: Namespace, action: Callable[[], None]) -> float:
    """Return the seconds an action takes on the gateway, which has forgotten its neighbours before."""
    gateway.run("ip", "neigh", "flush", "dev", INTERFACE)
    with gateway.entered():
        began = time.perf_counter()
        action()
        return time.perf_counter() - began


def full_scan(found: list[Device]) -> None:
    """The product: from the first packet to identities and advisories."""
    knowledge = packaged()
    observations = asyncio.run(scan([target(named(INTERFACE), None, Limits())]))
    merged = merge({}, observations, directory=knowledge.directory, advisories=knowledge.advisories, at=time.time())
    found[:] = [entry.device for entry in merged.devices.values()]


def bare_scan() -> None:
    """The floor: wake the link, then one GET to whoever is there. No discovery protocol, no parsing, one port."""
    asyncio.run(_bare_scan())


async def _bare_scan() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nudge:
        for host in range(1, 254):
            nudge.sendto(b"", (f"10.9.0.{host}", 9))
    await asyncio.sleep(0.3)
    alive = [entry.address for entry in dump(RTM_GETNEIGH) if isinstance(entry, Neighbour) and entry.has_answered]
    await asyncio.gather(*(_get(address) for address in alive if ":" not in address))


async def _get(address: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock, contextlib.suppress(OSError):
        await loop.sock_connect(sock, (address, 80))
        await loop.sock_sendall(sock, b"GET / HTTP/1.0\r\n\r\n")
        while await loop.sock_recv(sock, 16384):
            pass


def nmap_scan() -> None:
    """The tool that people know, on devices of all kinds."""
    sample = [f"10.9.0.{number}" for number in range(1, DEVICES + 1, DEVICES // NMAP_DEVICES)][:NMAP_DEVICES]
    command = ["nmap", "-n", "-sV", "-p80", *sample]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=NMAP_SECONDS, check=True)


@contextlib.contextmanager
def site(cameras: list[Camera]) -> Iterator[Namespace]:
    """Plug the cameras into one switch and let them live in a process of their own; yield the gateway."""
    with contextlib.ExitStack() as stack:
        gateway, switch = stack.enter_context(Namespace("gw")), stack.enter_context(Namespace("sw"))
        veth(gateway, INTERFACE, switch, "uplink")
        bridge(switch, "br0", "uplink")
        gateway.ip(f"address add 10.9.0.254/24 brd + dev {INTERFACE}", f"link set {INTERFACE} up")
        places = [plug_in(stack, switch, number, camera) for number, camera in enumerate(cameras, 1)]
        stack.enter_context(living(list(zip(cameras, places, strict=True))))
        yield gateway


def plug_in(stack: contextlib.ExitStack, switch: Namespace, number: int, camera: Camera) -> HostNetwork:
    host = stack.enter_context(Namespace(f"d{number}"))
    veth(switch, f"p{number}", host, "eth0")
    switch.ip(f"link set p{number} master br0", f"link set p{number} up")
    host.ip(
        f"link set eth0 address {camera.state.mac}",
        f"address add 10.9.0.{number}/24 brd + dev eth0",
        "link set eth0 up",
        "route add default dev eth0",
    )
    return HostNetwork(f"10.9.0.{number}", "eth0", camera.state.mac, None, functools.partial(new_socket, host))


def new_socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)


if __name__ == "__main__":
    report(measure)
