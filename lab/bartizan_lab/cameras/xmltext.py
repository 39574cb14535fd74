"""Writing XML the way firmware does: text pasted together, which is where its mistakes come from."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

Fields = Iterable[tuple[str, str]]


def fields(pairs: Fields) -> str:
    """Return an element with text for each pair, the text escaped."""
    return "".join(f"<{name}>{escape(text)}</{name}>\n" for name, text in pairs)


def element(name: str, content: str, **attributes: str) -> str:
    """Return an element around content that is XML already."""
    rest = "".join(f' {key}="{escape(value, {chr(34): "&quot;"})}"' for key, value in attributes.items())
    return f"<{name}{rest}>\n{content}</{name}>\n"


def document(root: str) -> bytes:
    """Return a whole document around its root element."""
    return (DECLARATION + root).encode()
