"""Published text made readable: broken encodings, full-width characters and odd spaces, within bounds."""

import html
import re
import unicodedata

LIMIT = 400
"""Characters of one piece of text that are looked at."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")
_MOJIBAKE = re.compile("[\u00c2\u00c3\u00e2\u00ef][\u0080-\u02ff\u2000-\u2122]")
_SIGNS = str.maketrans({"≤": "<=", "≥": ">=", "–": "-", "—": "-", "、": ","})  # noqa: RUF001 - as published


def clean(text: str, limit: int = LIMIT) -> str:
    """Return text without what cannot be shown, in one line, cut to a limit."""
    return " ".join(_UNSAFE.sub(" ", text[: 2 * limit]).split())[:limit].strip()


def plain(text: str) -> str:
    """Return text as its author meant it: entities resolved, mojibake undone, full-width characters folded."""
    text = html.unescape(text[:LIMIT])
    if _MOJIBAKE.search(text):
        text = _undone(text)
    return clean(unicodedata.normalize("NFKC", text).translate(_SIGNS))


def _undone(text: str) -> str:
    """Undo UTF-8 that was read as Windows-1252, if that is what it is."""
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text
