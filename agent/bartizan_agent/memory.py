"""Keeping the process small: what was needed once, for a scan or a listing, is given back to the system."""

import ctypes

_libc = ctypes.CDLL(None)
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""
_LARGE_OCTETS = 64 * 1024


def stay_small() -> None:
    """Have large blocks given back when they are freed. Left to itself, glibc keeps ever larger ones for later."""
    if hasattr(_libc, "mallopt"):  # musl gives back by itself
        for option, value in ((_MMAP_THRESHOLD, _LARGE_OCTETS), (_TRIM_THRESHOLD, _LARGE_OCTETS), (_ARENA_MAX, 1)):
            _libc.mallopt(option, value)


def give_back() -> None:
    """Give back what is free between blocks in use."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
