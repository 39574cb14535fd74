"""When a filter closed, as seen on the wire: a process of its own sends stamped packets from the camera.

The oldest stamp after all that arrived says when the first packet was dropped.
"""

import contextlib
import mmap
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator

from bartizan_lab.netns import Namespace
from bench.filter_site import CLOUD, Site

SETTLE_SECONDS = 0.05
"""Between one change and the next: the kernel clears away what one transaction replaced, and the next waits for it."""
CLOSED_SECONDS = 5.0
"""What is not closed by then was not closed. An order may have to wait for what the agent is at."""
PACE_SECONDS = 0.00005
STAMPS = 200_000  # ten seconds of them
STAMP = struct.Struct("=Q")


def first_dropped(site: Site, kind: socket.SocketKind, close: Callable[[], object]) -> float:
    """Return milliseconds from the call of `close` to when the first packet was sent that did not pass any more.

    The last one that passed would make a filter look fast whenever the sender itself had to wait.

    Args:
        site: Whose camera sends to the far host.
        kind: As datagrams, or as one open stream.
        close: Closes the filter, or has it closed soon.

    Raises:
        TimeoutError: It was not closed.
    """
    with _stamps(site, kind) as (receiver, sent):
        time.sleep(SETTLE_SECONDS)
        receiver.recv(STAMP.size)
        began = time.monotonic_ns()
        close()
        return (_oldest_dropped(receiver, sent) - began) / 1e6


def _oldest_dropped(receiver: socket.socket, sent: mmap.mmap) -> int:
    """Return the oldest stamp that did not arrive, once nothing arrives any more although stamps are sent."""
    gives_up_at = time.monotonic() + CLOSED_SECONDS
    receiver.settimeout(SETTLE_SECONDS)
    newest = 0
    while time.monotonic() < gives_up_at:
        try:
            while time.monotonic() < gives_up_at and (data := receiver.recv(STAMP.size)):
                newest = max(newest, STAMP.unpack(data)[0])
        except TimeoutError:
            stamps: Iterator[tuple[int]] = STAMP.iter_unpack(sent)
            if (dropped := min((stamp for (stamp,) in stamps if stamp > newest), default=0)) and newest:
                return dropped
    raise TimeoutError(f"packets still pass after {CLOSED_SECONDS:g} s: the filter was not closed")


@contextlib.contextmanager
def _stamps(site: Site, kind: socket.SocketKind) -> Iterator[tuple[socket.socket, mmap.mmap]]:
    """Yield a socket of the far host on which stamps of the camera arrive until the block ends, and all those sent."""
    with site.far.entered():
        here = socket.socket(socket.AF_INET, kind)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        here.bind((CLOUD, 0))
        if kind is socket.SOCK_STREAM:
            here.listen()
    sent = mmap.mmap(-1, STAMP.size * STAMPS)
    child = os.fork()
    if not child:
        _send_stamps(site.camera, kind, here.getsockname(), sent)
    try:
        receiver = here.accept()[0] if kind is socket.SOCK_STREAM else here
        with here, receiver:
            receiver.settimeout(5)
            yield receiver, sent
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sent.close()


def _send_stamps(camera: Namespace, kind: socket.SocketKind, to: tuple[str, int], sent: mmap.mmap) -> None:
    """Run as the sending process until killed, or there is no room for more."""
    try:
        with camera.entered():
            sender = socket.socket(socket.AF_INET, kind)
            sender.connect(to)
            if kind is socket.SOCK_STREAM:
                sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(STAMPS):
                stamp = STAMP.pack(time.monotonic_ns())
                sent[number * STAMP.size : (number + 1) * STAMP.size] = stamp
                sender.send(stamp)
                time.sleep(PACE_SECONDS)
    finally:
        os._exit(0)
