"""XML as cameras write it: bounded, no DTD, unescaped ampersands repaired, read by local names only."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError  # the types only; parsing is defusedxml's

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan_agent.discovery.answer import Rubbish

LIMIT = 64 * 1024  # octets; the largest datagram, and far more than any device description
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)")
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def read(data: bytes) -> Element | Rubbish:
    """Return the root of a document, whatever it is called."""
    if len(data) > LIMIT:
        return Rubbish(f"XML of {len(data)} octets; at most {LIMIT} are read")
    text = data.decode("utf-8", "replace")
    start = text.find("<")
    if start < 0:
        return Rubbish("no XML")
    # The encoding that a camera declares is often not the one it uses (`GB2312` over plain ASCII).
    text = _IMPOSSIBLE.sub("", _DECLARATION.sub("", text[start:])).rstrip()
    document = _parse(text)
    if document is None:
        document = _parse(_BARE_AMPERSAND.sub("&amp;", text))
    return Rubbish("XML that is not well-formed, or has a DTD") if document is None else document


def local_name(element: Element) -> str:
    """Return an element's name in lower case, without its namespace: firmware differs in both."""
    return element.tag.rpartition("}")[2].lower()


def elements(root: Element, *names: str) -> Iterator[Element]:
    """Yield the elements of these local names, in document order."""
    return (element for element in root.iter() if local_name(element) in names)


def fields(root: Element) -> dict[str, str]:
    """Return the first non-empty text of each local name at or below `root`."""
    found: dict[str, str] = {}
    for element in root.iter():
        text = (element.text or "").strip()
        if text:
            found.setdefault(local_name(element), text)
    return found


def _parse(text: str) -> Element | None:
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root
