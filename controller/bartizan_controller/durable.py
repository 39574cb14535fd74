"""Files that are whole or absent, whatever happens while they are written."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bartizan.errors import Unavailable

Write = Callable[[Path, bytes], None]


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; readable by its owner only. Its folder is made if missing.

    Raises:
        Unavailable: The disk refuses. What was at `path` before is still there.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(temporary, "wb", opener=_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise Unavailable(f"{path} cannot be written: is the disk full or read-only?") from error


def create_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`, which must not exist yet; readable by its owner only.

    Raises:
        FileExistsError: There is one already. It is left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "xb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
