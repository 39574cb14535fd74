"""SADP: the real capture's fields are read, whatever firmware does to the XML around them."""

from uuid import UUID

import pytest

from bartizan.identity.model import Evidence, Fact, Source
from bartizan_agent.discovery import sadp
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish

CAPTURE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ProbeMatch>
<Uuid>5C6F7A12-0000-4000-8000-0123456789AB</Uuid>
<Types>inquiry</Types>
<DeviceType>142378</DeviceType>
<DeviceDescription>DS-2CD2320D-I</DeviceDescription>
<DeviceSN>DS-2CD2320D-I20180919AACHC52932642</DeviceSN>
<CommandPort>8000</CommandPort>
<HttpPort>80</HttpPort>
<MAC>44-47-cc-37-ce-81</MAC>
<IPv4Address>192.168.1.64</IPv4Address>
<IPv4SubnetMask>255.255.255.0</IPv4SubnetMask>
<IPv4Gateway>192.168.1.1</IPv4Gateway>
<IPv6Address>::</IPv6Address>
<DHCP>true</DHCP>
<AnalogChannelNum>0</AnalogChannelNum>
<DigitalChannelNum>1</DigitalChannelNum>
<SoftwareVersion>V5.5.6build 180326</SoftwareVersion>
<DSPVersion>V7.3 build 180326</DSPVersion>
<BootTime>2019-03-02 10:24:14</BootTime>
<Activated>true</Activated>
<IsModifyVerificationCode>flase</IsModifyVerificationCode>
</ProbeMatch>"""


def test_the_request_only_inquires() -> None:
    assert sadp.request(UUID(int=0x5C6F7A12000040008000000000000001)) == (
        b'<?xml version="1.0" encoding="utf-8"?>'
        b"<Probe><Uuid>5C6F7A12-0000-4000-8000-000000000001</Uuid><Types>inquiry</Types></Probe>"
    )


def test_everything_the_capture_says_is_heard() -> None:
    heard = sadp.parse(CAPTURE)

    assert isinstance(heard, Heard)
    assert heard.claimed_mac == "44:47:cc:37:ce:81"
    assert heard.web_ports == (80,)
    assert heard.evidence == (
        Evidence(Fact.MAKER, "hikvision", Source.SADP, 80, "answers SADP"),
        Evidence(Fact.MODEL, "DS-2CD2320D-I", Source.SADP, 80, "DeviceDescription"),
        Evidence(Fact.SERIAL, "DS-2CD2320D-I20180919AACHC52932642", Source.SADP, 85, "DeviceSN"),
        Evidence(Fact.MAC, "44:47:cc:37:ce:81", Source.SADP, 80, "MAC"),
        Evidence(Fact.FIRMWARE, "V5.5.6 build 180326", Source.SADP, 80, "SoftwareVersion"),
        Evidence(Fact.BUILD_DATE, "2018-03-26", Source.SADP, 80, "SoftwareVersion"),
        Evidence(Fact.KIND, "camera", Source.SADP, 75, "model"),
        Evidence(Fact.FACTORY_STATE, "false", Source.SADP, 80, "Activated=true"),
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param((b"ProbeMatch>", b"Probematch>"), id="the root is spelled differently"),
        pytest.param((b"ProbeMatch>", b"Inquiry>"), id="the root is another"),
        pytest.param((b"<DHCP>true", b"<DeviceName>Gate & Yard</DeviceName><DHCP>true"), id="a bare ampersand"),
        pytest.param((b'encoding="UTF-8"', b'encoding="GB2312"'), id="an encoding nobody has"),
        pytest.param((b"</ProbeMatch>", b"</ProbeMatch>\x00\x00\r\n"), id="zeros at the end"),
        pytest.param((b"<?xml", b"\xef\xbb\xbf\r\n<?xml"), id="a byte order mark"),
        pytest.param((b"<ProbeMatch>", b'<ProbeMatch xmlns="http://www.hikvision.com/x">'), id="a namespace"),
        pytest.param((b"<DHCP>", b"\x01\x1b<DHCP>"), id="control characters"),
    ],
)
def test_firmware_may_write_xml_as_it_likes(change: tuple[bytes, bytes]) -> None:
    assert sadp.parse(CAPTURE.replace(*change)) == sadp.parse(CAPTURE)


def test_a_device_without_password_is_only_reported() -> None:
    assert said(sadp.parse(CAPTURE.replace(b"<Activated>true", b"<Activated>flase")), Fact.FACTORY_STATE) == ["true"]


@pytest.mark.parametrize(
    ("serial", "model"),
    [
        ("DS-2CD2320D-I20180919AACHC52932642", "DS-2CD2320D-I"),
        ("DS-7616NI-K2/16P1620201105AAWRE12345678WCVU", "DS-7616NI-K2/16P16"),
        ("DS-2CD2T87G2-L20210101AAWRF20220202", "DS-2CD2T87G2-L20210101AAWRF"),
        ("iDS-9632NXI-I820200229CCWRE00000001WCVU", "iDS-9632NXI-I8"),
        ("C52932642", ""),
        ("20209999", ""),
    ],
)
def test_a_model_is_what_stands_before_the_last_date(serial: str, model: str) -> None:
    assert sadp.model_of_serial(serial) == model


def test_a_class_name_in_place_of_the_model_is_not_believed() -> None:
    answer = sadp.parse(CAPTURE.replace(b"<DeviceDescription>DS-2CD2320D-I<", b"<DeviceDescription>IPCamera<"))

    assert said(answer, Fact.MODEL) == ["DS-2CD2320D-I"]


def test_a_recorder_is_known_by_its_model() -> None:
    capture = CAPTURE.replace(b"DS-2CD2320D-I", b"DS-7616NI-K2")

    assert said(sadp.parse(capture), Fact.KIND) == ["recorder"]


def test_another_badge_is_heard() -> None:
    capture = CAPTURE.replace(b"<DHCP>", b"<OEMInfo>SAFIRE</OEMInfo><OEMCode>4321</OEMCode><DHCP>")

    assert said(sadp.parse(capture), Fact.BRAND) == ["SAFIRE"]
    assert said(sadp.parse(capture), Fact.OEM_CODE) == ["4321"]


def test_others_questions_say_nothing() -> None:
    assert sadp.parse(sadp.request(UUID(int=1))) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00" * 333, id="zeros"),
        pytest.param(b"<ProbeMatch><MAC>", id="cut off"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><ProbeMatch><MAC>&b;</MAC></ProbeMatch>', id="a DTD"),
        pytest.param(b"<html><body>hello</body></html>", id="another document"),
        pytest.param(b"<ProbeMatch>" + b"<a>" * 30000, id="too large"),
    ],
)
def test_rubbish_is_a_value(data: bytes) -> None:
    assert isinstance(sadp.parse(data), Rubbish)


def said(answer: Answer, fact: Fact) -> list[str]:
    assert isinstance(answer, Heard)
    return [item.value for item in answer.evidence if item.fact is fact]
