"""Test firmware: each maker's shape, readable only whole."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan_lab.cameras.images import (
    AXIS_IMAGE,
    ONVIF_IMAGE,
    DahuaImage,
    HikvisionImage,
    NotFirmware,
    SealedImage,
)
from bartizan_lab.cameras.picture import grey_picture

HIKVISION = HikvisionImage("G5", "V5.8.1", date(2024, 11, 21))
DAHUA = DahuaImage("IPC-HDW5830R-Z", "2.840.0000000.9.R", date(2025, 4, 30))
AXIS = SealedImage(AXIS_IMAGE, "P3265-V", "12.11.77", date(2026, 9, 1))


def test_a_digicap_has_the_documented_header_under_the_documented_key() -> None:
    """Decoded by hand: magic, checksum, length, two files, English, camera, Hikvision."""
    octets = HIKVISION.pack(payload=1000)
    key = bytes.fromhex("BACDBCFED6CADDD3BAB9A3ABBFCBB5BE")
    header = bytes(octet ^ key[place % 16] for place, octet in enumerate(octets[:120]))

    assert header[:4] == b"SWKH"
    assert int.from_bytes(header[4:8], "little") == sum(header[12:120])
    assert [int.from_bytes(header[place : place + 4], "little") for place in range(8, 28, 4)] == [120, 2, 1, 2, 1]
    assert header[32:44] == b"version.txt\0"


def test_a_dahua_image_is_a_zip_that_begins_with_dh() -> None:
    octets = DAHUA.pack(payload=1000)

    assert octets[:4] == bytes.fromhex("44480304")
    assert b"check.img" in octets
    assert b"Install" in octets


def test_every_image_reads_back() -> None:
    assert HikvisionImage.unpack(HIKVISION.pack()) == HIKVISION
    assert DahuaImage.unpack(DAHUA.pack()) == DAHUA
    assert SealedImage.unpack(AXIS_IMAGE, AXIS.pack()) == AXIS


def test_images_are_the_same_every_time_and_as_large_as_asked() -> None:
    assert AXIS.pack() == AXIS.pack()
    assert len(HIKVISION.pack(payload=2_000_000)) > 2_000_000


def test_one_makers_image_is_not_anothers() -> None:
    for read in (HikvisionImage.unpack, lambda octets: SealedImage.unpack(ONVIF_IMAGE, octets)):
        with pytest.raises(NotFirmware):
            read(AXIS.pack())


@given(st.binary(max_size=300))
def test_noise_is_no_firmware(octets: bytes) -> None:
    for read in (HikvisionImage.unpack, DahuaImage.unpack, lambda noise: SealedImage.unpack(AXIS_IMAGE, noise)):
        with pytest.raises(NotFirmware):
            read(octets)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_no_damaged_octet_goes_unseen_in_a_digicap(place: int, flip: int) -> None:
    octets = bytearray(HIKVISION.pack(payload=200))
    octets[place % len(octets)] ^= flip

    with pytest.raises(NotFirmware):
        HikvisionImage.unpack(bytes(octets))


@given(st.integers(min_value=1, max_value=400))
def test_no_truncation_goes_unseen(missing: int) -> None:
    with pytest.raises(NotFirmware):
        HikvisionImage.unpack(HIKVISION.pack(payload=200)[:-missing])
    with pytest.raises(NotFirmware):
        DahuaImage.unpack(DAHUA.pack(payload=200)[:-missing])
    with pytest.raises(NotFirmware):
        SealedImage.unpack(AXIS_IMAGE, AXIS.pack(payload=200)[:-missing])


def test_the_picture_has_the_size_of_the_stream() -> None:
    """SOF0 holds height and width; the octets end as a JPEG does."""
    octets = grey_picture(1920, 1080)
    frame = octets.index(b"\xff\xc0")

    assert octets[:2] == b"\xff\xd8"
    assert octets[-2:] == b"\xff\xd9"
    assert int.from_bytes(octets[frame + 5 : frame + 7], "big") == 1080
    assert int.from_bytes(octets[frame + 7 : frame + 9], "big") == 1920
