"""How many events were lost, kept where a full disk takes it: in a file whose one block is there already.

What is lost because the disk is full must not be forgotten as well, should the agent be killed before there is room.
"""

import os
from contextlib import suppress
from pathlib import Path

DIGITS = 20


class Losses:
    """The number in one file. Where even that cannot be kept, it is not known after a crash; nothing else suffers.

    Args:
        file: Made here, with its block, while there is room; None: nothing is kept.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.count = _read(file) if file is not None else 0
        """The number that is kept."""
        self.earlier = self.count
        """What an earlier start lost and could not tell."""
        if file is not None and not file.exists():
            self._write(0)

    def keep(self, count: int) -> None:
        """Keep the number, over the one before."""
        if count != self.count:
            self.count = count
            self._write(count)

    def _write(self, count: int) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            # No O_TRUNC: a block that is given back may be gone.
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, f"{count:0{DIGITS}d}\n".encode(), 0)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)


def _read(file: Path) -> int:
    try:
        text = file.read_bytes()[:DIGITS]
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
