"""What /proc says of a process's memory, in MB of a million octets; and the most that it takes with its children."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_OCTETS_OF_KILOBYTE = 1024
_MEGABYTE = 1_000_000
_LOOK_SECONDS = 0.02


class MemoryUse(NamedTuple):
    """One process at one moment."""

    resident: float
    """All of its pages that are in memory (VmRSS)."""
    highest: float
    """The most that was, since it started (VmHWM)."""
    proportional: float
    """Pages that several processes share counted in parts (Pss)."""
    private: float
    """What would be free without it (Private_Clean and Private_Dirty)."""

    @classmethod
    def of(cls, pid: int) -> "MemoryUse":
        folder = Path("/proc", str(pid))
        status, shares = _sizes(folder / "status"), _sizes(folder / "smaps_rollup")
        private = shares["Private_Clean"] + shares["Private_Dirty"]
        return cls(status["VmRSS"], status["VmHWM"], shares["Pss"], private)


async def highest_with_children(pid: int, found: list[float]) -> None:
    """Until cancelled, append to `found` the Pss of a process and its children together whenever it has children.

    A child that lives shorter than a look may be missed.
    """
    while True:
        children = _children(pid)
        if children:
            with suppress(OSError, KeyError):  # it ended while it was looked at
                found.append(sum(_sizes(Path("/proc", str(one), "smaps_rollup"))["Pss"] for one in (pid, *children)))
        await asyncio.sleep(_LOOK_SECONDS)


def _children(pid: int) -> list[int]:
    tasks = Path("/proc", str(pid), "task").glob("*/children")
    try:
        return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]
    except OSError:
        return []


def _sizes(file: Path) -> dict[str, float]:
    lines = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return {
        words[0].rstrip(":"): int(words[1]) * _OCTETS_OF_KILOBYTE / _MEGABYTE for words in lines if words[-1:] == ["kB"]
    }
