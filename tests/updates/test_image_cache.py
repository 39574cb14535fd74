"""Images on the gateway: whatever a mirror serves, only what hashes to the signed identifier is kept."""

import hashlib
from pathlib import Path

import pytest

from bartizan.firmware.model import Image
from bartizan.ids import ImageId
from bartizan_agent.images import ImageCache
from tests.updates.image_server import ImageServer

CONTENT = b"firmware" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()
IMAGE = Image(ImageId(f"sha256:{SHA}"), "cam.img", len(CONTENT), "axis", ("P1",), "2.0")


@pytest.mark.parametrize(
    ("served", "code"),
    [
        (CONTENT, None),
        (b"F" + CONTENT[1:], "hash-mismatch"),
        (CONTENT[:-1], "controller-away"),  # may be a transfer that was cut off: the rest is asked for again
        (CONTENT + b"x", "wrong-length"),
    ],
    ids=["as-signed", "another-octet", "shorter", "longer"],
)
async def test_a_mirror_s_image_is_kept_only_if_it_is_the_one_that_was_signed(
    tmp_path: Path, served: bytes, code: str | None
) -> None:
    server = ImageServer(images={SHA: served})
    async with server.serving():
        cache = ImageCache(tmp_path, server.url, tls=None, limit=10**6, reserve=0)
        failed = await cache.fetch(IMAGE)

    assert (failed and failed.code) == code
    assert cache.holds(IMAGE.id) == (code is None)
