"""The parts of a multipart body (RFC 2046), as upload forms and VAPIX send them."""

import re
from dataclasses import dataclass, field
from email.message import Message

_NAME = re.compile(r'\bname="?([^";]*)"?')


class NotMultipart(ValueError):
    """The body is no multipart document."""


@dataclass(frozen=True)
class Part:
    """One part."""

    name: str
    """Of the form field; empty where none is given."""
    content_type: str
    content: bytes = field(repr=False)


def parts(content_type: str, body: bytes) -> list[Part]:
    """Return the parts in order.

    Raises:
        NotMultipart: The type names no boundary, or the body does not use it.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary:
        raise NotMultipart(f"{content_type!r} is not a multipart type with a boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise NotMultipart("the last boundary is missing: the body was cut off")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(":", 1) for line in head.decode("latin-1").split("\r\n") if ":" in line)
    named = _NAME.search(fields.get("content-disposition", ""))
    return Part(named.group(1) if named else "", fields.get("content-type", "").strip(), content)
