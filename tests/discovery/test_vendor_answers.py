"""Vendors' own discovery: asked exactly as their devices expect it, and read whatever they leave out or add."""

import struct
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import pytest

from bartizan.identity.model import Fact, Source
from bartizan.ids import Address, Mac
from bartizan_agent.discovery import (
    bosch,
    eden,
    foscam,
    hanwha,
    nicevision,
    panasonic,
    sony,
    ubiquiti,
    vision360,
    vivotek,
    vstarcam,
)
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish
from bartizan_agent.discovery.interfaces import Interface

MAC = "00:09:18:11:22:33"
OCTETS = bytes.fromhex(MAC.replace(":", ""))
CAM0 = Interface(
    "cam0", 2, is_up=True, is_loopback=False, mac=Mac("02:00:00:00:00:01"), addresses=(Address("10.9.0.1"),)
)


def hanwha_answer(*, mac: str = MAC, kind: str = "SNB-6004", url: str = "http://10.9.0.20:8080/") -> bytes:
    answer = bytearray(0x106)
    answer[0] = 0x0B
    for offset, text in ((0x13, mac), (0x25, "10.9.0.20"), (0x35, "255.255.255.0"), (0x6D, kind), (0x85, url)):
        answer[offset : offset + len(text)] = text.encode()
    return bytes(answer)


BOSCH_XML = (
    b'<?xml version="1.0"?><deviceDescription><friendlyName>FLEXIDOME IP 5000</friendlyName>'
    b"<serialNumber>044518123456789012</serialNumber><physAddress>00-09-18-11-22-33</physAddress>"
    b"<unitIPAddress>10.9.0.20</unitIPAddress><HTTPPort>8080</HTTPPort><HTTPSPort>443</HTTPSPort>"
    b"<RCPPort>1756</RCPPort></deviceDescription>"
)
BOSCH_BINARY = bytes.fromhex("9939a427 00000001") + OCTETS + bytes.fromhex("0000 0a090014 ffffff00 0a090001 00000000")
VIVOTEK = (
    b"\x01\x4a\x5d\x8f\x1c\x01\x0eNetwork Camera\x02\x06" + OCTETS + b"\x03\x04\x0a\x09\x00\x14\x04\x02\x09\x08IB9387-H"
)
SONY = (
    b"\x02ACK:ENQ\xffINFO:allinfo\xffMAC:00-09-18-11-22-33\xffMODEL:SNC-VB770\xffSERIAL:1234567\xff"
    b"SOFTVERSION:2.7.0\xffIPADR:10.9.0.20\xffWEBPORT:8080\xffNAME:Yard: north\xff\x03"
)


FOSCAM = bytes.fromhex("4d4f5f49 0100 00 0000000000000000 41000000 41000000") + (
    OCTETS.hex().upper().encode().ljust(13, b"\0")
    + b"Yard".ljust(21, b"\0")
    + bytes.fromhex("0a090014 ffffff00 0a090001 0a090001 00000000 0b250231 02040a02 1f90 00")
)


def listed(form: str, *entries: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(form, kind, len(value)) + value for kind, value in entries)


def panasonic_answer(*entries: tuple[int, bytes]) -> bytes:
    head = b"\x00\x01\x00\x12\x00\x0d" + OCTETS
    return head.ljust(48, b"\x00") + listed(">HH", (0, b"\x02"), *entries) + b"\xff\xff\x12\x34"


PANASONIC = panasonic_answer(
    (0x20, b"\x0a\x09\x00\x14"),
    (0x25, b"\x1f\x90"),
    (0xA7, b"Yard\x00\x00"),
    (0xA8, b"WV-S2136L\x00\x00"),
    (0xA9, b"3.00\x00"),
    (0xD1, b"XAV51428\x00"),
)
UBIQUITI = b"\x01\x00\x00\x40" + listed(
    ">BH",
    (0x02, OCTETS + b"\x0a\x09\x00\x14"),
    (0x01, OCTETS),
    (0x03, b"AirCam.GM8126.v3.1.4.39.7e42364.160301.0153"),
    (0x0B, b"Yard"),
    (0x0C, b"AirCam"),
)


VISION360 = b"DISCOVER TYPE=IPDOME KEY='00:09:18:11:22:33' ID=2210376922\n"
VSTARCAM = (
    b"DH\x01\x08"
    + b"".join(text.ljust(16, b"\0") for text in (b"10.9.0.20", b"255.255.255.0", *[b"10.9.0.1"] * 3))
    + OCTETS
    + b"\x90\x1f"
    + b"VSTA000007ABCDE".ljust(32, b"\0")
    + b"Yard".ljust(80, b"\0")
    + b"66.81.204.19".ljust(320, b"\0")
)
NICEVISION = (
    bytes.fromhex("4e494345 0001 01090050")
    + OCTETS
    + bytes.fromhex("0a090014 ffffff00 0a090001").ljust(58, b"\0")
    + b"NVE1008".ljust(16, b"\0")
)
EDEN = (
    b"BOX|<root><serialNumber>00:09:18:11:22:33</serialNumber><network><dhcp>0</dhcp>"
    b"<adresseIP>10.9.0.20</adresseIP></network><portWeb>8080</portWeb></root>"
)


class Told(NamedTuple):
    maker: str
    model: str
    serial: str = ""
    firmware: str = ""
    kind: str = ""
    ports: tuple[int, ...] = ()


ANSWERS: dict[str, tuple[Callable[[bytes], Answer], bytes, Told]] = {
    "hanwha": (hanwha.parse, hanwha_answer(), Told("hanwha", "SNB-6004", ports=(8080,))),
    "bosch": (bosch.parse, BOSCH_XML, Told("bosch", "FLEXIDOME IP 5000", "044518123456789012", ports=(8080,))),
    "bosch, binary": (bosch.parse, BOSCH_BINARY, Told("bosch", "")),
    "vivotek": (vivotek.parse, VIVOTEK, Told("vivotek", "IB9387-H")),
    "foscam": (foscam.parse, FOSCAM, Told("foscam", "", firmware="11.37.2.49", kind="camera", ports=(8080,))),
    "sony": (sony.parse, SONY, Told("sony", "SNC-VB770", "1234567", "2.7.0", ports=(8080,))),
    "panasonic": (panasonic.parse, PANASONIC, Told("panasonic", "WV-S2136L", "XAV51428", "3.00", "camera", (8080,))),
    "ubiquiti": (ubiquiti.parse, UBIQUITI, Told("ubiquiti", "AirCam", firmware="3.1.4", kind="camera")),
    "360 vision": (vision360.parse, VISION360, Told("360vision", "IPDOME", kind="camera")),
    "vstarcam": (
        vstarcam.parse,
        VSTARCAM,
        Told("vstarcam", "", "VSTA000007ABCDE", "66.81.204.19", "camera", (8080,)),
    ),
    "nicevision": (nicevision.parse, NICEVISION, Told("nice", "NVE1008")),
    "eden": (eden.parse, EDEN, Told("eden", "Optima box", kind="access controller", ports=(8080,))),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_tells_what_stands_in_it(name: str) -> None:
    parse, data, told = ANSWERS[name]
    heard = parse(data)

    assert isinstance(heard, Heard)
    maker, model, serial, firmware, kind = (
        value(heard, fact) for fact in (Fact.MAKER, Fact.MODEL, Fact.SERIAL, Fact.FIRMWARE, Fact.KIND)
    )
    assert Told(maker, model, serial, firmware, kind, heard.web_ports) == told
    assert heard.claimed_mac == value(heard, Fact.MAC) == MAC
    assert {said.source for said in heard.evidence} == {Source(told.maker)}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_that_is_cut_short_says_something_else(name: str) -> None:
    parse, data, _ = ANSWERS[name]
    whole = parse(data)
    assert isinstance(whole, Heard)
    full = {said.fact: said.value for said in whole.evidence}

    for length in range(len(data)):
        heard = parse(data[:length])
        for said in heard.evidence if isinstance(heard, Heard) else ():
            assert said.fact is Fact.KIND or full[said.fact].startswith(said.value)


@pytest.mark.parametrize(
    ("parse", "search"),
    [
        pytest.param(hanwha.parse, hanwha.request(), id="hanwha"),
        pytest.param(bosch.parse, bosch.request(UUID(int=7)), id="bosch"),
        pytest.param(vivotek.parse, vivotek.request(0), id="vivotek"),
        pytest.param(foscam.parse, foscam.request(), id="foscam"),
        pytest.param(foscam.parse, VIVOTEK, id="vivotek on foscam's port"),
        pytest.param(sony.parse, sony.request(), id="sony"),
        pytest.param(panasonic.parse, panasonic.request(CAM0), id="panasonic"),
        pytest.param(ubiquiti.parse, ubiquiti.request(), id="ubiquiti"),
        pytest.param(vision360.parse, vision360.request(), id="360 vision"),
        pytest.param(vstarcam.parse, vstarcam.request(), id="vstarcam"),
        pytest.param(nicevision.parse, nicevision.request(0), id="nicevision"),
        pytest.param(eden.parse, eden.request(), id="eden"),
    ],
)
def test_the_search_of_somebody_else_is_no_device(parse: Callable[[bytes], Answer], search: bytes) -> None:
    assert parse(search) is None


@pytest.mark.parametrize("name", ANSWERS)
def test_another_protocol_on_the_same_port_is_rubbish(name: str) -> None:
    parse, _, _ = ANSWERS[name]

    for data in (b"", b"MO_I\x00\x00\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 60):
        assert isinstance(parse(data), Rubbish)


def test_searches_are_octet_for_octet_what_devices_answer() -> None:
    assert hanwha.request() == b"\x01" + bytes(0x105)
    assert bosch.request(UUID(int=7)) == bytes.fromhex("9939a427 00000007 ff0006de")
    assert vivotek.request(0) == bytes.fromhex("01 4a5d8f1c")
    assert foscam.request() == bytes.fromhex("4d4f5f49 0000 00 0000000000000000 04000000 04000000 00000001")
    assert sony.request() == b"\x02ENQ:allinfo\xff\x03"
    assert ubiquiti.request() == bytes.fromhex("01000000")
    assert vision360.request() == b"DISCOVER\n"
    assert vstarcam.request() == bytes.fromhex("44480101")
    assert nicevision.request(0) == bytes.fromhex("4e494345 0001 01080000 0000 07d7")
    assert eden.request() == b"DETECT BOX"


def test_the_search_for_panasonic_says_who_asks() -> None:
    assert panasonic.request(CAM0) == bytes.fromhex(
        "0001002a000d 000000000000 020000000001 0a090001 000020111e11231f1e1913000002010000000000000000000000fff0"
        "0026002000210022002300250028004000410042004400a500a600a700a800ad00b300b400b700b8ffff 0d49"
    )


def test_session_numbers_of_vivotek_are_never_zero() -> None:
    assert {vivotek.request(number)[0] for number in range(600)} == set(range(1, 256))


def test_a_panasonic_recorder_is_told_by_its_channels() -> None:
    heard = panasonic.parse(panasonic_answer((0xA8, b"X510"), (0xC0, b"\x00\x15")))

    assert isinstance(heard, Heard)
    assert value(heard, Fact.KIND) == "recorder"


@pytest.mark.parametrize(
    ("entries", "model", "kind"),
    [
        pytest.param(((0x15, b"UVC G4 Bullet"), (0x13, OCTETS)), "UVC G4 Bullet", "camera", id="camera"),
        pytest.param(((0x15, b"UNVR"),), "UNVR", "recorder", id="recorder"),
        pytest.param(((0x0C, b"U7PG2"), (0x14, b"UniFi AP-AC-Pro")), "UniFi AP-AC-Pro", "", id="access point"),
    ],
)
def test_ubiquiti_says_camera_only_where_the_model_does(
    entries: tuple[tuple[int, bytes], ...], model: str, kind: str
) -> None:
    heard = ubiquiti.parse(b"\x02\x06\x00\x40" + listed(">BH", *entries))

    assert isinstance(heard, Heard)
    assert (value(heard, Fact.MODEL), value(heard, Fact.KIND)) == (model, kind)


def test_a_hanwha_model_that_may_have_been_cut_short_is_not_told() -> None:
    for kind in ("XNV-6080R", "XNV-6080RS", "XNV-6080RSA"):
        heard = hanwha.parse(hanwha_answer(kind=kind[:10]))
        assert isinstance(heard, Heard)
        assert value(heard, Fact.MODEL) == ""


def test_a_web_address_that_is_none_is_no_port() -> None:
    for url in ("", "http://10.9.0.20:99999/", "https://10.9.0.20/", "http://[", "rtsp://10.9.0.20:554/"):
        heard = hanwha.parse(hanwha_answer(url=url))
        assert isinstance(heard, Heard)
        assert heard.web_ports == ()


def value(heard: Heard, fact: Fact) -> str:
    return next((said.value for said in heard.evidence if said.fact is fact), "")
