"""Headers of firmware files: what is obviously wrong is refused, what is only unknown is not."""

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.firmware.containers import (
    HEAD_LENGTH,
    HikvisionHeader,
    dahua_members,
    hikvision_header,
    objections,
)
from bartizan.identity.model import Kind

KEY = bytes.fromhex("bacdbcfed6caddd3bab9a3abbfcbb5be")


def hikvision(*, magic: int = 0x484B5753, files: int = 3, language: int = 1, device: int = 2, oem: int = 1) -> bytes:
    plain = struct.pack("<8I", magic, 0, 64, files, language, device, oem, 0) + bytes(64)
    return bytes(octet ^ KEY[index % 16] for index, octet in enumerate(plain))


def dahua(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            archive.writestr(member, b"content of " + member.encode())
    return b"DH" + buffer.getvalue()[2:]


def test_a_digicap_header_is_read() -> None:
    assert hikvision_header(hikvision()) == HikvisionHeader("SWKH", 3, 1, 2, 1)
    assert hikvision_header(hikvision(magic=0x484B3230)) == HikvisionHeader("HK20")
    assert hikvision_header(hikvision(magic=0x484B3330)) == HikvisionHeader("HK30")
    assert hikvision_header(b"not a header at all, but long enough") is None
    assert hikvision_header(hikvision()[:31]) is None


@pytest.mark.parametrize(
    ("head", "kind", "reasons"),
    [
        (hikvision(), Kind.CAMERA, ()),
        (hikvision(magic=0x484B3330), Kind.CAMERA, ()),
        (b"an unknown container of next year", Kind.CAMERA, ()),
        (hikvision(language=2), Kind.CAMERA, ("it is for units of the Chinese region, and would brick others",)),
        (hikvision(files=33), Kind.UNKNOWN, ("its header counts 33 files; 1 to 32 are possible",)),
        (hikvision(files=0), Kind.UNKNOWN, ("its header counts 0 files; 1 to 32 are possible",)),
        (hikvision(), Kind.RECORDER, ("it is for cameras, the device is a recorder",)),
        (b"PK\x03\x04rest", Kind.UNKNOWN, ("the file is a ZIP archive: unpack it and offer the image inside",)),
        (b"  <!DOCTYPE html><html>", Kind.UNKNOWN, ("the file is a web page, as of a download that failed",)),
        (b"<HTML lang=en>", Kind.UNKNOWN, ("the file is a web page, as of a download that failed",)),
        (b"DH\x03\x04rest", Kind.UNKNOWN, ("the file is an image for Dahua",)),
        (b"", Kind.UNKNOWN, ("the file is empty",)),
    ],
)
def test_files_offered_for_hikvision(head: bytes, kind: Kind, reasons: tuple[str, ...]) -> None:
    assert objections("hikvision", "digicap.dav", head, kind=kind) == reasons


def test_files_offered_for_dahua() -> None:
    whole = dahua("Install", "check.img", "kernel.img")
    without = dahua("Install", "kernel.img")

    assert dahua_members(whole) == ("Install", "check.img", "kernel.img")
    assert objections("dahua", "x.bin", whole[:HEAD_LENGTH], tail=whole) == ()
    assert objections("dahua", "x.bin", whole[:HEAD_LENGTH]) == ()
    assert objections("dahua", "x.bin", without[:HEAD_LENGTH], tail=without) == (
        "its list of members lacks check.img, which every image has",
    )
    assert objections("dahua", "x.bin", hikvision()) == ("the file is an image for Hikvision",)
    assert objections("dahua", "x.bin", b"encrypted as newer images are") == ()


def test_a_list_of_members_cut_in_two_is_read_as_far_as_it_goes() -> None:
    whole = dahua("Install", "check.img", "kernel.img")
    cut = whole[whole.find(b"PK\x01\x02") + 10 :]

    assert dahua_members(cut) == ("check.img", "kernel.img")


def test_files_offered_for_axis_are_known_by_name() -> None:
    assert objections("axis", "P3265-V_12_11_77.bin", b"\x00\x01") == ()
    assert objections("axis", "digicap.dav", b"\x00\x01") == (
        "digicap.dav is not named as Axis names images (P3265-V_12_11_77.bin)",
    )


@given(st.sampled_from(["hikvision", "dahua", "axis", "other"]), st.binary(max_size=200), st.binary(max_size=400))
def test_any_octets_are_looked_at_without_harm(maker: str, head: bytes, tail: bytes) -> None:
    objections(maker, "x.bin", head, tail=tail + b"PK\x01\x02" + head + b"PK\x05\x06")
    objections(maker, "x.bin", b"DH\x03\x04" + head, tail=b"PK\x01\x02" * 600 + tail + b"PK\x05\x06")
