"""WS-Discovery: the Probe is valid SOAP 1.2, and matches are read whatever prefixes and order they have."""

from uuid import UUID

import pytest
from defusedxml.ElementTree import fromstring
from msgspec.structs import replace

from bartizan.identity.model import Evidence, Fact, Source
from bartizan_agent.discovery import ws_discovery
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish

PROBE_MATCH = b"""<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"
 xmlns:wsadis="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">
<env:Header><wsadis:MessageID>urn:uuid:00000000-0000-4000-8000-000000000002</wsadis:MessageID>
<wsadis:RelatesTo>urn:uuid:00000000-0000-4000-8000-000000000001</wsadis:RelatesTo>
<wsadis:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsadis:Action>
<d:AppSequence InstanceId="1520000000" MessageNumber="7"/></env:Header>
<env:Body><d:ProbeMatches><d:ProbeMatch>
<wsadis:EndpointReference><wsadis:Address>urn:uuid:2419D68A-2DD2-21B2-A205-4447CC37CE81</wsadis:Address>
</wsadis:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/Profile/Streaming
 onvif://www.onvif.org/MAC/44:47:cc:37:ce:81 onvif://www.onvif.org/hardware/DS-2CD2320D-I
 onvif://www.onvif.org/name/HIKVISION%20DS-2CD2320D-I onvif://www.onvif.org/location/city/hangzhou</d:Scopes>
<d:XAddrs>http://192.168.1.64/onvif/device_service http://[fe80::4647:ccff:fe37:ce81]/onvif/device_service</d:XAddrs>
<d:MetadataVersion>10</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></env:Body></env:Envelope>"""


def test_the_probe_is_a_valid_envelope() -> None:
    envelope = fromstring(ws_discovery.request(UUID(int=1), "tds:Device"))
    texts = {element.tag.rpartition("}")[2]: (element.text or "") for element in envelope.iter()}

    assert envelope.tag == "{http://www.w3.org/2003/05/soap-envelope}Envelope"
    assert texts["Action"] == "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe"
    assert texts["MessageID"] == "urn:uuid:00000000-0000-0000-0000-000000000001"
    assert texts["To"] == "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
    assert texts["Types"] == "tds:Device"


def test_everything_a_match_says_is_heard() -> None:
    heard = ws_discovery.parse(PROBE_MATCH)

    assert isinstance(heard, Heard)
    assert heard.claimed_mac == "44:47:cc:37:ce:81"
    assert heard.evidence == (
        Evidence(Fact.UUID, "2419d68a-2dd2-21b2-a205-4447cc37ce81", Source.WS_DISCOVERY, 80, "EndpointReference"),
        Evidence(Fact.BRAND, "HIKVISION", Source.WS_DISCOVERY, 45, "scope name"),
        Evidence(Fact.MODEL, "DS-2CD2320D-I", Source.WS_DISCOVERY, 65, "scope hardware"),
        Evidence(Fact.MAC, "44:47:cc:37:ce:81", Source.WS_DISCOVERY, 60, "scope MAC"),
        Evidence(Fact.KIND, "camera", Source.WS_DISCOVERY, 45, "Types"),
    )


def test_a_hello_says_as_much_as_a_match_and_that_somebody_arrives() -> None:
    hello = PROBE_MATCH.replace(b"<d:ProbeMatches><d:ProbeMatch>", b"<d:Hello>").replace(
        b"</d:ProbeMatch></d:ProbeMatches>", b"</d:Hello>"
    )

    match = ws_discovery.parse(PROBE_MATCH)
    assert isinstance(match, Heard)
    assert ws_discovery.parse(hello) == replace(match, is_arriving=True)


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (b"tn:NetworkVideoStorage tds:Device", ["recorder"]),
        (b"wsdp:Device pub:Computer", ["other"]),
        (b"wsdp:Device wprt:PrintDeviceType", ["other"]),
        (b"tds:Device", []),
    ],
)
def test_the_kind_is_read_from_the_types(types: bytes, kind: list[str]) -> None:
    answer = ws_discovery.parse(PROBE_MATCH.replace(b"dn:NetworkVideoTransmitter tds:Device", types))

    assert said(answer, Fact.KIND) == kind


def test_a_bye_says_that_its_sender_leaves() -> None:
    start, end = PROBE_MATCH.index(b"<d:ProbeMatches>"), PROBE_MATCH.index(b"</env:Body>")
    bye = b"<d:Bye><d:Address>urn:uuid:1</d:Address></d:Bye>"

    assert ws_discovery.parse(PROBE_MATCH[:start] + bye + PROBE_MATCH[end:]) == Heard(is_leaving=True)


@pytest.mark.parametrize("body", [b"<d:Probe/>", b"<d:ProbeMatches/>"])
def test_questions_and_empty_answers_say_nothing(body: bytes) -> None:
    start, end = PROBE_MATCH.index(b"<d:ProbeMatches>"), PROBE_MATCH.index(b"</env:Body>")

    assert ws_discovery.parse(PROBE_MATCH[:start] + body + PROBE_MATCH[end:]) is None


@pytest.mark.parametrize("data", [b"", b"\xff" * 200, PROBE_MATCH[:700], b"<a/>", b"<!DOCTYPE a><a/>"])
def test_rubbish_is_a_value(data: bytes) -> None:
    assert isinstance(ws_discovery.parse(data), Rubbish)


def test_thousands_of_matches_are_read_only_so_far() -> None:
    match = b"<ProbeMatch><Scopes>onvif://www.onvif.org/hardware/M%d</Scopes></ProbeMatch>"
    answer = ws_discovery.parse(b"<a>" + b"".join(match % number for number in range(500)) + b"</a>")

    assert said(answer, Fact.MODEL) == [f"M{number}" for number in range(16)]


def said(answer: Answer, fact: Fact) -> list[str]:
    assert isinstance(answer, Heard)
    return [item.value for item in answer.evidence if item.fact is fact]
