"""When a filter closed, as seen on the wire: a process of its own sends stamped packets from the camera.

The newest stamp that arrives says when the last packet passed.
"""

import contextlib
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
STAMP = struct.Struct("=Q")


def last_passed(site: Site, kind: socket.SocketKind, close: Callable[[], None], *, within: float = 0.0) -> float:
    """Return milliseconds from the call of `close` to when the last packet that passed was sent.

    Args:
        site: Whose camera sends to the far host.
        kind: As datagrams, or as one open stream.
        close: Closes the filter, or has it closed within so many seconds.
        within: So many.
    """
    with _stamps(site, kind) as receiver:
        time.sleep(SETTLE_SECONDS)
        receiver.recv(STAMP.size)
        began = time.monotonic_ns()
        close()
        time.sleep(within + SETTLE_SECONDS)
        return (_newest(receiver) - began) / 1e6


def _newest(receiver: socket.socket) -> int:
    receiver.setblocking(False)
    newest = 0
    with contextlib.suppress(BlockingIOError):
        while data := receiver.recv(STAMP.size):
            newest = max(newest, STAMP.unpack(data)[0])
    return newest


@contextlib.contextmanager
def _stamps(site: Site, kind: socket.SocketKind) -> Iterator[socket.socket]:
    """Yield a socket of the far host on which stamps of the camera's clock arrive until the block ends."""
    with site.far.entered():
        here = socket.socket(socket.AF_INET, kind)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        here.bind((CLOUD, 0))
        if kind is socket.SOCK_STREAM:
            here.listen()
    child = os.fork()
    if not child:
        _send_stamps(site.camera, kind, here.getsockname())
    try:
        receiver = here.accept()[0] if kind is socket.SOCK_STREAM else here
        with here, receiver:
            receiver.settimeout(5)
            yield receiver
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _send_stamps(camera: Namespace, kind: socket.SocketKind, to: tuple[str, int]) -> None:
    """Run as the sending process until killed."""
    try:
        with camera.entered():
            sender = socket.socket(socket.AF_INET, kind)
            sender.connect(to)
            if kind is socket.SOCK_STREAM:
                sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ends_at = time.monotonic() + 10
            while time.monotonic() < ends_at:
                sender.send(STAMP.pack(time.monotonic_ns()))
                time.sleep(PACE_SECONDS)
    finally:
        os._exit(0)
