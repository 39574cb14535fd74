"""SSDP and mDNS as a device answers them, without a network."""

import pytest
from defusedxml.ElementTree import fromstring
from zeroconf import (  # type: ignore[attr-defined]  # exported, but not in its types
    DNSIncoming,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    DNSText,
)

from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.mdns import Advertised, MdnsDevice
from bartizan_lab.cameras.ssdp import UpnpDevice
from tests.lab.cameras.standing import datagram

PTR, ANY = 12, 255
UPNP = UpnpDevice(
    uuid="7f2c",
    device_type="urn:schemas-upnp-org:device:Basic:1",
    friendly_name="Front <door>",
    manufacturer="HIKVISION",
    model_name="DS-2CD",
    model_number="DS-2CD",
    serial="S1",
    address="192.0.2.7",
    server="Linux",
)
AXIS = MdnsDevice(
    "AXIS M5014 - ACCC8E3C0419",
    "axis-accc8e3c0419.local.",
    "192.0.2.8",
    "2001:db8::8",
    (Advertised("_axis-video._tcp.local.", 80, (("macaddress", "ACCC8E3C0419"),)),),
)


def search(target: str) -> bytes:
    head = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: ssdp:discover\r\nMX: 2"
    return f"{head}\r\nST: {target}\r\n\r\n".encode()


def query(name: str, kind: int = PTR) -> bytes:
    packet = DNSOutgoing(0)
    packet.add_question(DNSQuestion(name, kind, 1))
    octets: bytes = packet.packets()[0]
    return octets


def test_an_m_search_is_answered_to_the_asker() -> None:
    (answer,) = UPNP.respond(datagram(search("upnp:rootdevice")))

    assert answer.peer == ("192.0.2.9", 40000)
    assert answer.octets.decode().splitlines() == [
        "HTTP/1.1 200 OK",
        "EXT: ",
        "ST: upnp:rootdevice",
        "CACHE-CONTROL: max-age=1800",
        "LOCATION: http://192.0.2.7:80/upnpdevicedesc.xml",
        "SERVER: Linux",
        "USN: uuid:7f2c::upnp:rootdevice",
        "",
    ]


def test_a_search_for_all_is_answered_once_for_each_target_and_for_others_not_at_all() -> None:
    assert len(list(UPNP.respond(datagram(search("ssdp:all"))))) == 3
    assert list(UPNP.respond(datagram(search("urn:schemas-upnp-org:device:Printer:1")))) == []


@pytest.mark.parametrize("octets", [b"", b"NOTIFY * HTTP/1.1\r\n\r\n", b"M-SEARCH ", b"M-SEARCH \xff\r\n:::\r\n"])
def test_ssdp_ignores_what_is_no_search(octets: bytes) -> None:
    assert list(UPNP.respond(datagram(octets))) == []


def test_the_description_is_xml_whatever_the_name() -> None:
    device = fromstring(UPNP.description())

    assert device.findtext(".//{urn:schemas-upnp-org:device-1-0}friendlyName") == "Front <door>"


def test_a_pointer_comes_with_what_will_be_asked_next() -> None:
    (answer,) = AXIS.respond(Datagram(query("_axis-video._tcp.local."), ("192.0.2.9", 5353)))

    assert answer.peer == ("224.0.0.251", 5353)
    records = DNSIncoming(answer.octets).answers()
    assert [type(record).__name__ for record in records] == [
        "DNSPointer",
        "DNSService",
        "DNSText",
        "DNSAddress",
        "DNSAddress",
    ]
    assert isinstance(records[2], DNSText)
    assert records[2].text == b"\x17macaddress=ACCC8E3C0419"


def test_a_plain_resolver_gets_its_answer_alone_with_its_own_id() -> None:
    octets = b"\x12\x34" + query("axis-accc8e3c0419.local.", ANY)[2:]
    (answer,) = AXIS.respond(datagram(octets))

    assert answer.peer == ("192.0.2.9", 40000)
    assert answer.octets[:2] == b"\x12\x34"
    assert DNSIncoming(answer.octets).questions[0].name == "axis-accc8e3c0419.local."


def test_the_list_of_services_is_answered() -> None:
    (answer,) = AXIS.respond(Datagram(query("_services._dns-sd._udp.local."), ("192.0.2.9", 5353)))

    (pointer, *_) = DNSIncoming(answer.octets).answers()
    assert isinstance(pointer, DNSPointer)
    assert pointer.alias == "_axis-video._tcp.local."


@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 11, b"\0" * 12, b"\0\0\x84\0" + b"\0" * 30, b"\0\0\0\0\0\x01" + b"\xc0" * 40]
)
def test_mdns_ignores_what_is_no_query_for_it(octets: bytes) -> None:
    assert list(AXIS.respond(datagram(octets))) == []
    assert list(AXIS.respond(datagram(query("_ipp._tcp.local.")))) == []
