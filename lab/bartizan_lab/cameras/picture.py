"""A real JPEG picture of any size, small and made without an imaging library."""

import struct
from functools import cache

_BLOCK = 8
_BITS_PER_BLOCK = 2


@cache
def grey_picture(width: int, height: int) -> bytes:
    """Return a baseline JPEG (ITU-T T.81) of one grey: what a camera under a lens cap sees.

    Every block is flat and equal to the one before, so that two Huffman tables of one code each suffice and a block
    takes two bits.
    """
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\x01\x01\0" + struct.pack(">HHBB", 1, 1, 0, 0)),
            _segment(0xDB, b"\0" + bytes([16]) * 64),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0"),
            _segment(0xC4, b"\0" + _one_code()),
            _segment(0xC4, b"\x10" + _one_code()),
            _segment(0xDA, b"\x01\x01\0\0\x3f\0"),
            # The only code of either table is a single 0 bit; the last octet is padded with ones (F.1.2.3).
            _zero_bits(blocks * _BITS_PER_BLOCK),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _one_code() -> bytes:
    """A Huffman table with one code, of one bit, for the symbol 0: no difference, or end of block."""
    return bytes([1] + [0] * 15) + b"\0"


def _zero_bits(count: int) -> bytes:
    octets, rest = divmod(count, 8)
    return bytes(octets) + (bytes([0xFF >> rest]) if rest else b"")
