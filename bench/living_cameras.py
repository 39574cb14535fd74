"""The lab's cameras in processes of their own, so that their work is not counted as the product's."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence

from bartizan_lab.cameras import Camera
from bartizan_lab.network import Network

PROCESSES = 2
"""250 real cameras answer with 250 processors; what is measured must not queue behind one interpreter."""
UP_SECONDS = 120


@contextlib.contextmanager
def living(cameras: Sequence[Camera], places: Sequence[Network]) -> Iterator[None]:
    """Let the cameras live in their places for the block, which begins when all are up. Call it outside an event loop.

    Raises:
        RuntimeError: They did not come up.
    """
    with contextlib.ExitStack() as processes:
        for share in range(PROCESSES):
            processes.enter_context(_process(cameras[share::PROCESSES], places[share::PROCESSES]))
        yield


@contextlib.contextmanager
def _process(cameras: Sequence[Camera], places: Sequence[Network]) -> Iterator[None]:
    up_read, up_write = os.pipe()
    child = os.fork()
    if child == 0:
        asyncio.run(_live(cameras, places, up_write))
        os._exit(0)
    try:
        os.close(up_write)
        with open(up_read, "rb") as up:  # noqa: PTH123 - a descriptor, not a path
            if not up.read(1):
                raise RuntimeError("the lab's cameras did not come up; see above")
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def _live(cameras: Sequence[Camera], places: Sequence[Network], up: int) -> None:
    async with asyncio.timeout(UP_SECONDS) as limit, asyncio.TaskGroup() as tasks:
        for camera, place in zip(cameras, places, strict=True):
            tasks.create_task(camera.run(place))
        for camera in cameras:
            await camera.wait_until_up()
        limit.reschedule(None)
        os.write(up, b"1")
