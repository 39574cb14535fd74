"""SOAP 1.2 as ONVIF uses it: requests in, answers and faults out, WS-UsernameToken."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras.web import Response

SOAP_XML = "application/soap+xml; charset=utf-8"
TOKEN_SECONDS = 300.0
"""How far `Created` may be from the device's clock."""

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_NAMESPACES = (
    f'xmlns:s="{_SOAP}" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
    ' xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"'
    ' xmlns:ter="http://www.onvif.org/ver10/error"'
)


class NotSoap(ValueError):
    """The body is no SOAP 1.2 envelope with something in it."""


@dataclass(frozen=True)
class UsernameToken:
    """A login inside the envelope (WSS UsernameToken Profile 1.0, 3.1)."""

    user: str
    digest: str
    nonce: str
    created: str

    def is_right(self, users: Mapping[str, str], now: datetime) -> bool:
        """Return whether the digest fits the password, and `Created` the device's clock."""
        password = users.get(self.user)
        if password is None:
            return False
        try:
            nonce = base64.b64decode(self.nonce, validate=True)
            created = datetime.fromisoformat(self.created).astimezone(UTC)
        except (ValueError, OverflowError, binascii.Error):
            return False
        if abs((created - now).total_seconds()) > TOKEN_SECONDS:
            return False
        expected = hashlib.sha1(nonce + self.created.encode() + password.encode()).digest()
        return hmac.compare_digest(base64.b64encode(expected), self.digest.encode())


@dataclass(frozen=True)
class Call:
    """One request."""

    action: str
    """Local name of the body's element."""
    body: Element
    token: UsernameToken | None


def parse(octets: bytes) -> Call:
    """Read a request.

    Raises:
        NotSoap: It is not XML, uses entities, or has no body.
    """
    try:
        envelope = fromstring(octets)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise NotSoap("the request is not XML that a camera reads") from error
    body = envelope.find(f"{{{_SOAP}}}Body")
    if body is None or len(body) == 0:
        raise NotSoap("the request has no SOAP 1.2 body")
    return Call(body[0].tag.rpartition("}")[2], body[0], _token(envelope))


def answer(content: str) -> Response:
    """Return a response around the content of a body."""
    return Response(200, _envelope(content), SOAP_XML)


def fault(status: int, code: str, subcode: str, reason: str) -> Response:
    """Return a fault; `code` is Sender or Receiver, `subcode` one of ONVIF's (`ter:NotAuthorized`)."""
    content = (
        f"<s:Fault><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{escape(reason)}</s:Text></s:Reason></s:Fault>'
    )
    return Response(status, _envelope(content), SOAP_XML)


def _envelope(content: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope {_NAMESPACES}><s:Body>{content}</s:Body></s:Envelope>\n'
    ).encode()


def _token(envelope: Element) -> UsernameToken | None:
    token = envelope.find(f".//{{{_WSSE}}}UsernameToken")
    if token is None:
        return None
    return UsernameToken(
        token.findtext(f"{{{_WSSE}}}Username", "").strip(),
        token.findtext(f"{{{_WSSE}}}Password", "").strip(),
        token.findtext(f"{{{_WSSE}}}Nonce", "").strip(),
        token.findtext(f"{{{_WSU}}}Created", "").strip(),
    )
