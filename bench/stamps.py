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
PACE_SECONDS = 0.00005
STAMPS = 200_000  # ten seconds of them
STAMP = struct.Struct("=Q")


def first_dropped(site: Site, kind: socket.SocketKind, close: Callable[[], None], *, within: float = 0.0) -> float:
    """Return milliseconds from the call of `close` to when the first packet was sent that did not pass any more.

    The last one that passed would make a filter look fast whenever the sender itself had to wait.

    Args:
        site: Whose camera sends to the far host.
        kind: As datagrams, or as one open stream.
        close: Closes the filter, or has it closed within so many seconds.
        within: So many.
    """
    with _stamps(site, kind) as (receiver, sent):
        time.sleep(SETTLE_SECONDS)
        receiver.recv(STAMP.size)
        began = time.monotonic_ns()
        close()
        time.sleep(within + SETTLE_SECONDS)
        newest = _newest(receiver)
        stamps: Iterator[tuple[int]] = STAMP.iter_unpack(sent)
        return (min(stamp for (stamp,) in stamps if stamp > newest) - began) / 1e6


def _newest(receiver: socket.socket) -> int:
    receiver.setblocking(False)
    newest = 0
    with contextlib.suppress(BlockingIOError):
        while data := receiver.recv(STAMP.size):
            newest = max(newest, STAMP.unpack(data)[0])
    return newest


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
