"""Whose turn it is with a camera, among the programs of one gateway: the agent, and a person who records a device.

Inside a program its own locks say who is next. Between programs, one octet of a file per camera does: the kernel frees
it when its holder dies, and holds nothing after a restart.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.1  # the kernel tells nobody that a lock was freed, short of a thread that nothing could cancel


class Turns:
    """The turns of one program. Only one object of a program may use the file, of which closing ends all turns.

    Args:
        path: The file; made at the first turn.
        wait_seconds: How long to wait for a turn.
    """

    def __init__(self, path: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self._path = path
        self._wait_seconds = wait_seconds
        self._file: int | None = None

    @asynccontextmanager
    async def turn(self, camera: str) -> AsyncIterator[bool]:
        """Hold the camera's turn for the block. Yields whether it was had: if not, the camera must not be spoken to."""
        place = _place(camera)
        is_ours = await self._had(place)
        try:
            yield is_ours
        finally:
            if is_ours:
                fcntl.lockf(self._opened(), fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """End all turns."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _had(self, place: int) -> bool:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not self._take(place):  # noqa: ASYNC110 - what is waited for is in another program
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    def _take(self, place: int) -> bool:
        try:
            fcntl.lockf(self._opened(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:  # held by another, or the disk refuses the file: then nobody can tell whose turn it is
            return False
        return True

    def _opened(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file


def _place(camera: str) -> int:
    """Return the camera's octet. Two that share one wait for each other, and no more than that."""
    return int.from_bytes(sha256(camera.encode()).digest()[:7])
