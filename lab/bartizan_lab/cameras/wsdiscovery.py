"""WS-Discovery as a camera answers it (WS-Discovery 1.0 with ONVIF's types and scopes; 1.1 when asked in 1.1)."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.faults import Fault

PORT = 3702
GROUP = "239.255.255.250"
SCOPE = "onvif://www.onvif.org/"

_SOAP = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True)
class _Dialect:
    """One version of the protocol: its namespaces and well-known addresses."""

    discovery: str
    addressing: str
    to: str
    anonymous: str


_V10 = _Dialect(
    "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "urn:schemas-xmlsoap-org:ws:2005:04:discovery",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
)
_V11 = _Dialect(
    "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01",
    "http://www.w3.org/2005/08/addressing",
    "urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01",
    "http://www.w3.org/2005/08/addressing/anonymous",
)
_TYPES = frozenset({"NetworkVideoTransmitter", "Device"})


@dataclass(frozen=True)
class Scopes:
    """What a device says of itself in its scopes."""

    name: str
    hardware: str
    location: str = "country/uk"
    types: tuple[str, ...] = ("video_encoder", "Network_Video_Transmitter")
    profiles: tuple[str, ...] = ("Streaming", "S", "T")

    def uris(self) -> list[str]:
        """Return them as the URIs that stand in `d:Scopes`."""
        return [
            *(f"{SCOPE}type/{kind}" for kind in self.types),
            *(f"{SCOPE}Profile/{profile}" for profile in self.profiles),
            f"{SCOPE}hardware/{quote(self.hardware)}",
            f"{SCOPE}name/{quote(self.name)}",
            f"{SCOPE}location/{self.location}",
        ]


@dataclass(frozen=True)
class DiscoveryTarget:
    """A device as WS-Discovery sees it."""

    endpoint: str
    """`urn:uuid:…`, the same at every boot."""
    scopes: Callable[[], Scopes]
    """Asked at each answer, because they change with the device."""
    addresses: tuple[str, ...]
    """URLs of its device service."""
    instance: int
    """Rises with every boot."""
    faults: AbstractSet[Fault]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer a Probe or Resolve that concerns this device; anything else gets no answer."""
        if b"Probe" not in datagram.octets and b"Resolve" not in datagram.octets:
            # Everybody's Hello comes here too; on a segment of hundreds, reading each would cost more than all else.
            return
        try:
            envelope = fromstring(datagram.octets)
        except (ParseError, DefusedXmlException, ValueError):
            return
        for dialect in (_V10, _V11):
            probe = envelope.find(f".//{{{dialect.discovery}}}Probe")
            resolve = envelope.find(f".//{{{dialect.discovery}}}Resolve")
            if probe is not None and self._fits(probe, dialect):
                yield Datagram(self._matches(envelope, dialect, "Probe"), datagram.peer)
            elif resolve is not None and self._is_me(resolve, dialect):
                yield Datagram(self._matches(envelope, dialect, "Resolve"), datagram.peer)

    def hello(self) -> Iterator[Datagram]:
        """Return the announcement of a device that has come up."""
        body = f"<d:Hello>{self._description()}</d:Hello>"
        yield Datagram(self._envelope(_V10, "Hello", _V10.to, body), (GROUP, PORT))

    def _fits(self, probe: Element, dialect: _Dialect) -> bool:
        types = {name.rpartition(":")[2] for name in probe.findtext(f"{{{dialect.discovery}}}Types", "").split()}
        scopes = probe.findtext(f"{{{dialect.discovery}}}Scopes", "").split()
        own = self.scopes().uris()
        return types <= _TYPES and all(any(_is_below(uri, scope) for uri in own) for scope in scopes)

    def _is_me(self, resolve: Element, dialect: _Dialect) -> bool:
        return resolve.findtext(f".//{{{dialect.addressing}}}Address", "").strip() == self.endpoint

    def _matches(self, request: Element, dialect: _Dialect, asked: str) -> bytes:
        relates_to = request.findtext(f".//{{{dialect.addressing}}}MessageID", "").strip()
        body = f"<d:{asked}Matches><d:{asked}Match>{self._description()}</d:{asked}Match></d:{asked}Matches>"
        return self._envelope(dialect, f"{asked}Matches", dialect.anonymous, body, relates_to)

    def _description(self) -> str:
        return (
            f"<a:EndpointReference><a:Address>{self.endpoint}</a:Address></a:EndpointReference>"
            "<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>"
            f"<d:Scopes>{' '.join(self.scopes().uris())}</d:Scopes>"
            f"<d:XAddrs>{' '.join(self.addresses)}</d:XAddrs>"
            "<d:MetadataVersion>10</d:MetadataVersion>"
        )

    def _envelope(self, dialect: _Dialect, action: str, to: str, body: str, relates_to: str = "") -> bytes:
        related = f"<a:RelatesTo>{relates_to}</a:RelatesTo>" if relates_to else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<s:Envelope xmlns:s="{_SOAP}" xmlns:a="{dialect.addressing}" xmlns:d="{dialect.discovery}"'
            ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
            f"<s:Header><a:MessageID>{uuid.uuid4().urn}</a:MessageID>{related}<a:To>{to}</a:To>"
            f"<a:Action>{dialect.discovery}/{action}</a:Action>"
            f'<d:AppSequence InstanceId="{self.instance}" MessageNumber="{next(self.numbers)}"/></s:Header>'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )
        return with_odd_prefixes(text).encode() if Fault.NAMESPACE_ODD in self.faults else text.encode()


def with_odd_prefixes(envelope: str) -> str:
    """Return the same SOAP document with prefixes nobody expects; what it means stays the same."""
    for usual, odd in (("s", "SOAP-ENV"), ("a", "wsadis"), ("d", "wsdd"), ("tds", "ns17"), ("trt", "_0"), ("tt", "X")):
        envelope = (
            envelope.replace(f"<{usual}:", f"<{odd}:")
            .replace(f"</{usual}:", f"</{odd}:")
            .replace(f"xmlns:{usual}=", f"xmlns:{odd}=")
            .replace(f" {usual}:Device<", f" {odd}:Device<")
        )
    return envelope


def _is_below(own: str, asked: str) -> bool:
    """The default matching rule: the asked path is a prefix of ours, segment by segment (WS-Discovery 5.1)."""
    return f"{own}/".lower().startswith(f"{asked.rstrip('/')}/".lower())
