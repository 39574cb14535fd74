"""Lists of (type, length, value), as several vendors write them, read as far as they go or up to a bound."""

import struct
from collections.abc import Collection, Iterator

ENTRIES = 64  # read of one list; the longest seen has about 20


def entries(data: bytes, form: str, single: Collection[int] = ()) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each entry; one that goes beyond the end is cut short and ends it.

    Args:
        data: From where the list begins.
        form: Of type and length, as `struct` has it.
        single: Types without a length: what stands in its place is their value.
    """
    head = struct.Struct(form)
    offset = 0
    for _ in range(ENTRIES):
        if offset + head.size > len(data):
            return
        kind, length = head.unpack_from(data, offset)
        offset += head.size
        if kind in single:
            yield kind, length.to_bytes(4, "big").lstrip(b"\x00")
            continue
        yield kind, data[offset : offset + length]
        offset += length
