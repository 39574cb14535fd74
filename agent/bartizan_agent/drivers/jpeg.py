"""Dimensions of a JPEG picture, read from its frame header (ITU-T T.81, annex B)."""

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Picture

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 but DHT, JPG and DAC, which share the range."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN = 0xDA
_MOST_SEGMENTS = 256


def picture(data: bytes) -> Picture:
    """Return the dimensions of a JPEG, of which the beginning is enough.

    Raises:
        Malformed: It is no JPEG, has no frame header before its scan, or says that it is empty.
    """
    if data[:2] != b"\xff\xd8":
        raise Malformed("the camera's picture is not a JPEG")
    position = 2
    for _ in range(_MOST_SEGMENTS):
        while data[position : position + 2] == b"\xff\xff":  # fill bytes may stand before a marker
            position += 1
        if position + 4 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker in _FRAME_HEADERS:
            return _frame(data[position + 4 : position + 10])
        if marker == _START_OF_SCAN:
            break
        position += 2 + max(2, int.from_bytes(data[position + 2 : position + 4], "big"))
    raise Malformed("the camera's JPEG has no frame header")


def _frame(header: bytes) -> Picture:
    height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    if len(header) < 6 or not width or not height:
        raise Malformed("the camera's JPEG has no size")
    return Picture(width=width, height=height)
