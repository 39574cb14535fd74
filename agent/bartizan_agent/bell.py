"""How the commands of this package call a running agent: any datagram on a socket in its state folder."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path


async def rings(path: Path) -> AsyncIterator[None]:
    """Yield once for each time, or run of times, that somebody called.

    Raises:
        OSError: The socket cannot be made there.
    """
    loop, rung = asyncio.get_running_loop(), asyncio.Event()
    with _hung(path) as bell:
        loop.add_reader(bell, rung.set)
        try:
            while True:
                await rung.wait()
                rung.clear()
                _drain(bell)
                yield
        finally:
            loop.remove_reader(bell)


@contextmanager
def _hung(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
        bell.bind(str(path))
        path.chmod(0o600)
        try:
            yield bell
        finally:
            path.unlink(missing_ok=True)


def _drain(bell: socket.socket) -> None:
    while True:
        try:
            bell.recv(64)
        except BlockingIOError:
            return
