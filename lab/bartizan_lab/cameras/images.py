"""Firmware files of each maker's shape, packed and read: harmless, but told apart as the real ones are.

Where a maker's container is public its real header is used. The payload is noise, repeatable by seed. What has to be
known for an emulated upgrade (family, version, build date) stands in a member or header of our own.

    hikvision   digicap.dav: a header under a repeating XOR key, then members
    dahua       *.bin: a ZIP whose first two octets are DH instead of PK
    others      no public layout: our own header, sealed with SHA-256
"""

import hashlib
import io
import random
import struct
import zipfile
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from typing import Self

import msgspec

DEFAULT_PAYLOAD = 64 << 10
"""Octets of noise in an image, unless told otherwise."""

_DAV_KEY = bytes.fromhex("BACDBCFED6CADDD3BAB9A3ABBFCBB5BE")
_DAV_MAGIC = 0x484B5753
_DAV_HEADER = struct.Struct("<8I")
_DAV_ENTRY = struct.Struct("<32sIII")
_DAV_MOST_FILES = 32
_DAV_CHECKED_FROM = 12
"""The header's checksum covers it from the number of files on."""
_DAV_MEMBER = "version.txt"

_DH = b"DH"
_PK = b"PK"


class NotFirmware(ValueError):
    """The file is not an image of this maker, or is damaged."""


class _Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What our own member or header says."""

    family: str
    version: str
    build: date


@dataclass(frozen=True)
class HikvisionImage:
    """A `digicap.dav`."""

    platform: str
    """Family key, as in the middle of `firmwareVersionInfo`: G5."""
    version: str
    build: date
    language: int = 1
    """1 English, 2 Chinese."""
    device_class: int = 2
    """2 is a network camera."""
    oem_code: int = 1
    """1 is Hikvision's own brand."""

    def pack(self, payload: int = DEFAULT_PAYLOAD) -> bytes:
        """Return the file, with `payload` octets of noise."""
        contents = _contents(self.platform, self.version, self.build)
        members = [(_DAV_MEMBER, contents), ("app.img", _noise(contents, payload))]
        return self._header(members) + b"".join(content for _, content in members)

    @classmethod
    def unpack(cls, octets: bytes) -> Self:
        """Read a file.

        Raises:
            NotFirmware: The magic, a checksum or a length is wrong.
        """
        magic, checksum, length, count, language, device_class, oem_code, _ = _dav_fields(octets)
        if magic != _DAV_MAGIC or not 0 < count <= _DAV_MOST_FILES:
            raise NotFirmware("the header does not decode to the magic of a digicap.dav")
        if length != _DAV_HEADER.size + count * _DAV_ENTRY.size or length > len(octets):
            raise NotFirmware("the header's length does not fit its number of files")
        header = _xor(octets[:length])
        if sum(header[_DAV_CHECKED_FROM:]) != checksum:
            raise NotFirmware("the header's checksum is wrong")
        members = dict(_dav_member(octets, entry) for entry in _DAV_ENTRY.iter_unpack(header[_DAV_HEADER.size :]))
        own = _read_contents(members.get(_DAV_MEMBER, b""))
        return cls(own.family, own.version, own.build, language, device_class, oem_code)

    def _header(self, members: list[tuple[str, bytes]]) -> bytes:
        length = _DAV_HEADER.size + len(members) * _DAV_ENTRY.size
        entries, offset = b"", length
        for name, content in members:
            entries += _DAV_ENTRY.pack(name.encode(), offset, len(content), sum(content) & 0xFFFFFFFF)
            offset += len(content)
        checked = struct.pack("<5I", len(members), self.language, self.device_class, self.oem_code, 0) + entries
        return _xor(struct.pack("<3I", _DAV_MAGIC, sum(checked), length) + checked)


@dataclass(frozen=True)
class DahuaImage:
    """A `DH_….bin`."""

    family: str
    """As in `updateSerial`: IPC-HDW5830R-Z."""
    version: str
    build: date

    def pack(self, payload: int = DEFAULT_PAYLOAD) -> bytes:
        """Return the file, with `payload` octets of noise."""
        contents = _contents(self.family, self.version, self.build)
        noise = _noise(contents, payload)
        members = {
            "Install": b'{"Commands":["burn romfs-x.squashfs.img bootargs", "burn user-x.squashfs.img user"]}\n',
            "kernel.img": noise[: payload // 4],
            "romfs-x.squashfs.img": noise[payload // 4 : payload // 2],
            "user-x.squashfs.img": noise[payload // 2 :],
            "hwid": contents,
        }
        sums = "".join(f"{_sha256(content)}  {name}\n" for name, content in members.items())
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, content in (*members.items(), ("check.img", sums.encode())):
                packed.writestr(zipfile.ZipInfo(name), content)
        return _DH + buffer.getvalue()[2:]

    @classmethod
    def unpack(cls, octets: bytes) -> Self:
        """Read a file.

        Raises:
            NotFirmware: It does not begin with DH, has no `check.img`, or a member does not match it.
        """
        if octets[:4] != _DH + b"\x03\x04":
            raise NotFirmware("the file does not begin with DH 03 04")
        try:
            with zipfile.ZipFile(io.BytesIO(_PK + octets[2:])) as packed:
                members = {name: packed.read(name) for name in packed.namelist()}
        except (zipfile.BadZipFile, EOFError) as error:
            raise NotFirmware("behind the DH is no readable ZIP") from error
        for line in members.get("check.img", b"none  none").decode("ascii", "replace").splitlines():
            checksum, _, name = line.partition("  ")
            if _sha256(members.get(name, b"")) != checksum:
                raise NotFirmware(f"{name} does not match check.img, or one of them is missing")
        own = _read_contents(members.get("hwid", b""))
        return cls(own.family, own.version, own.build)


@dataclass(frozen=True)
class SealedImage:
    """An image of a maker whose layout is not public: a magic, what it is for, noise, and a SHA-256 over it all."""

    magic: bytes
    """`AXIS_IMAGE` and its like."""
    model: str
    version: str
    build: date

    def pack(self, payload: int = DEFAULT_PAYLOAD) -> bytes:
        """Return the file, with `payload` octets of noise."""
        contents = _contents(self.model, self.version, self.build)
        body = self.magic + struct.pack(">I", len(contents)) + contents + _noise(contents, payload)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def unpack(cls, magic: bytes, octets: bytes) -> Self:
        """Read a file.

        Raises:
            NotFirmware: The magic or the seal is wrong.
        """
        body, seal = octets[:-32], octets[-32:]
        if not body.startswith(magic) or hashlib.sha256(body).digest() != seal:
            raise NotFirmware(f"the file does not begin with {magic!r}, or its seal is broken")
        start = len(magic) + 4
        (length,) = struct.unpack(">I", body[len(magic) : start])
        own = _read_contents(body[start : start + length])
        return cls(magic, own.family, own.version, own.build)


AXIS_IMAGE = b"AXIS-LAB-IMAGE\n"
HANWHA_IMAGE = b"HANWHA-LAB-IMAGE\n"
ONVIF_IMAGE = b"ONVIF-LAB-IMAGE\n"
UNIVIEW_IMAGE = b"UNIVIEW-LAB-IMAGE\n"


def _contents(family: str, version: str, build: date) -> bytes:
    return msgspec.json.encode(_Contents(family, version, build))


def _read_contents(octets: bytes) -> _Contents:
    try:
        return msgspec.json.decode(octets, type=_Contents)
    except msgspec.DecodeError as error:
        raise NotFirmware("the image does not say what it is for: it was not made by this laboratory") from error


def _noise(seed: bytes, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def _xor(octets: bytes) -> bytes:
    return bytes(octet ^ key for octet, key in zip(octets, cycle(_DAV_KEY), strict=False))


def _dav_fields(octets: bytes) -> tuple[int, ...]:
    if len(octets) < _DAV_HEADER.size:
        raise NotFirmware("the file is shorter than the header of a digicap.dav")
    return _DAV_HEADER.unpack(_xor(octets[: _DAV_HEADER.size]))


def _dav_member(octets: bytes, entry: tuple[bytes, int, int, int]) -> tuple[str, bytes]:
    name, offset, length, checksum = entry
    content = octets[offset : offset + length]
    if len(content) != length or sum(content) & 0xFFFFFFFF != checksum:
        raise NotFirmware("a member of the digicap.dav is cut off or damaged")
    return name.rstrip(b"\0").decode("ascii", "replace"), content
