"""Images on the gateway: whatever a mirror serves, only what hashes to the signed identifier is kept."""

import hashlib
import ssl
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


async def test_each_download_shows_the_certificate_of_that_moment(tmp_path: Path) -> None:
    """Certificates are renewed while the agent runs, for longer than any of them is valid."""
    made: list[ssl.SSLContext] = []

    def certificate_of_now() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    server = ImageServer(images={SHA: CONTENT})
    async with server.serving():
        cache = ImageCache(tmp_path, server.url, tls=certificate_of_now, limit=10**6, reserve=0)
        assert made == []
        for _ in range(2):
            assert await cache.fetch(IMAGE) is None
            cache.path(IMAGE.id).unlink()

    assert len(made) == 2
