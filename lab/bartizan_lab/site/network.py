"""Builds an estate's namespaces and cables from its plan, and takes them away whatever happens."""

import contextlib
import functools
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from bartizan.ids import Mac
from bartizan_lab.netns import PREFIX, Namespace, bridge, may_name, route_between, sweep, veth
from bartizan_lab.network import HostNetwork
from bartizan_lab.site import plan
from bartizan_lab.site.plan import CameraPlan, SitePlan
from bartizan_lab.switch.state import DEFAULT_VLAN, bridge_of

DEVICE_INTERFACE = "eth0"
MANAGEMENT_INTERFACE = "mgmt0"
SWITCH_INTERFACE = "sw0"


class SiteNetwork:
    """One site's namespaces. Cameras can be plugged in at any time."""

    def __init__(self, site: SitePlan, core: Namespace) -> None:
        self.plan = site
        self.gateway = Namespace(f"gw{site.number}")
        self.recorder = Namespace(f"rec{site.number}")
        self.router = self.gateway if not site.bridged else Namespace(f"rtr{site.number}")
        """Who routes for the cameras: the gateway itself, or a router of the site's own beyond it."""
        self.switch = Namespace(f"sw{site.number}")
        """The cameras' switch: with `managed_switch`, a place for a `bartizan_lab.switch.managed.ManagedSwitch`."""
        self._bridge = bridge_of(DEFAULT_VLAN) if site.managed_switch else "br0"
        self._core = core
        self._cameras: dict[str, Namespace] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for namespace in (self.gateway, self.switch, self.recorder):
            self._stack.enter_context(namespace)
        # A plain switch has no addresses; with one it would be found as a device.
        self.switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        veth(self.gateway, plan.CAMERA_INTERFACE, self.switch, "uplink")
        bridge(self.switch, self._bridge, "uplink")
        if self.plan.managed_switch:
            self._wire_management()
        if self.plan.bridged:
            self._wire_bridge()
        else:
            self._wire_router(self.gateway, plan.CAMERA_INTERFACE)
        for camera in self.plan.cameras:
            self.plug_in(camera)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def reboot(self, boot: Callable[[Namespace], None]) -> None:
        """Do to the gateway what a loss of power does. Whatever ran there must have ended.

        Its interfaces come, down and without addresses, to a kernel that knows nothing of what the one before enforced.
        Cables and MAC addresses stay, and nobody at their other ends is told.

        Args:
            boot: What the machine does before its network is up.
        """
        before, self.gateway = self.gateway, self._stack.enter_context(Namespace(f"gw{self.plan.number}"))
        for port in self._ports():
            before.ip(f"link set {port} netns {self.gateway.path}")
        boot(self.gateway)
        if self.plan.bridged:
            self._bring_up_bridge()
        else:
            self.router = self.gateway
            self._bring_up_router(self.gateway, plan.CAMERA_INTERFACE)
        if self.plan.managed_switch:
            self._bring_up_management()

    def plug_in(self, camera: CameraPlan) -> None:
        """Make a camera's namespace and put its cable into the switch."""
        host = self._stack.enter_context(Namespace(f"cam{self.plan.number}-{camera.number}"))
        self._cameras[camera.name] = host
        port = f"p{camera.number}"
        host.sysctl("net.ipv6.conf.default.accept_dad", "0")
        veth(self.switch, port, host, DEVICE_INTERFACE)
        self.switch.ip(f"link set {port} master {self._bridge}", f"link set {port} up")
        prefix6 = self.plan.prefix6(1)
        host.ip(
            f"link set {DEVICE_INTERFACE} address {camera.mac}",
            f"address add {self.plan.camera(camera.number)}/24 brd + dev {DEVICE_INTERFACE}",
            f"address add {prefix6}::{10 + camera.number:x}/64 dev {DEVICE_INTERFACE} nodad",
            f"link set {DEVICE_INTERFACE} up",
            f"route add default via {self.plan.gateway(1)}",
            f"route add default via {prefix6}::1",
        )

    def camera_host(self, camera: CameraPlan) -> Namespace:
        """Return the namespace that a camera lives in."""
        return self._cameras[camera.name]

    def camera_network(self, camera: CameraPlan) -> HostNetwork:
        """Return a camera's place, whose sockets are made inside its namespace."""
        return _place(
            self._cameras[camera.name],
            self.plan.camera(camera.number),
            f"{self.plan.prefix6(1)}::{10 + camera.number:x}",
            camera.mac,
        )

    def recorder_network(self) -> HostNetwork:
        """Return the recorder's place."""
        return _place(self.recorder, self.plan.recorder, f"{self.plan.prefix6(2)}::10", Mac("02:00:00:00:00:10"))

    def _ports(self) -> tuple[str, ...]:
        """Return the interfaces of the gateway that have cables."""
        site = self.plan
        ports = [plan.CAMERA_INTERFACE, plan.UPLINK_INTERFACE]
        ports += [] if site.bridged else [plan.RECORDER_INTERFACE]
        ports += [MANAGEMENT_INTERFACE] if site.managed_from_inside else []
        return (*ports, SWITCH_INTERFACE) if site.managed_switch else tuple(ports)

    def _wire_bridge(self) -> None:
        """Put the gateway between the cameras' switch and a router of the site's own."""
        router = self._stack.enter_context(self.router)
        veth(router, "lan0", self.gateway, plan.UPLINK_INTERFACE)
        self._wire_router(router, "lan0")
        if self.plan.managed_from_inside:
            veth(self.switch, "pmgmt", self.gateway, MANAGEMENT_INTERFACE)
            self.switch.ip(f"link set pmgmt master {self._bridge}", "link set pmgmt up")
        self._bring_up_bridge()

    def _bring_up_bridge(self) -> None:
        own = MANAGEMENT_INTERFACE if self.plan.managed_from_inside else "br0"
        bridge(self.gateway, "br0", plan.CAMERA_INTERFACE, plan.UPLINK_INTERFACE)
        self.gateway.ip(
            f"link set {own} up",
            f"address add {self.plan.own}/24 brd + dev {own}",
            f"route add default via {self.plan.gateway(1)}",
        )

    def _wire_management(self) -> None:
        """Lay a cable between the gateway and the managed switch that no camera can reach."""
        veth(self.gateway, SWITCH_INTERFACE, self.switch, "mgmt0")
        self._bring_up_management()
        self.switch.ip(f"address add {plan.SWITCH}/24 dev mgmt0", "link set mgmt0 up")

    def _bring_up_management(self) -> None:
        self.gateway.ip(
            f"address add {plan.SWITCH_MANAGER}/24 dev {SWITCH_INTERFACE}", f"link set {SWITCH_INTERFACE} up"
        )

    def _wire_router(self, gateway: Namespace, camera_interface: str) -> None:
        site = self.plan
        veth(gateway, plan.RECORDER_INTERFACE, self.recorder, DEVICE_INTERFACE)
        _attach_to_core(self._core, gateway, plan.UPLINK_INTERFACE, f"gw{site.number}")
        self._bring_up_router(gateway, camera_interface)
        self.recorder.ip(
            f"address add {site.recorder}/24 brd + dev {DEVICE_INTERFACE}",
            f"address add {site.prefix6(2)}::10/64 dev {DEVICE_INTERFACE} nodad",
            f"link set {DEVICE_INTERFACE} up",
            f"route add default via {site.gateway(2)}",
            f"route add default via {site.prefix6(2)}::1",
        )
        self._core.ip(
            f"route add 10.{90 + site.number}.0.0/16 via {site.uplink}",
            f"route add fd00:{site.number}::/32 via fd00:80::{100 + site.number:x}",
        )

    def _bring_up_router(self, gateway: Namespace, camera_interface: str) -> None:
        site = self.plan
        route_between(gateway)
        gateway.ip(
            f"address add {site.gateway(1)}/24 brd + dev {camera_interface}",
            f"address add {site.prefix6(1)}::1/64 dev {camera_interface}",
            f"link set {camera_interface} up",
            f"address add {site.gateway(2)}/24 brd + dev {plan.RECORDER_INTERFACE}",
            f"address add {site.prefix6(2)}::1/64 dev {plan.RECORDER_INTERFACE}",
            f"link set {plan.RECORDER_INTERFACE} up",
            f"address add {site.uplink}/24 brd + dev {plan.UPLINK_INTERFACE}",
            f"address add fd00:80::{100 + site.number:x}/64 dev {plan.UPLINK_INTERFACE}",
            f"link set {plan.UPLINK_INTERFACE} up",
            f"route add default via {plan.CORE_ROUTER}",
            "route add default via fd00:80::fe",
        )


class EstateNetwork:
    """The core network, the internet behind it, and the sites around it."""

    def __init__(self, sites: tuple[SitePlan, ...]) -> None:
        self.core = Namespace("core")
        self.internet = Namespace("net")
        self.controller = Namespace("ctl")
        self.server = Namespace("srv")
        self.sites = tuple(SiteNetwork(site, self.core) for site in sites)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        sweep()
        self._stack.enter_context(_undertaker())
        with contextlib.ExitStack() as building:
            for host in (self.core, self.internet, self.controller, self.server):
                building.enter_context(host)
            self._wire_core()
            for site in self.sites:
                building.enter_context(site)
            self._stack.push(building.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def internet_network(self) -> HostNetwork:
        """Return the place of the vendors' clouds."""
        return _place(self.internet, plan.INTERNET, plan.INTERNET6, Mac("02:00:00:00:00:20"))

    def server_network(self) -> HostNetwork:
        """Return the place of the department's own server in the core network."""
        return _place(self.server, plan.CORE_SERVER, "fd00:80::14", Mac("02:00:00:00:00:30"))

    def _wire_core(self) -> None:
        route_between(self.core)
        bridge(self.core, "br0")
        self.core.ip(f"address add {plan.CORE_ROUTER}/24 brd + dev br0", "address add fd00:80::fe/64 dev br0")
        for host, name, address, address6 in (
            (self.controller, "ctl", plan.CONTROLLER, "fd00:80::a"),
            (self.server, "srv", plan.CORE_SERVER, "fd00:80::14"),
        ):
            _attach_to_core(self.core, host, DEVICE_INTERFACE, name)
            host.ip(
                f"address add {address}/24 brd + dev {DEVICE_INTERFACE}",
                f"address add {address6}/64 dev {DEVICE_INTERFACE} nodad",
                f"route add default via {plan.CORE_ROUTER}",
                "route add default via fd00:80::fe",
            )
        veth(self.core, "wan0", self.internet, DEVICE_INTERFACE)
        self.core.ip(
            "address add 203.0.113.1/24 dev wan0", "address add 2001:db8:113::1/64 dev wan0", "link set wan0 up"
        )
        self.internet.ip(
            f"address add {plan.INTERNET}/24 brd + dev {DEVICE_INTERFACE}",
            f"address add {plan.INTERNET6}/64 dev {DEVICE_INTERFACE} nodad",
            f"link set {DEVICE_INTERFACE} up",
            "route add default via 203.0.113.1",
            "route add default via 2001:db8:113::1",
        )


def _attach_to_core(core: Namespace, host: Namespace, interface: str, port: str) -> None:
    veth(core, port, host, interface)
    core.ip(f"link set {port} master br0", f"link set {port} up")
    host.ip(f"link set {interface} up")


def _place(host: Namespace, address: str, address6: str, mac: Mac) -> HostNetwork:
    return HostNetwork(
        address, interface=DEVICE_INTERFACE, mac=mac, address6=address6, new_socket=functools.partial(_new_socket, host)
    )


def _new_socket(host: Namespace, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    with host.entered():
        return socket.socket(family, kind)


@contextlib.contextmanager
def _undertaker() -> Iterator[None]:
    """Have a small process delete this process's namespaces when it dies, even by SIGKILL."""
    if not may_name():
        yield
        return
    ours = f"/run/netns/{PREFIX}{os.getpid()}-*"
    script = f'cat >/dev/null; for n in {ours}; do [ -e "$n" ] && ip netns delete "${{n##*/}}"; done'
    # Its standard input ends when this process does; a session of its own keeps Ctrl-C away from it.
    watcher = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        # Alive, this process takes its own away; it may have others that are still in use.
        watcher.kill()
        watcher.communicate(timeout=30)
