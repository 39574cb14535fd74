"""What a gateway forwards with 1,000 devices held, against one without any table: bulk TCP, video and small packets."""

import contextlib
import ctypes
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bartizan.containment.level import Level
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_lab.netns import Namespace
from bench.filter_site import RECORDER, Site, network, ruleset
from bench.floor import Goal, Result, in_turn, report

DEVICES = 1_000
ROUNDS = 15
RUN_SECONDS = 0.3
BATCH = 256  # datagrams for one system call
VIDEO, SMALL = 1_200, 64  # octets of a datagram: RTP as cameras send it, and the worst case
CHUNK = bytearray(1 << 20)
PORT = 5540


def measure() -> Iterator[Result]:
    """Measure an isolated camera sending to its own recorder: the longest way through the rules that passes."""
    with network() as held, network() as free, tempfile.TemporaryDirectory() as folder:
        with held.gateway.entered():
            firewall = Nftables(Path(folder))
        with contextlib.closing(firewall):
            firewall.apply(ruleset(DEVICES, Level.ISOLATE))
            for name, unit, run in (
                ("TCP", "MB/s", _megabytes),
                (f"packets of {VIDEO:,} octets", "packets/s", partial(_packets, octets=VIDEO)),
                (f"packets of {SMALL} octets", "packets/s", partial(_packets, octets=SMALL)),
            ):
                value, floor = in_turn(partial(run, held), partial(run, free), ROUNDS)
                goal = Goal("ratio", at_least=0.9)
                yield Result(f"{name} through a gateway, {DEVICES:,} devices", value, unit, floor, goal)


def _megabytes(site: Site) -> float:
    with site.far.entered():
        listener = socket.create_server((RECORDER, 0))
    address = listener.getsockname()

    def send() -> None:
        with socket.create_connection(address, timeout=5) as stream:
            while True:
                stream.sendall(CHUNK)

    with listener, _process(site.camera, send):
        stream, _ = listener.accept()
        with stream:
            stream.recv_into(CHUNK)
            began, received = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - began) < RUN_SECONDS:
                received += stream.recv_into(CHUNK)
    return received / elapsed / 1e6


def _packets(site: Site, *, octets: int) -> float:
    with site.far.entered():
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # What arrives is counted by the interface; the sink is there so that nobody answers "unreachable".
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sink.bind((RECORDER, PORT))
    with sink, _process(site.camera, partial(_flood, octets)):
        time.sleep(RUN_SECONDS / 10)
        began, before = time.perf_counter(), _arrived(site.far)
        time.sleep(RUN_SECONDS)
        return (_arrived(site.far) - before) / (time.perf_counter() - began)


def _arrived(far: Namespace) -> int:
    with far.entered():
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    (counters,) = (line.split() for line in lines if line.lstrip().startswith("eth0:"))
    return int(counters[2])


class _Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """`struct mmsghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


def _flood(octets: int) -> None:
    """Send datagrams in batches, so that the gateway and not Python is what takes the time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((RECORDER, PORT))
        vector = _Vector(bytes(octets), octets)
        messages = (_Message * BATCH)(*(_Message(vectors=ctypes.pointer(vector), vector_count=1) for _ in range(BATCH)))
        send = ctypes.CDLL(None).sendmmsg
        while True:
            send(sender.fileno(), messages, BATCH, 0)


@contextlib.contextmanager
def _process(inside: Namespace, work: Callable[[], None]) -> Iterator[None]:
    """Run `work`, which never ends, in a process of its own until the block does."""
    child = os.fork()
    if not child:
        signal.alarm(10)
        try:
            with inside.entered():
                work()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    report(measure)
