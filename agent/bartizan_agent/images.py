"""Firmware images on the gateway: fetched once per site whatever the number of cameras, kept by their SHA-256.

A fetch resumes where it was cut off, by HTTP ranges; nothing has its final name before its hash was checked. The
server is not trusted for the content: the identifier, which the catalogue signed, is the hash.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import ssl
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import msgspec

from bartizan.firmware.model import Image
from bartizan.ids import ImageId
from bartizan_agent.http_transport import OneConnectionEach

CHUNK = 1024 * 1024  # octets
RESERVE = 64 * 1024 * 1024  # octets of disk left to the rest of the gateway
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # of silence; a 4G link stalls for half a minute
_ID = re.compile(r"\Asha256:([0-9a-f]{64})\Z")
_RANGE = re.compile(r"\Abytes (\d+)-\d+/(?:\d+|\*)\Z")


class NotFetched(msgspec.Struct, frozen=True):
    """Why an image is not here."""

    code: str
    """`controller-away`, `image-missing`, `hash-mismatch`, `wrong-length`, `disk-full`, `disk-error`, `bad-image`."""
    reason: str
    lasting: bool = False
    """Trying again later is of no use."""


class ImageCache:
    """The images of one gateway.

    Args:
        directory: Where they are kept; made if missing.
        base_url: Of the controller's gateway port; `/images/<sha256>` is asked for below it.
        tls: Makes a context with the gateway's certificate of that moment; None: plain HTTP, in tests and to mirrors.
        limit: Octets kept at most, beyond those in use.
        reserve: Octets of disk left free.
    """

    def __init__(
        self,
        directory: Path,
        base_url: str,
        *,
        tls: Callable[[], ssl.SSLContext] | None,
        limit: int,
        reserve: int = RESERVE,
    ) -> None:
        self._directory = directory
        self._base_url = base_url.rstrip("/")
        self._tls = tls
        self._limit = limit
        self._reserve = reserve
        self._in_use: dict[ImageId, int] = {}
        self._pinned: frozenset[ImageId] = frozenset()
        self._verified: dict[ImageId, tuple[int, int]] = {}
        self._locks: weakref.WeakValueDictionary[ImageId, asyncio.Lock] = weakref.WeakValueDictionary()

    def path(self, image: ImageId) -> Path:
        """Return where an image is kept, or would be.

        Raises:
            ValueError: The identifier is no SHA-256.
        """
        return self._directory / _hash_of(image)

    def holds(self, image: ImageId) -> bool:
        """Return whether an image is here, whole."""
        return self.path(image).exists()

    def pin(self, images: frozenset[ImageId]) -> None:
        """Keep exactly these from being dropped, until told otherwise: they are assigned to cameras."""
        self._pinned = images

    @contextlib.contextmanager
    def in_use(self, image: ImageId) -> Iterator[None]:
        """Keep an image from being dropped while the block lasts."""
        self._in_use[image] = self._in_use.get(image, 0) + 1
        try:
            yield
        finally:
            self._in_use[image] -= 1
            if not self._in_use[image]:
                del self._in_use[image]

    async def fetch(self, image: Image) -> NotFetched | None:
        """Bring an image here, if it is not. None: it is here, and its hash is right.

        Several fetches of one image at once are one.
        """
        if not _ID.match(image.id):
            return NotFetched("bad-image", f"{image.id!r} is no image identifier", lasting=True)
        lock = self._locks.setdefault(image.id, asyncio.Lock())
        async with lock:
            if self.holds(image.id):
                return None
            try:
                with self.in_use(image.id):
                    return await self._fetch(image)
            except OSError as error:
                return NotFetched("disk-error", f"the disk refuses: {error.strerror}")

    async def verify(self, image: Image) -> NotFetched | None:
        """Check the hash of an image that is here. A wrong one is removed. None: it is right."""
        path = self.path(image.id)
        try:
            if await asyncio.to_thread(_is_right, path):
                self._verified[image.id] = _mark(path)
                return None
        except OSError as error:
            return NotFetched("disk-error", f"the image cannot be read: {error.strerror}")
        return NotFetched("hash-mismatch", f"{image.file_name} changed on the disk of this gateway, and was removed")

    def was_verified(self, image: ImageId) -> bool:
        """Return whether the hash was right since the agent started, and the file was not changed after that."""
        return self.holds(image) and self._verified.get(image) == _mark(self.path(image))

    def evict(self) -> tuple[ImageId, ...]:
        """Drop the images longest unused until the rest is within the limit. Return what was dropped."""
        kept = sorted(self._directory.glob("*"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in kept)
        dropped = []
        for path in kept:
            image = ImageId(f"sha256:{path.name.removesuffix('.part')}")
            if total <= self._limit:
                break
            if image in self._in_use or image in self._pinned:
                continue
            total -= path.stat().st_size
            path.unlink()
            dropped.append(image)
        return tuple(dropped)

    async def _fetch(self, image: Image) -> NotFetched | None:
        part = self._make_room(image)
        problem = self._no_room(image, part)
        if problem is None and _size(part) < image.length:
            problem = await self._download(image, part)
        return problem or await self._accept(image, part)

    def _make_room(self, image: Image) -> Path:
        """Return the file that takes what comes; it may hold what came before."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.evict()
        part = self.path(image.id).with_suffix(".part")
        if _size(part) > image.length:
            part.unlink()
        return part

    def _no_room(self, image: Image, part: Path) -> NotFetched | None:
        needed = image.length - _size(part) + self._reserve
        free = shutil.disk_usage(self._directory).free
        if free >= needed:
            return None
        reason = f"{image.file_name} needs {needed >> 20} MB of disk with the reserve, {free >> 20} MB are free"
        return NotFetched("disk-full", reason)

    async def _download(self, image: Image, part: Path) -> NotFetched | None:
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        transport = OneConnectionEach(self._tls() if self._tls else None)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout) as client:
            try:
                return await self._receive(client, image, part)
            except httpx.HTTPError as error:
                words = str(error) or type(error).__name__
                return NotFetched(
                    "controller-away", f"{image.file_name}, {_size(part)} of {image.length} octets: {words}"
                )

    async def _receive(self, client: httpx.AsyncClient, image: Image, part: Path) -> NotFetched | None:
        have = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        url = f"{self._base_url}/images/{_hash_of(image.id)}"
        async with client.stream("GET", url, headers=headers) as response:
            if response.status_code == 404:
                return NotFetched("image-missing", f"the controller does not hold {image.file_name}")
            if response.status_code not in {200, 206}:
                return NotFetched("controller-away", f"the controller answered {response.status_code}")
            begin = _begins_at(response)
            if begin not in {0, have}:
                return NotFetched("controller-away", "the controller sent another range than was asked for")
            return await _store(response.aiter_raw(CHUNK), part, begin, image)

    async def _accept(self, image: Image, part: Path) -> NotFetched | None:
        if _size(part) != image.length:
            return NotFetched("controller-away", f"{_size(part)} of {image.length} octets came")
        if await asyncio.to_thread(_digest, part) != _hash_of(image.id):
            await asyncio.to_thread(part.unlink)
            return NotFetched("hash-mismatch", f"what came as {image.file_name} is not what the catalogue names")
        await asyncio.to_thread(_give_name, part, self.path(image.id))
        return None


def _is_right(path: Path) -> bool:
    """Return whether a kept image has the content that its name says; remove it if not."""
    if _digest(path) != path.name:
        path.unlink()
        return False
    os.utime(path)  # eviction drops what was longest unused
    return True


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _begins_at(response: httpx.Response) -> int:
    if response.status_code == 200:
        return 0
    match = _RANGE.match(response.headers.get("content-range", ""))
    return int(match[1]) if match else -1


async def _store(chunks: AsyncIterator[bytes], part: Path, begin: int, image: Image) -> NotFetched | None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(begin)
        file.seek(begin)
        at = begin
        try:
            async for chunk in chunks:
                at += len(chunk)
                if at > image.length:
                    file.truncate(0)
                    return NotFetched("wrong-length", f"more than the {image.length} octets of {image.file_name} came")
                await asyncio.to_thread(file.write, chunk)
        finally:
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    return None


def _hash_of(image: ImageId) -> str:
    match = _ID.match(image)
    if match is None:
        raise ValueError(f"{image!r} is no image identifier: sha256: and 64 hexadecimal digits are needed")
    return match[1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _give_name(part: Path, path: Path) -> None:
    part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
