"""No parser raises, whatever it is given, and none keeps more than a bounded amount of it."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.ids import Address
from bartizan_agent.discovery import (
    bosch,
    dhdiscover,
    hanwha,
    hikvision_port,
    http_banner,
    loose_xml,
    mdns,
    open_doors,
    panasonic,
    rtnetlink,
    rtsp_banner,
    sadp,
    sony,
    ssdp,
    tls_subject,
    ubiquiti,
    vivotek,
    ws_discovery,
)
from bartizan_agent.discovery.answer import TEXT_LIMIT, Answer, Heard, Rubbish, clean
from bartizan_agent.discovery.http_banner import HttpAnswer

PARSERS: tuple[Callable[[bytes], Answer], ...] = (
    sadp.parse,
    ws_discovery.parse,
    dhdiscover.parse,
    dhdiscover.parse_old,
    mdns.parse,
    ssdp.parse,
    ssdp.parse_description,
    rtsp_banner.parse,
    hikvision_port.parse,
    tls_subject.parse,
    hanwha.parse,
    bosch.parse,
    vivotek.parse,
    sony.parse,
    panasonic.parse,
    ubiquiti.parse,
)
SEEDS = (
    sadp.request(UUID(int=1)),
    (
        b"<ProbeMatch><DeviceSN>DS-2CD2320D-I20180919AACHC52932642</DeviceSN><SoftwareVersion>V5.5.6build 180326"
        b"</SoftwareVersion><DigitalChannelNum>9</DigitalChannelNum><Activated>flase</Activated></ProbeMatch>"
    ),
    (
        b"<a><ProbeMatch><Types>dn:NetworkVideoTransmitter</Types><Scopes>onvif://www.onvif.org/name/a%20b</Scopes>"
        b"<EndpointReference><Address>urn:uuid:2419d68a-2dd2-21b2-a205-4447cc37ce81</Address></EndpointReference>"
        b"</ProbeMatch></a>"
    ),
    dhdiscover.request()
    .replace(b"DHDiscover.search", b"client.notifyDevInfo")
    .replace(b'"mac":""', b'"deviceInfo":{"a":1}'),
    b"\xb3\x00\x20\x00" + bytes(16) + b"\x40\x00" + bytes(98) + b"90:02:a9:11:22:33IPC\x00" + b"SerialNo:1\r\n",
    (
        b"\x00\x00\x84\x00\x00\x00\x00\x02\x00\x00\x00\x00\x0b_axis-video\x04_tcp\x05local\x00\x00\x0c\x00\x01"
        b"\x00\x00\x00\x01\x00\x04\x01a\xc0\x0c"
    ),
    b"HTTP/1.1 200 OK\r\nLocation: http://10.9.0.20/a\r\nUSN: uuid:5ea0c2e2-0000-1000-8000-4447cc37ce81\r\n\r\n",
    b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="IP Camera(1)"\r\n\r\n',
    b"<root><device><manufacturer>a</manufacturer><modelName>b c</modelName></device></root>",
    b"\x0b".ljust(0x13, b"\x00") + b"00:09:18:11:22:33".ljust(0x5A, b"\x00") + b"XND-6080".ljust(0x99, b"\x00"),
    bytes.fromhex("9939a427 00000001 000463112233 0000 0a090014 ffffff00 0a090001 00000000"),
    b"<a><serialNumber>1</serialNumber><physAddress>00-04-63-11-22-33</physAddress><HTTPPort>80</HTTPPort></a>",
    bytes.fromhex("01 4a5d8f1c 0206 0002d1112233 0402 0906") + b"IB9387",
    b"\x02ACK:ENQ\xffMODEL:SNC-VB770\xffMAC:00-01-4a-11-22-33\xffWEBPORT:80\xff\x03",
    b"\x00\x01\x00\x12\x00\x0d".ljust(48, b"\x08") + b"\x00\x00\x00\x01\x02\x00\xa8\x00\x07WV-S213\xff\xff",
    b"\x01\x00\x00\x17\x01\x00\x06\xdc\x9f\xdb\x11\x22\x33\x0c\x00\x06AirCam\x03\x00\x02v1",
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Something well-formed with a stretch replaced, cut off, or repeated."""
    data = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, len(data)))
    middle = draw(st.one_of(st.binary(max_size=40), st.just(data[start:end] * 3), st.text(max_size=20).map(_encoded)))
    return data[:start] + middle + data[end:]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: f"{parse.__module__.rpartition('.')[2]}.{parse.__name__}")
@given(data=st.one_of(st.binary(max_size=600), damaged()))
def test_an_answer_is_heard_or_rubbish_or_nothing(parse: Callable[[bytes], Answer], data: bytes) -> None:
    answer = parse(data)

    assert answer is None or isinstance(answer, Heard | Rubbish)
    if isinstance(answer, Heard):
        assert all(0 < len(said.value) <= TEXT_LIMIT and said.value.isprintable() for said in answer.evidence)


@given(data=st.one_of(st.binary(max_size=600), damaged()))
def test_web_pages_are_read_or_rubbish(data: bytes) -> None:
    page = http_banner.parse(data)

    http_banner.is_complete(data)
    if isinstance(page, HttpAnswer):
        http_banner.evidence(page)
        for door in open_doors.DOORS:
            door.read(page)


@given(data=st.binary(max_size=600))
def test_netlink_messages_are_read_as_far_as_they_go(data: bytes) -> None:
    assert len(list(rtnetlink.messages(data))) <= len(data) // 16


@given(location=st.one_of(st.text(max_size=60), st.text(max_size=20).map(lambda text: f"http://10.9.0.20{text}")))
def test_a_location_leads_only_to_the_sender(location: str) -> None:
    target = ssdp.description_target(location, Address("10.9.0.20"))

    assert target is None or (0 < target[0] < 65536 and target[1].startswith("/") and "\r" not in target[1])


@given(text=st.text(max_size=1000))
def test_text_of_devices_is_one_printable_line(text: str) -> None:
    assert len(clean(text)) <= TEXT_LIMIT
    assert clean(text) == clean(clean(text))
    assert not set(clean(text)) & set("\x00\x07\x1b\r\n\t\u202e\u2028")


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(b"<a>" * 20000, id="deep"),
        pytest.param(b"<a>" * 9000 + b"</a>" * 9000, id="deep and closed"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 30000 + b'">]><a>&x;&x;&x;</a>', id="entities"),
        pytest.param(b"<a " + b" ".join(b'a%d=""' % number for number in range(6000)) + b"/>", id="attributes"),
        pytest.param(b"<a>" + b"&" * 60000 + b"</a>", id="ampersands"),
    ],
)
def test_xml_bombs_do_no_harm(bomb: bytes) -> None:
    root = loose_xml.read(bomb)

    if not isinstance(root, Rubbish):
        assert len(loose_xml.fields(root)) <= 1
