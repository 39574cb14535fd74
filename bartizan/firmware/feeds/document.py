"""Documents of feeds from bytes, with bounds on size and depth, and a reason for whatever is refused."""

from datetime import date
from typing import TypeVar

import msgspec

OCTET_LIMIT = 32 * 1024 * 1024
"""The whole KEV catalogue has about 1.5 MB, the largest CSAF documents some 10."""
ENTRY_LIMIT = 50_000
"""Products, versions or vulnerabilities of one document that are looked at."""

_MARK = b"\xef\xbb\xbf"
"""A byte order mark, which whoever saved the document on Windows has put before it."""

T = TypeVar("T")


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T | str:
    """Return what a JSON text holds, or why it does not hold it."""
    octets = memoryview(data).nbytes
    if octets > OCTET_LIMIT:
        return f"it has {octets} octets; at most {OCTET_LIMIT} are read"
    try:
        return msgspec.json.decode(bytes(data).removeprefix(_MARK), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"it is not of the form: {str(error)[:200]}"
    except RecursionError:
        return "it is nested too deep"


def day(text: str) -> str:
    """Return the day of a timestamp (`2022-10-10T21:50:06.244075Z`) as ISO 8601; empty if it has none."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return ""
