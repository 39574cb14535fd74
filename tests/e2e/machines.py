"""What is wrong with a machine on a bad day: its disk is full, or its clock is set."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MEBIBYTE = 1 << 20
_BLOCK = 1 << 16


class SmallDisk:
    """A folder with a disk of its own, which can be filled to the last octet. Make it with `small_disk`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room: not for a file, and not for another octet in one."""
        free = shutil.disk_usage(self.folder).free
        with self._filler.open("ab") as filler, contextlib.suppress(OSError):
            os.posix_fallocate(filler.fileno(), 0, free)
            while True:
                filler.write(bytes(_BLOCK))
                filler.flush()

    def make_room(self) -> None:
        """Take away what fills it."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, octets: int) -> Iterator[SmallDisk]:
    """Give a folder a disk of that size for the block. Whoever uses it must have ended before."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets},mode=0700", "tmpfs", folder], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Clock:
    """The clock of programs that are started with `environment`, set whenever a test wants."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set_right()

    @property
    def environment(self) -> dict[str, str]:
        """What the programs need."""
        return {
            "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds
            # A clock that is set leaves alone what measures time, and what files say of their time.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "FAKE_UTIME": "0",
        }

    def set_right(self) -> None:
        """Have it show what time it is."""
        self._show("+0")

    def set_years_off(self, years: int) -> None:
        """Set it ahead by years, or behind by negative ones."""
        self._show(f"{years:+d}y")

    def _show(self, offset: str) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(offset, encoding="ascii")
        part.replace(self._file)
