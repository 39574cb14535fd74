"""The first octets of firmware files, read only to refuse what is obviously the wrong file. Nothing is ever changed.

Not recognising a file is no objection: vendors bring new containers, and the catalogue's hash decides what a file is.
"""

import struct

import msgspec

from bartizan.firmware import versions
from bartizan.identity.model import Kind

HEAD_LENGTH = 4096
"""Octets from the beginning of a file that are worth passing."""
TAIL_LENGTH = 128 * 1024
"""Octets from its end, where a ZIP's list of members stands."""

_HIKVISION_KEY = bytes.fromhex("BACDBCFED6CADDD3BAB9A3ABBFCBB5BE")
_HIKVISION_MAGIC = b"SWKH"
_HIKVISION_LATER = {b"02KH": "HK20", b"03KH": "HK30"}  # magic 0x484B3230 and 0x484B3330, little-endian
_HIKVISION_HEADER = struct.Struct("<4s7I")
_MEMBER_LIMIT = 32  # files in a digicap.dav, by its own format
_ENGLISH, _CHINESE = 1, 2
_CAMERA_CLASS = 2
_DAHUA_MAGIC = b"DH\x03\x04"
_ZIP_MAGIC = b"PK\x03\x04"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_DIRECTORY_END = b"PK\x05\x06"
_ENTRY_LIMIT = 512
_FOREIGN = (
    (_ZIP_MAGIC, "a ZIP archive: unpack it and offer the image inside"),
    (b"Rar!", "a RAR archive: unpack it and offer the image inside"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it and offer the image inside"),
    (b"%PDF", "a PDF document"),
    (b"MZ", "a Windows program"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x89PNG", "a picture"),
)


class HikvisionHeader(msgspec.Struct, frozen=True):
    """The header of a digicap.dav."""

    magic: str
    file_count: int = 0
    language: int = 0
    """1 English, 2 Chinese."""
    device_class: int = 0
    """2 is a network camera."""
    oem_code: int = 0
    """1 is Hikvision's own badge."""


def objections(
    maker: str, file_name: str, head: bytes, *, tail: bytes = b"", kind: Kind = Kind.UNKNOWN
) -> tuple[str, ...]:
    """Return why a file obviously is no firmware of `maker`; nothing if it may be.

    Args:
        maker: Identifier of the maker that it is to be for.
        file_name: The vendor's name of it, without a folder.
        head: Its first `HEAD_LENGTH` octets, or fewer.
        tail: Its last `TAIL_LENGTH` octets; nothing if not at hand.
        kind: What it is to go on, if that is known.
    """
    if not head:
        return ("the file is empty",)
    foreign = _foreign(maker, head)
    if foreign:
        return (foreign,)
    match maker:
        case versions.HIKVISION:
            return _hikvision(head, kind)
        case versions.DAHUA:
            return _dahua(head, tail)
        case versions.AXIS:
            return _axis(file_name)
        case _:
            return ()


def hikvision_header(head: bytes) -> HikvisionHeader | None:
    """Return the header of a Hikvision container; None if the octets are none."""
    if len(head) < _HIKVISION_HEADER.size:
        return None
    plain = bytes(octet ^ _HIKVISION_KEY[index % 16] for index, octet in enumerate(head[: _HIKVISION_HEADER.size]))
    magic = plain[:4]
    if magic in _HIKVISION_LATER:
        return HikvisionHeader(_HIKVISION_LATER[magic])
    if magic != _HIKVISION_MAGIC:
        return None
    _, _checksum, _length, count, language, device_class, oem_code, _reserved = _HIKVISION_HEADER.unpack_from(plain)
    return HikvisionHeader("SWKH", count, language, device_class, oem_code)


def dahua_members(tail: bytes) -> tuple[str, ...]:
    """Return the names in the list of members at the end of a Dahua image; nothing if there is no such list."""
    end = tail.rfind(_DIRECTORY_END)
    if end < 0:
        return ()
    names: list[str] = []
    at = tail.find(_DIRECTORY_ENTRY)
    while 0 <= at < end and at + 46 <= len(tail) and len(names) < _ENTRY_LIMIT:
        name_length, extra, comment = struct.unpack_from("<3H", tail, at + 28)
        names.append(tail[at + 46 : at + 46 + name_length].decode("utf-8", "replace"))
        at = tail.find(_DIRECTORY_ENTRY, at + 46 + name_length + extra + comment)
    return tuple(names)


def _foreign(maker: str, head: bytes) -> str:
    """Say what else a file is, where its first octets say so beyond doubt."""
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return f"the file is {what}"
    if head.lstrip()[:9].lower() in {b"<!doctype", b"<html>\r\n"} or head.lstrip()[:5].lower() == b"<html":
        return "the file is a web page, as of a download that failed"
    if maker != versions.DAHUA and head.startswith(_DAHUA_MAGIC):
        return "the file is an image for Dahua"
    if maker != versions.HIKVISION and hikvision_header(head) is not None:
        return "the file is an image for Hikvision"
    return ""


def _hikvision(head: bytes, kind: Kind) -> tuple[str, ...]:
    header = hikvision_header(head)
    if header is None or header.magic != "SWKH":
        return ()
    reasons = []
    if not 1 <= header.file_count <= _MEMBER_LIMIT:
        reasons.append(f"its header counts {header.file_count} files; 1 to {_MEMBER_LIMIT} are possible")
    if header.language == _CHINESE:
        reasons.append("it is for units of the Chinese region, and would brick others")
    if kind is Kind.RECORDER and header.device_class == _CAMERA_CLASS:
        reasons.append("it is for cameras, the device is a recorder")
    return tuple(reasons)


def _dahua(head: bytes, tail: bytes) -> tuple[str, ...]:
    members = dahua_members(tail)
    if head.startswith(_DAHUA_MAGIC) and members and "check.img" not in members:
        return ("its list of members lacks check.img, which every image has",)
    return ()


def _axis(file_name: str) -> tuple[str, ...]:
    if not file_name.lower().endswith(".bin"):
        return (f"{file_name} is not named as Axis names images (P3265-V_12_11_77.bin)",)
    return ()
