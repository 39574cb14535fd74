"""Dahua discovery: both forms are asked exactly, and read with all that devices do to them."""

import json
import struct
from typing import Any

import pytest

from bartizan.identity.model import Evidence, Fact, Source
from bartizan_agent.discovery import dhdiscover
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish

DOOR_STATION: dict[str, Any] = {
    "mac": "3c:ef:8c:01:02:03",
    "method": "client.notifyDevInfo",
    "params": {
        "deviceInfo": {
            "AlarmInputChannels": 8,
            "AlarmOutputChannels": 0,
            "DeviceClass": "VTO",
            "DeviceType": "VTO2000A",
            "Find": "BC",
            "HttpPort": 80,
            "IPv4Address": {
                "DefaultGateway": "192.168.1.1",
                "DhcpEnable": False,
                "IPAddress": "192.168.1.108",
                "SubnetMask": "255.255.255.0",
            },
            "Init": 150,
            "MachineName": "VTO",
            "Manufacturer": "General",
            "Port": 37777,
            "SerialNo": "3C06520PAN00001",
            "Vendor": "General",
            "Version": "3.120.0000.0.R",
        }
    },
}


def framed(message: object, magic: bytes = b"DHIP") -> bytes:
    body = json.dumps(message).encode() + b"\n\x00"
    return b"\x20\x00\x00\x00" + magic + bytes(8) + struct.pack("<I4xI4x", len(body), len(body)) + body


def with_info(**fields: Any) -> bytes:
    return framed({**DOOR_STATION, "params": {"deviceInfo": {**DOOR_STATION["params"]["deviceInfo"], **fields}}})


def test_the_search_is_byte_for_byte_what_devices_answer() -> None:
    header = "20000000 44484950 00000000 00000000 3b000000 00000000 3b000000 00000000"

    assert dhdiscover.request() == (
        bytes.fromhex(header) + b'{"method":"DHDiscover.search","params":{"mac":"","uni":1}}\n'
    )


def test_the_old_search_is_32_octets() -> None:
    assert dhdiscover.old_request() == bytes.fromhex(
        "a3010001 00000000 00000000 00000000 02000000 00000000 00000000 00000000"
    )


def test_a_door_station_is_heard_but_is_no_camera() -> None:
    heard = dhdiscover.parse(framed(DOOR_STATION))

    assert isinstance(heard, Heard)
    assert heard.claimed_mac == "3c:ef:8c:01:02:03"
    assert heard.web_ports == (80,)
    assert heard.evidence == (
        Evidence(Fact.MAKER, "dahua", Source.DHDISCOVER, 80, "answers DHDiscover"),
        Evidence(Fact.MODEL, "VTO2000A", Source.DHDISCOVER, 80, "DeviceType"),
        Evidence(Fact.SERIAL, "3C06520PAN00001", Source.DHDISCOVER, 85, "SerialNo"),
        Evidence(Fact.MAC, "3c:ef:8c:01:02:03", Source.DHDISCOVER, 80, "mac"),
        Evidence(Fact.KIND, "other", Source.DHDISCOVER, 75, "DeviceClass=VTO"),
        Evidence(Fact.FIRMWARE, "3.120.0000.0.R", Source.DHDISCOVER, 80, "Version"),
    )


def test_a_rebadged_unit_names_its_badge_and_still_its_maker() -> None:
    answer = dhdiscover.parse(with_info(Vendor="Intelbras", Manufacturer="Intelbras", Version="2.000.00IB004.0.R"))

    assert set(said(answer, Fact.BRAND)) == {"Intelbras"}
    assert said(answer, Fact.MAKER) == ["dahua"]
    assert said(answer, Fact.FIRMWARE) == ["2.000.00IB004.0.R"]


@pytest.mark.parametrize(
    ("version", "firmware", "date"),
    [
        ("2.820.0000000.48.R.220614", "2.820.0000000.48.R.220614", "2022-06-14"),
        ("2.800.0000016.0.R,build:2020-06-05", "2.800.0000016.0.R", "2020-06-05"),
        ("2.800.0000016.0.R, build: 2020-06-05", "2.800.0000016.0.R", "2020-06-05"),
        ("2.420.HW01.33.20190812", "2.420.HW01.33.20190812", None),
    ],
)
def test_the_build_date_is_read_where_there_is_one(version: str, firmware: str, date: str | None) -> None:
    answer = dhdiscover.parse(with_info(Version=version))

    assert said(answer, Fact.FIRMWARE) == [firmware]
    assert said(answer, Fact.BUILD_DATE) == ([date] if date else [])


def test_a_body_is_found_wherever_it_begins() -> None:
    assert dhdiscover.parse(b"\x20\x00junk" + framed(DOOR_STATION)[32:]) == dhdiscover.parse(framed(DOOR_STATION))


def test_others_searches_say_nothing() -> None:
    assert dhdiscover.parse(dhdiscover.request()) is None
    assert dhdiscover.parse_old(dhdiscover.old_request()) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(framed([]), id="a list"),
        pytest.param(framed({"method": "client.notifyDevInfo"}), id="no deviceInfo"),
        pytest.param(framed({"params": {"deviceInfo": "x"}}), id="deviceInfo of another type"),
        pytest.param(b"{" * 60000, id="nested too deep"),
        pytest.param(b'{"a":' * 20000, id="nested too deep, well formed"),
        pytest.param(framed(DOOR_STATION)[:90], id="cut off"),
        pytest.param(b"{}" * 40000, id="too large"),
    ],
)
def test_rubbish_is_a_value(data: bytes) -> None:
    assert isinstance(dhdiscover.parse(data), Rubbish)


def test_values_of_other_types_are_left_out() -> None:
    answer = dhdiscover.parse(with_info(SerialNo=17, Vendor=None, DeviceType=["x"], HttpPort="eighty", Version={}))

    assert said(answer, Fact.SERIAL) == said(answer, Fact.MODEL) == said(answer, Fact.BRAND) == []


def old_answer() -> bytes:
    second = b"90:02:a9:11:22:33" + b"IPC-HFW4431R-Z\x00"
    third = (
        b"Name:PZC0LW0\r\nDevice:IPC-HFW4431R-Z\r\nIPv6Addr:2001:db8::1/64;gateway:::\r\nSerialNo:2K00F11PAL00042\r\n"
    )
    first = bytearray(0x78)
    first[0], first[2] = 0xB3, len(second)
    struct.pack_into("<I", first, 0x04, 0x58)
    struct.pack_into("<I", first, 0x10, 2)
    struct.pack_into("<H", first, 0x14, len(third))
    first[0x28:0x2B] = b"IPC"
    struct.pack_into("<HHH", first, 32 + 62, 8081, 443, 37777)
    return bytes(first) + second + third


def test_the_old_form_is_read() -> None:
    heard = dhdiscover.parse_old(old_answer())

    assert isinstance(heard, Heard)
    assert heard.claimed_mac == "90:02:a9:11:22:33"
    assert heard.web_ports == (8081,)
    assert said(heard, Fact.MODEL) == ["IPC-HFW4431R-Z"]
    assert said(heard, Fact.SERIAL) == ["2K00F11PAL00042"]
    assert said(heard, Fact.KIND) == ["camera"]


@pytest.mark.parametrize("length", [0, 1, 31, 0x77])
def test_a_cut_off_old_answer_is_rubbish(length: int) -> None:
    assert isinstance(dhdiscover.parse_old(old_answer()[:length]), Rubbish)


def test_an_old_answer_with_lying_lengths_is_read_as_far_as_it_goes() -> None:
    answer = bytearray(old_answer())
    answer[2] = 0xFF
    struct.pack_into("<H", answer, 0x14, 0xFFFF)

    assert isinstance(dhdiscover.parse_old(bytes(answer)), Heard)


def said(answer: Answer, fact: Fact) -> list[str]:
    assert isinstance(answer, Heard)
    return [item.value for item in answer.evidence if item.fact is fact]
