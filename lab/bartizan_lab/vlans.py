"""Switches with VLANs, for kernels that have none: Open vSwitch, whose userspace datapath asks only for TUN.

Their ports are interfaces that the namespace already has; `interface` makes one of a VLAN's own, as `cam0.20` would be:

    with VlanSwitches(gateway, folder) as switches:
        switch = switches.add("sw0")
        switch.trunk("lan0", 20, 30)
        switch.interface("lan0.20", 20)
        gateway.ip("address add 10.9.20.1/24 dev lan0.20", "link set lan0.20 up")

Frames keep no checksum that the sender left to its interface: turn that off where a cable leaves a host (`checksums`).
"""

import contextlib
import ctypes
import fcntl
import socket
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bartizan_lab.netns import Namespace

START_SECONDS = 10.0
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17


class VlanSwitches:
    """The switches inside one namespace, there while the context is.

    Args:
        host: Whose interfaces become ports.
        folder: For their database, sockets and logs; used by nobody else.
    """

    def __init__(self, host: Namespace, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self._database = f"unix:{folder / 'db'}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._host.run("ovsdb-tool", "create", str(self._folder / "conf.db"), _SCHEMA)
        try:
            self._start("ovsdb-server", str(self._folder / "conf.db"), f"--remote=p{self._database}")
            self._wait_for(self._folder / "db")
            self.configure("--no-wait", "init")
            self._start("ovs-vswitchd", self._database)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, name: str) -> "VlanSwitch":
        """Make a switch without ports."""
        self.configure("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")
        return VlanSwitch(self, name)

    def configure(self, *arguments: str) -> None:
        """Run one `ovs-vsctl` command to its end."""
        self._host.run("ovs-vsctl", f"--timeout={START_SECONDS:.0f}", f"--db={self._database}", *arguments)

    def _start(self, program: str, *arguments: str) -> None:
        log = self._stack.enter_context((self._folder / f"{program}.log").open("ab"))
        started = subprocess.Popen(
            self._host.command("setpriv", "--pdeathsig", "KILL", program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "OVS_RUNDIR": str(self._folder)},
        )
        self._stack.callback(started.wait)
        self._stack.callback(started.kill)

    def _wait_for(self, path: Path) -> None:
        ends_at = time.monotonic() + START_SECONDS
        while not path.exists():
            if time.monotonic() > ends_at:
                raise RuntimeError(f"Open vSwitch made no {path}: see the logs beside it")
            time.sleep(0.01)


class VlanSwitch:
    """One switch, to add ports to."""

    def __init__(self, switches: VlanSwitches, name: str) -> None:
        self._switches = switches
        self._name = name

    def trunk(self, port: str, *vlans: int) -> None:
        """Make an interface a port on which these VLANs are tagged, and nothing is untagged."""
        self._add(port, "vlan_mode=trunk", f"trunks={','.join(map(str, vlans))}")

    def access(self, port: str, vlan: int) -> None:
        """Make an interface a port of one VLAN, without tags."""
        self._add(port, f"tag={vlan}")

    def interface(self, name: str, vlan: int) -> None:
        """Make an interface of the host's own in a VLAN. It is down."""
        self._add(name, f"tag={vlan}", "--", "set", "interface", name, "type=internal")

    def _add(self, port: str, *settings: str) -> None:
        self._switches.configure("add-port", self._name, port, *settings)


def checksums(host: Namespace, interface: str) -> None:
    """Have a host reckon the checksums of what it sends itself, as it must where a switch of this kind carries it."""
    command = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0), 8)
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(command))  # struct ifreq
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
