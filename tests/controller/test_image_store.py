"""Firmware images: whole and right or absent, and handed out in the ranges that are asked for."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bartizan.errors import BadSignature, Malformed
from bartizan_controller.errors import NotFound
from bartizan_controller.images import ImageStore, parse_range, read_range

IMAGE = bytes(range(256)) * 10_000
SHA256 = hashlib.sha256(IMAGE).hexdigest()


async def pieces(data: bytes, *, break_after: int | None = None) -> AsyncIterator[bytes]:
    for number, start in enumerate(range(0, len(data), 100_000)):
        if number == break_after:
            raise ConnectionError("the browser was closed")
        yield data[start : start + 100_000]


async def test_an_upload_is_kept_under_the_hash_of_its_content(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")

    assert await store.keep(SHA256, pieces(IMAGE), limit_octets=len(IMAGE)) == len(IMAGE)
    assert store.path(SHA256).read_bytes() == IMAGE
    assert b"".join([part async for part in read_range(store.path(SHA256), 255, 3)]) == b"\xff\x00\x01"


@pytest.mark.parametrize(
    ("name", "data", "limit", "error"),
    [
        (SHA256, IMAGE[:-1], 10**9, BadSignature),
        (SHA256, IMAGE, len(IMAGE) - 1, Malformed),
        (SHA256.upper(), IMAGE, 10**9, Malformed),
        ("../../etc/passwd", IMAGE, 10**9, Malformed),
    ],
    ids=["other content", "too large", "not lower case", "no hash"],
)
async def test_a_wrong_upload_leaves_nothing(
    tmp_path: Path, name: str, data: bytes, limit: int, error: type[Exception]
) -> None:
    store = ImageStore(tmp_path / "images")
    with pytest.raises(error):
        await store.keep(name, pieces(data), limit_octets=limit)

    assert files_in(tmp_path) == []
    with pytest.raises(NotFound):
        store.path(name)


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    with pytest.raises(ConnectionError):
        await store.keep(SHA256, pieces(IMAGE, break_after=3), limit_octets=10**9)

    assert files_in(tmp_path) == []


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_killed_controller_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".upload-abc").write_bytes(b"half")
    (tmp_path / SHA256).write_bytes(b"whole")
    ImageStore(tmp_path).remove_leavings()

    assert [path.name for path in tmp_path.iterdir()] == [SHA256]


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=900-", (900, 100)),
        ("bytes=900-5000", (900, 100)),
        ("bytes=-1", (999, 1)),
        ("bytes=-5000", (0, 1000)),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,5-6", None),
        ("octets=0-1", None),
        ("bytes=1e3-", None),
    ],
)
def test_ranges_as_the_standard_has_them(header: str, part: tuple[int, int] | None) -> None:
    assert parse_range(header, 1000) == part


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="not within 1000"):
        parse_range(header, 1000)
