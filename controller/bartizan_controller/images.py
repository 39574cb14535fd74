"""Firmware images by the hash of their content: whole and right, or absent."""

import asyncio
import contextlib
import functools
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bartizan.errors import BadSignature, Malformed, Unavailable
from bartizan_controller.errors import NotFound

CHUNK_OCTETS = 1024 * 1024
UPLOAD_PREFIX = ".upload-"
T = TypeVar("T")

_SHA256 = re.compile(r"\A[0-9a-f]{64}\Z")


class ImageStore:
    """A folder of images. A file is named by its SHA-256, so nothing in it ever changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where an image is.

        Raises:
            NotFound: It was never uploaded, or `sha256` is no hash.
        """
        path = self._folder / sha256
        if not _SHA256.match(sha256) or not path.is_file():
            raise NotFound(f"there is no image {sha256[:64]!r}: upload it first")
        return path

    def holds(self, sha256: str) -> bool:
        """Return whether an image is here."""
        return bool(_SHA256.match(sha256)) and (self._folder / sha256).is_file()

    async def keep(self, sha256: str, chunks: AsyncIterator[bytes], *, limit_octets: int) -> int:
        """Take an image in as it comes; return its length, octets.

        Raises:
            Malformed: It is longer than `limit_octets`, or `sha256` is no hash.
            BadSignature: Its content has another hash.
            Unavailable: The disk refuses.
        """
        if not _SHA256.match(sha256):
            raise Malformed("an image is named by its SHA-256: 64 hexadecimal digits in lower case")
        with await self._on_disk(lambda: _Upload(self._folder)) as upload:
            async for chunk in chunks:
                if upload.length + len(chunk) > limit_octets:
                    raise Malformed(f"the image is larger than {limit_octets} octets")
                await self._on_disk(functools.partial(upload.write, chunk))
            if upload.sha256() != sha256:
                raise BadSignature("the image's content has another SHA-256 than its name: upload the right file")
            await self._on_disk(lambda: upload.keep_as(self._folder / sha256))
            return upload.length

    def remove_leavings(self) -> None:
        """Delete what uploads left behind when the controller was killed."""
        for path in self._folder.glob(f"{UPLOAD_PREFIX}*"):
            path.unlink(missing_ok=True)

    async def _on_disk(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(act)
        except OSError as error:
            raise Unavailable(f"{self._folder} cannot be written: is the disk full or read-only?") from error


class _Upload:
    """A file that nobody sees until it is kept, and that is gone if it is not."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=UPLOAD_PREFIX, dir=folder)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self.length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A full disk refuses the last of the buffer once more.
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self.length += len(chunk)
        self._digest.update(chunk)
        self._file.write(chunk)

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def keep_as(self, path: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)


async def read_range(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """Yield part of a file in pieces of `CHUNK_OCTETS`."""
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK_OCTETS, length))):
            length -= len(chunk)
            yield chunk


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first octet and length of what a Range header asks for; None: the whole file (RFC 9110, 14.2).

    Several ranges at once are answered with the whole file, as the standard allows.

    Raises:
        ValueError: Nothing of the range exists; the answer is 416.
    """
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
        if last and int(last) < start:
            return None
    if start >= size or end < start:
        raise ValueError(f"bytes {first}-{last} are not within {size}")
    return start, end - start + 1
