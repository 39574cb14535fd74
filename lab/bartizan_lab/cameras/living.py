"""The lab's cameras in processes of their own, so that their work is not counted as that of whoever looks at them."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator, Sequence
from typing import IO

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.network import Network

PROCESSES = 2
"""250 real cameras answer with 250 processors; what is measured must not queue behind one interpreter."""
UP_SECONDS = 120
Home = tuple[Camera, Network]


class Living:
    """Cameras that are up, in other processes: what is known of them here is what they tell when asked."""

    def __init__(self, processes: Sequence["_Process"]) -> None:
        self._processes = processes

    def logins(self) -> list[int]:
        """Return how often somebody tried to log in to each since it started, in the order of the cameras."""
        told = [process.logins() for process in self._processes]
        count = sum(map(len, told))
        return [told[number % PROCESSES][number // PROCESSES] for number in range(count)]


@contextlib.contextmanager
def living(homes: Sequence[Home]) -> Iterator[Living]:
    """Let cameras live in their places for the block, which begins when all are up. Call it outside an event loop.

    Raises:
        RuntimeError: They did not come up.
    """
    with contextlib.ExitStack() as stack:
        shares = [homes[share::PROCESSES] for share in range(PROCESSES)]
        yield Living([stack.enter_context(_process(share)) for share in shares])


class _Process:
    def __init__(self, pid: int, words: IO[bytes]) -> None:
        self._pid = pid
        self._words = words

    def logins(self) -> list[int]:
        os.kill(self._pid, signal.SIGUSR1)
        counts: list[int] = json.loads(self._words.readline())
        return counts


@contextlib.contextmanager
def _process(homes: Sequence[Home]) -> Iterator[_Process]:
    words_read, words_write = os.pipe()
    child = os.fork()
    if child == 0:
        asyncio.run(_live(homes, words_write))
        os._exit(0)
    os.close(words_write)
    with open(words_read, "rb") as words:  # noqa: PTH123 - a descriptor, not a path
        try:
            if not words.readline():
                raise RuntimeError("the lab's cameras did not come up; see above")
            yield _Process(child, words)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


async def _live(homes: Sequence[Home], words: int) -> None:
    def tell() -> None:
        os.write(words, json.dumps([camera.logins for camera, _ in homes]).encode() + b"\n")

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    async with asyncio.timeout(UP_SECONDS) as limit, asyncio.TaskGroup() as tasks:
        for camera, place in homes:
            tasks.create_task(camera.run(place))
        for camera, _ in homes:
            await camera.wait_until_up()
        limit.reschedule(None)
        os.write(words, b"up\n")
