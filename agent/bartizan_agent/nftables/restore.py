"""Enforcing at boot, before the network is up, what was enforced last.

Run as a program it imports next to nothing, so that it costs little more than `nft -f`:

    python3 -I -S …/bartizan_agent/nftables/restore.py /var/lib/bartizan

It loads the stored ruleset, or the one before it where that is damaged or refused. With neither nothing is known of
this gateway's segments, so nothing can be enforced: it says so, and ends with 1 for the boot unit to fail.

While containment is released by hand (`bartizan_agent.release` writes the marker) it loads nothing. A marker that
cannot be read, whose hours are over, or that claims more hours than a release may have, lifts nothing.
"""

import ctypes
import sys
from hashlib import sha256

CURRENT = "ruleset.nft"
PREVIOUS = "ruleset.previous.nft"
RELEASED = "released.json"
LOCK = "firewall.lock"
TABLE = b"bartizan"
CLOCK_SLACK_SECONDS = 300.0
LONGEST_RELEASE_SECONDS = 72 * 3600.0
_ROUNDING_SECONDS = 1.0

_HEADER = b"# Written by bartizan-agent; SHA-256 of all that follows: "


def seal(text: bytes) -> bytes:
    """Return what is stored for a transaction: itself, under a comment with its digest."""
    return _HEADER + sha256(text).hexdigest().encode() + b"\n" + text


def unseal(stored: bytes) -> bytes | None:
    """Return the transaction in a stored file, or None if the file is not whole."""
    first, _, text = stored.partition(b"\n")
    return text if first == _HEADER + sha256(text).hexdigest().encode() else None


def restore(folder: str) -> str:
    """Load the newest stored ruleset that is whole and that the kernel takes.

    Returns:
        The name of its file; empty if there is none.
    """
    for name in (CURRENT, PREVIOUS):
        problem = _load(f"{folder}/{name}")
        if not problem:
            return name
        sys.stderr.write(f"{folder}/{name}: {problem}\n")
    return ""


def is_released(folder: str) -> bool:
    """Return whether containment is released by hand, and its hours are not over."""
    try:
        with open(f"{folder}/{RELEASED}", "rb") as file:  # noqa: PTH123 - as in `_load`
            text = file.read()
    except OSError:
        return False
    import json
    import time

    try:
        marker = json.loads(text)
        began, ends = float(marker["began_at"]), float(marker["ends_at"])
    except (ValueError, TypeError, KeyError):
        return False
    return stands(began, ends, time.time())


def stands(began: float, ends: float, now: float) -> bool:
    """Return whether a release of this time, in Unix seconds, holds now.

    A clock from before its beginning cannot tell, so then it does not. Nor does one of more hours than the command
    gives: somebody else wrote it.
    """
    is_possible = ends - began <= LONGEST_RELEASE_SECONDS + _ROUNDING_SECONDS
    return is_possible and began - CLOCK_SLACK_SECONDS <= now < ends


def main(arguments: list[str]) -> int:
    """Run as a program.

    Returns:
        Its exit status: 0 if a ruleset is in force or containment is released by hand, 1 if none is, 2 if it was
        called wrongly.
    """
    if len(arguments) != 2:
        sys.stderr.write(f"usage: {arguments[0]} STATE-FOLDER\n")
        return 2
    if is_released(arguments[1]):
        sys.stderr.write("containment is released by hand: nothing is loaded; `bartizan-agent contain` ends it\n")
        return 0
    name = restore(arguments[1])
    if not name:
        sys.stderr.write(
            "no stored ruleset could be loaded: cameras are NOT contained until the agent runs."
            " Start bartizan-agent, or keep the camera interfaces down\n"
        )
    return 0 if name else 1


def is_enforcing() -> bool:
    """Return whether the kernel holds a table of ours, whatever is in it."""
    library, context = _open()
    library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    library.nft_ctx_buffer_output(context)
    try:
        if library.nft_run_cmd_from_buffer(context, b"list tables"):
            return False
        listed: bytes = library.nft_ctx_get_output_buffer(context)
        return any(line.split()[2:] == [TABLE] for line in listed.splitlines())
    finally:
        library.nft_ctx_free(context)


def _load(path: str) -> str:
    """Load one stored file; return what is wrong, or nothing."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib alone would cost more than the rest of this program
            text = unseal(file.read())
    except OSError as error:
        return error.strerror or "cannot be read"
    return "is damaged" if text is None else _transact(text)


def _transact(text: bytes) -> str:
    library, context = _open()
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    if not library.nft_run_cmd_from_buffer(context, text):
        return ""
    complaint: bytes = library.nft_ctx_get_error_buffer(context)
    return f"refused by the kernel: {complaint.decode(errors='replace')[:500].strip()}"


def _open() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    library.nft_ctx_buffer_error(context)
    return library, context


if __name__ == "__main__":
    sys.exit(main(sys.argv))
