"""Network namespaces: small networks on one machine that touch no real interface.

A `Namespace` is a host. Wire hosts together with `veth`, put switches between them with `bridge`:

    with Namespace("gateway") as gateway, Namespace("camera") as camera:
        veth(gateway, "cam0", camera, "eth0")
        gateway.ip("address add 10.9.0.1/24 dev cam0", "link set cam0 up")
        camera.ip("address add 10.9.0.2/24 dev eth0", "link set eth0 up")
        gateway.run("ping", "-c1", "10.9.0.2")
        with camera.entered():
            listener = socket.create_server(("10.9.0.2", 80))

Root may name namespaces, so that `ip netns exec` reaches them. Root of a user namespace (`unshare -rnm`) may not:
there they live as long as this object, or a process inside them, does.
"""

import contextlib
import ctypes
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "bzt-"
COMMAND_SECONDS = 30.0
_LOOK_SECONDS = 0.005

_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class Namespace:
    """A network namespace with its loopback up, made on entering and deleted on leaving.

    Args:
        label: What it stands for. The name, unique on this machine, is `bzt-<process>-<number>-<label>`.
    """

    def __init__(self, label: str) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{next(_numbers)}-{label}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = _open_named(self.name) if may_name() else _open_unnamed()
        self.ip("link set lo up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        if may_name():
            _command("ip", "netns", "delete", self.name)

    @property
    def path(self) -> str:
        """A path to the namespace that any process on the machine can open while this object lives."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread inside for the block; sockets made there stay inside. Never await in the block."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._descriptor)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def command(self, *arguments: str) -> list[str]:
        """Return the argument list that runs a program inside, for whoever starts processes themselves."""
        return ["nsenter", f"--net={self.path}", "--", *arguments]

    def run(self, *arguments: str, text_in: str = "") -> str:
        """Run a program inside to its end and return what it printed.

        Raises:
            RuntimeError: It failed; the message holds its error output.
            subprocess.TimeoutExpired: It took longer than `COMMAND_SECONDS`.
        """
        with self.entered():
            return _command(*arguments, text_in=text_in)

    def ip(self, *lines: str) -> None:
        """Run `ip` commands inside, all by one process: `ip("link set eth0 up", "route add default via 10.9.0.1")`."""
        self.run("ip", "-batch", "-", text_in="\n".join(lines) + "\n")

    def sysctl(self, key: str, value: str) -> None:
        """Set a sysctl of this namespace: `sysctl("net.ipv4.ip_forward", "1")`."""
        with self.entered():
            Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")


def veth(one: Namespace, one_interface: str, other: Namespace, other_interface: str) -> None:
    """Lay a cable between two namespaces. Both ends are down."""
    one.ip(f"link add {one_interface} type veth peer name {other_interface} netns {other.path}")


def bridge(host: Namespace, name: str, *ports: str) -> None:
    """Make a switch out of interfaces that `host` already has, all of it up and forwarding at once."""
    host.ip(
        f"link add {name} type bridge forward_delay 0 mcast_snooping 0",
        *(f"link set {port} master {name}" for port in ports),
        *(f"link set {port} up" for port in (*ports, name)),
    )


def until_up(host: Namespace, *interfaces: str) -> None:
    """Return when interfaces pass frames. The kernel takes up a new cable only after a moment, and drops until then.

    Raises:
        TimeoutError: They do not; the other end may be down.
    """
    deadline = time.monotonic() + COMMAND_SECONDS
    for name in interfaces:
        while "state UP" not in host.run("ip", "link", "show", name):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} of {host.name} gets no carrier")
            time.sleep(_LOOK_SECONDS)


def route_between(host: Namespace) -> None:
    """Let `host` forward IPv4 and IPv6, and take part in IPv6 at once instead of after duplicate detection."""
    for key, value in (
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv6.conf.default.accept_dad", "0"),
    ):
        host.sysctl(key, value)


def may_make() -> bool:
    """Return whether this process can make network namespaces, for tests that must say why they were left out."""
    return os.geteuid() == 0


def may_name() -> bool:
    """Return whether namespaces get names here; root of a user namespace cannot write `/run`."""
    return os.access(_NAMED if _NAMED.exists() else _NAMED.parent, os.W_OK)


def sweep() -> None:
    """Delete named namespaces that a killed process left behind."""
    if not may_name():
        return
    for left in _NAMED.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            _delete(left.name)


def _delete(name: str) -> None:
    try:
        _command("ip", "netns", "delete", name)
    except RuntimeError:
        if (_NAMED / name).exists():  # else another process swept it away at the same moment
            raise


def _open_named(name: str) -> int:
    _command("ip", "netns", "add", name)
    return os.open(_NAMED / name, os.O_RDONLY | os.O_CLOEXEC)


def _open_unnamed() -> int:
    # A thread of its own, because unsharing moves the thread that does it.
    opened: list[int | OSError] = []

    def unshare() -> None:
        if _libc.unshare(_CLONE_NEWNET):
            opened.append(_last_error("unshare"))
        else:
            opened.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    thread = threading.Thread(target=unshare)
    thread.start()
    thread.join()
    (result,) = opened
    if isinstance(result, OSError):
        raise result
    return result


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise _last_error("setns")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")


def _command(*arguments: str, text_in: str = "") -> str:
    done = subprocess.run(
        arguments, input=text_in, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
