"""ONVIF WS-Discovery: SOAP over UDP 3702. Silence is not absence: many cameras ship with ONVIF off."""

import re
from urllib.parse import unquote
from uuid import UUID
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from bartizan.identity.model import Evidence, Fact, Kind, Source
from bartizan.ids import Mac
from bartizan_agent.discovery import loose_xml
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, say

PORT = 3702
GROUP = "239.255.255.250"
GROUP_V6 = "ff02::c"
TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
"""Asked for in turn: old devices list only the first, recorders often only the second (ONVIF Core 7.3)."""

_MATCHES_PER_ANSWER = 16
_UUID = re.compile(r"urn:(?:uuid:)?([0-9a-fA-F-]{32,36})\Z")
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
    '<e:Header><a:Action e:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>'
    "<a:MessageID>urn:uuid:{uuid}</a:MessageID>"
    "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
    '<a:To e:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></e:Header>'
    "<e:Body><d:Probe><d:Types>{types}</d:Types><d:Scopes/></d:Probe></e:Body></e:Envelope>"
)


def request(uuid: UUID, types: str = TYPES[0]) -> bytes:
    """Return a Probe for devices of `types`."""
    return _ENVELOPE.format(uuid=uuid, types=types).encode()


def parse(data: bytes) -> Answer:
    """Return what ProbeMatches, ResolveMatches, a Hello or a Bye say; others' probes say nothing."""
    root = loose_xml.read(data)
    if isinstance(root, Rubbish):
        return root
    matches = list(loose_xml.elements(root, "probematch", "resolvematch", "hello"))[:_MATCHES_PER_ANSWER]
    if matches:
        return _heard(matches)
    if next(loose_xml.elements(root, "bye"), None) is not None:
        return Heard(is_leaving=True)
    other = next(loose_xml.elements(root, "probe", "resolve", "probematches"), None)
    return Rubbish("WS-Discovery message without a match") if other is None else None


def _heard(matches: list[Element]) -> Heard:
    evidence: list[Evidence] = []
    claimed: Mac | None = None
    for match in matches:
        said = loose_xml.fields(match)
        scopes = _scopes(said.get("scopes", ""))
        claimed = claimed or read_mac(scopes.get("mac", ""))
        evidence.extend(_evidence(said, scopes))
    is_arriving = any(loose_xml.local_name(match) == "hello" for match in matches)
    return Heard(tuple(dict.fromkeys(evidence)), claimed, is_arriving=is_arriving)


def _evidence(said: dict[str, str], scopes: dict[str, str]) -> tuple[Evidence, ...]:
    uuid = _UUID.search(said.get("address", "").strip())
    brand, _, rest = scopes.get("name", "").strip().partition(" ")
    return (
        *say(Fact.UUID, uuid.group(1).lower() if uuid else "", Source.WS_DISCOVERY, 80, "EndpointReference"),
        *say(Fact.BRAND, brand, Source.WS_DISCOVERY, 45 if rest else 30, "scope name"),
        *say(Fact.BRAND, scopes.get("manufacturer", ""), Source.WS_DISCOVERY, 50, "scope manufacturer"),
        *say(Fact.MODEL, scopes.get("hardware", ""), Source.WS_DISCOVERY, 65, "scope hardware"),
        *say(Fact.MAC, read_mac(scopes.get("mac", "")) or "", Source.WS_DISCOVERY, 60, "scope MAC"),
        *_kind(said.get("types", ""), scopes.get("type", "")),
    )


def _kind(types: str, scope_type: str) -> tuple[Evidence, ...]:
    names = {name.rpartition(":")[2].lower() for name in types.split()[:16]}
    scope = scope_type.lower()
    if "networkvideostorage" in names or "recorder" in scope or "storage" in scope:
        return say(Fact.KIND, Kind.RECORDER.value, Source.WS_DISCOVERY, 65, "Types")
    if "networkvideotransmitter" in names:
        return say(Fact.KIND, Kind.CAMERA.value, Source.WS_DISCOVERY, 45, "Types")
    if names & {"computer", "printdevicetype", "printservicetype", "scandevicetype"}:
        return say(Fact.KIND, Kind.OTHER.value, Source.WS_DISCOVERY, 65, "Types")
    return ()


def _scopes(text: str) -> dict[str, str]:
    """Return the `onvif://www.onvif.org/<category>/<value>` scopes; a repeated category has its values joined."""
    scopes: dict[str, str] = {}
    for uri in text.split()[:64]:
        scheme, _, path = uri.partition("://www.onvif.org/")
        category, _, value = path.partition("/")
        if scheme.lower() == "onvif" and value:
            key = category.lower()
            scopes[key] = f"{scopes.get(key, '')} {unquote(value[:512])}".strip()
    return scopes
