"""Model patterns: plain wildcards for policies and images, and vendors' own notation for advisories.

Vendors write `DS-2CD2xx2F-I` (a lower-case x stands for one character), `IPC-HX5XXX` (so does a capital X at Dahua),
`DS-76xxNXI-Kx(/xP) including(D)、(E)、(B)`. What cannot be read is `None`, for a person to look at.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from fnmatch import translate

from bartizan.firmware.versions import AXIS, DAHUA, HIKVISION, UNIVIEW

PATTERN_LIMIT = 96  # characters; vendors' longest is 60

_SERIES_MAKERS = frozenset({HIKVISION, DAHUA, UNIVIEW})
"""Makers whose patterns name a series: model names go on after the pattern's end (`…-I` covers `…-IS`)."""


def wildcard(pattern: str) -> Callable[[str], bool]:
    """Return a test of text against `*` and `?`, ignoring case. Linear in the text, whatever the pattern."""
    match = re.compile(translate(pattern.casefold().replace("[", "[[]"))).match
    return lambda text: match(text.casefold()) is not None


def readable(maker: str, pattern: str) -> bool:
    """Return whether a vendor's pattern can be read without a person's help."""
    return _compiled(maker, pattern) is not None


def covers(maker: str, pattern: str, model: str) -> bool | None:
    """Return whether a vendor's pattern covers a model; None if the pattern needs a person to read it."""
    compiled = _compiled(maker, pattern)
    return None if compiled is None else compiled.fullmatch(_plain_model(maker, model)) is not None


@functools.lru_cache(maxsize=2048)
def _compiled(maker: str, pattern: str) -> re.Pattern[str] | None:
    # NFKC folds the full-width brackets and commas that stand in vendors' tables.
    text = unicodedata.normalize("NFKC", pattern).strip()
    text = re.split(r"\s+including\b|\s+series\b", text, maxsplit=1, flags=re.IGNORECASE)[0]
    text = _plain_model(maker, text)
    if not 2 <= len(text) <= PATTERN_LIMIT or text.count("*") > 2:
        return re.compile(".*") if text == "*" else None
    pieces = list(_PIECE.finditer(text))
    if sum(len(piece.group()) for piece in pieces) != len(text):
        return None
    end = ".*" if maker in _SERIES_MAKERS else ""
    return re.compile("".join(_piece(maker, piece) for piece in pieces) + end, re.IGNORECASE | re.ASCII)


def _plain_model(maker: str, model: str) -> str:
    """Leave out what is in some places written before a model and in others not; no model is longer than patterns."""
    text = " ".join(model[: 2 * PATTERN_LIMIT].split())
    if maker == DAHUA:
        return re.sub(r"\ADHI?-", "", text, flags=re.IGNORECASE)
    if maker == AXIS:
        return re.sub(r"\AAXIS | Network Camera\Z", "", text, flags=re.IGNORECASE)
    return text


def _piece(maker: str, piece: re.Match[str]) -> str:
    text = piece.group()
    if text == "*":
        return ".*"
    if text.startswith("("):
        # "/16P" is written "(/xP)": inside an option one x stands for a number of one or two figures.
        return f"(?:{re.escape(text[1:-1]).replace('x', '[A-Z0-9]{1,2}')})?"
    if maker == DAHUA:
        return _dahua_piece(text)
    if maker == HIKVISION:
        # Its tables of door terminals write DS-K1T804AXX; a single X is part of a name (NXI, iDS-7204HQHI-M1/FA/X).
        text = re.sub(r"XX+", lambda run: run.group().lower(), text)
    return re.escape(text).replace("x", "[A-Z0-9]")


def _dahua_piece(text: str) -> str:
    head = re.match(r"XVR|IPC-HX(?=\d)", text, re.IGNORECASE)
    if head is None:
        return re.escape(text.upper()).replace("X", "[A-Z0-9]")
    # The HX of "IPC-HX5XXX" stands for the housings HDW, HFW, HDBW, HUM…; the X of XVR for itself.
    start = "XVR" if head.group().upper() == "XVR" else "IPC-H[A-Z]{1,4}"
    return start + re.escape(text[head.end() :].upper()).replace("X", "[A-Z0-9]")


_PIECE = re.compile(r"\*|\([^()*]{1,12}\)|[A-Za-z0-9_/.+ -]+", re.ASCII)
