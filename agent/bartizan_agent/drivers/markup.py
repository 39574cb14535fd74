"""XML from cameras: bounded, without entities or document types, read by local names.

Namespaces differ between firmwares of one model (`hikvision.com`, `isapi.org`, none at all), so they do not count.
"""

import re
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan.errors import Malformed

_DEPTH = 64  # levels; ONVIF profiles reach 12, and Python's own recursion ends at 1,000
_BARE_AMPERSAND = re.compile(rb"&(?!(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|\w{1,8});)")
"""As in `<deviceName>Gate & yard</deviceName>`: what people type is not always escaped."""
_YES = frozenset({"true", "1", "yes", "on"})


def parse(body: bytes) -> Element:
    """Return the root of an XML document.

    Raises:
        Malformed: It is no XML, declares a document type or entities, or is nested absurdly deep.
    """
    try:
        root = fromstring(_BARE_AMPERSAND.sub(b"&amp;", body.strip(b"\x00\xef\xbb\xbf \r\n\t")), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Malformed("the camera's answer is not acceptable XML") from error
    if _deeper_than(root, _DEPTH):
        raise Malformed(f"the camera's XML is nested more than {_DEPTH} deep")
    return root


def escape(text: str) -> str:
    """Return text as it stands in an element. The standard library's own brings the whole of `xml.sax`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def find(root: Element, name: str) -> Element | None:
    """Return the first element of that local name, `root` included, ignoring letter case."""
    wanted = name.lower()
    return next((element for element in root.iter() if local_name(element).lower() == wanted), None)


def find_all(root: Element, name: str) -> list[Element]:
    """Return every element of that local name, ignoring letter case."""
    wanted = name.lower()
    return [element for element in root.iter() if local_name(element).lower() == wanted]


def text(root: Element, name: str) -> str:
    """Return the text of the first element of that local name; empty where there is none."""
    element = find(root, name)
    return (element.text or "").strip() if element is not None else ""


def truth(value: str) -> bool:
    """Return a camera's boolean. Cameras write `true`, `1`, `TRUE`, and `flase`."""
    return value.strip().lower() in _YES


def _deeper_than(root: Element, limit: int) -> bool:
    level = [root]
    for _ in range(limit):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True
