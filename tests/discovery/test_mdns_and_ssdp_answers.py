"""mDNS and SSDP: what they name is read, and nothing that they point to elsewhere is followed."""

import socket

import pytest
from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSText  # type: ignore[attr-defined]  # not in __all__

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery import mdns, ssdp
from bartizan_agent.discovery.answer import Heard, Rubbish, read_mac

_RESPONSE = 0x8400
_IN, _PTR, _TXT, _A = 1, 12, 16, 1
CAMERA = Address("10.9.0.20")


def axis_response(service: str = "_axis-video._tcp.local.", instance: str = "AXIS M5014 - ACCC8E3C0419") -> bytes:
    message = DNSOutgoing(_RESPONSE)
    message.add_answer_at_time(DNSPointer(service, _PTR, _IN, 4500, f"{instance}.{service}"), 0)
    message.add_additional_answer(DNSText(f"{instance}.{service}", _TXT, _IN, 4500, b"\x17macaddress=ACCC8E3C0419"))
    message.add_additional_answer(DNSAddress("axis.local.", _A, _IN, 120, socket.inet_aton("10.9.0.20")))
    return bytes(message.packets()[0])


def test_the_question_asks_for_cameras_only() -> None:
    assert mdns.request() == (
        b"\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00"
        b"\x0b_axis-video\x04_tcp\x05local\x00\x00\x0c\x00\x01"
        b"\x09_axis-nvr\x04_tcp\x05local\x00\x00\x0c\x00\x01"
        b"\x05_arec\x04_tcp\x05local\x00\x00\x0c\x00\x01"
    )


def test_an_axis_camera_names_model_and_mac() -> None:
    assert mdns.parse(axis_response()) == Heard(
        claimed_mac=read_mac("ac:cc:8e:3c:04:19"),
        evidence=(
            Evidence(Fact.MAKER, "axis", Source.MDNS, 75, "_axis-video._tcp.local"),
            Evidence(Fact.KIND, "camera", Source.MDNS, 70, "_axis-video._tcp.local"),
            Evidence(Fact.BRAND, "AXIS", Source.MDNS, 60, "instance name"),
            Evidence(Fact.MODEL, "M5014", Source.MDNS, 70, "instance name"),
            Evidence(Fact.SERIAL, "ACCC8E3C0419", Source.MDNS, 60, "instance name"),
            Evidence(Fact.MAC, "ac:cc:8e:3c:04:19", Source.MDNS, 75, "TXT"),
        ),
    )


def arecont_response(instance: str, text: bytes) -> bytes:
    """Return an answer in the form of a third-party scanner's self-test. Without a text there is no record of one."""
    service = "_arec._tcp.local."
    message = DNSOutgoing(_RESPONSE)
    message.add_answer_at_time(DNSPointer(service, _PTR, _IN, 4500, f"{instance}.{service}"), 0)
    if text:
        message.add_additional_answer(DNSText(f"{instance}.{service}", _TXT, _IN, 4500, bytes([len(text)]) + text))
    return bytes(message.packets()[0])


def test_each_arecont_instance_has_the_model_of_its_own_text() -> None:
    service = "_arec._tcp.local."
    message = DNSOutgoing(_RESPONSE)
    for instance in ("ARECONT AV 1000-AV334455", "ARECONT AV 2256PM-AV000001"):
        message.add_answer_at_time(DNSPointer(service, _PTR, _IN, 4500, f"{instance}.{service}"), 0)
    text = b"\x0dMAC=x/2256PM "
    message.add_additional_answer(DNSText(f"ARECONT AV 2256PM-AV000001.{service}", _TXT, _IN, 4500, text))
    heard = mdns.parse(bytes(message.packets()[0]))

    assert isinstance(heard, Heard)
    said = {(said.fact, said.value): (said.weight, said.detail) for said in heard.evidence}
    assert said[Fact.MODEL, "AV1000"] == (70, "instance name")
    assert said[Fact.MODEL, "AV2256PM"] == (75, "TXT")
    assert said[Fact.MAC, "00:1a:07:33:44:55"] == (60, "instance name")


@pytest.mark.parametrize(
    ("instance", "text", "model", "claims"),
    [
        ("ARECONT AV 1000-AV334455", b"MAC=001A07334455/1000-VIRTUAL   ", "AV1000-VIRTUAL", "00:1a:07:33:44:55"),
        ("ARECONT AV 1000-AV334455", b"", "AV1000", "00:1a:07:33:44:55"),
        ("Arecont AV2256PM-AV0A0b0C", b"x=y", "AV2256PM", "00:1a:07:0a:0b:0c"),
        ("Back yard", b"MAC=?/2256PM", "AV2256PM", None),
        ("Back yard", b"MAC=001A07334455", "", None),
        ("Back yard", b"MAC=/ \x01", "", None),
        ("ARECONT AV -AV33445G", b"MAC", "", None),
    ],
)
def test_an_arecont_camera_names_model_and_mac(instance: str, text: bytes, model: str, claims: str | None) -> None:
    heard = mdns.parse(arecont_response(instance, text))

    assert isinstance(heard, Heard)
    assert [said.value for said in heard.evidence if said.fact is Fact.MAKER] == ["arecont"]
    assert "".join(said.value for said in heard.evidence if said.fact is Fact.MODEL) == model
    assert heard.claimed_mac == claims


def test_a_name_given_by_a_person_is_no_model() -> None:
    heard = mdns.parse(axis_response(instance="Front door"))

    assert isinstance(heard, Heard)
    assert {said.fact for said in heard.evidence} == {Fact.MAKER, Fact.KIND, Fact.MAC}


def test_other_services_and_questions_say_nothing() -> None:
    assert mdns.parse(mdns.request()) is None
    message = DNSOutgoing(_RESPONSE)
    message.add_answer_at_time(DNSPointer("_ipp._tcp.local.", _PTR, _IN, 4500, "Laser._ipp._tcp.local."), 0)
    assert mdns.parse(bytes(message.packets()[0])) is None


@pytest.mark.parametrize("length", [0, 3, 11])
def test_a_cut_off_message_is_rubbish(length: int) -> None:
    assert isinstance(mdns.parse(axis_response()[:length]), Rubbish)


ANSWER = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLocation: http://10.9.0.20:49152/desc.xml\r\n"
    b"SERVER: Linux/3.0 UPnP/1.0\r\nST: upnp:rootdevice\r\n"
    b"USN: uuid:5EA0C2E2-0000-1000-8000-4447CC37CE81::upnp:rootdevice\r\n\r\n"
)


def test_an_answer_says_where_the_description_is() -> None:
    assert ssdp.parse(ANSWER) == Heard(
        evidence=(Evidence(Fact.UUID, "5ea0c2e2-0000-1000-8000-4447cc37ce81", Source.SSDP, 60, "USN"),),
        location="http://10.9.0.20:49152/desc.xml",
    )


def test_announcements_and_farewells_are_heard_but_not_searches() -> None:
    notify = ANSWER.replace(b"HTTP/1.1 200 OK", b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive")

    assert ssdp.parse(notify) == ssdp.parse(ANSWER)
    assert ssdp.parse(notify.replace(b"ssdp:alive", b"ssdp:byebye")) == Heard(is_leaving=True)
    assert ssdp.parse(ssdp.request()) is None
    assert isinstance(ssdp.parse(b"GET / HTTP/1.1\r\n\r\n"), Rubbish)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://10.9.0.20:49152/desc.xml", (49152, "/desc.xml")),
        ("http://10.9.0.20", (80, "/")),
        ("http://10.9.0.20/d?x=1", (80, "/d?x=1")),
        ("http://10.9.0.21/desc.xml", None),
        ("http://169.254.169.254/latest", None),
        ("http://controller.example/desc.xml", None),
        ("https://10.9.0.20/desc.xml", None),
        ("file:///etc/passwd", None),
        ("http://10.9.0.20:99999/", None),
        ("http://10.9.0.20:0x50/", None),
        ("http://10.9.0.20/a\r\nHost: b", None),
        ("http://[fe80::1/", None),
        ("", None),
    ],
)
def test_only_a_description_on_the_sender_itself_is_fetched(location: str, target: tuple[int, str] | None) -> None:
    assert ssdp.description_target(location, CAMERA) == target


def test_a_description_names_maker_and_model() -> None:
    description = (
        b'<root xmlns="urn:schemas-upnp-org:device-1-0"><device><friendlyName>Yard & gate</friendlyName>'
        b"<manufacturer>HIKVISION</manufacturer><modelName>NETWORK CAMERA</modelName>"
        b"<modelNumber>DS-2CD2320D-I</modelNumber><serialNumber>C52932642</serialNumber>"
        b"<UDN>uuid:5ea0c2e2-0000-1000-8000-4447cc37ce81</UDN></device></root>"
    )

    heard = ssdp.parse_description(description)

    assert isinstance(heard, Heard)
    assert [(said.fact, said.value) for said in heard.evidence] == [
        (Fact.BRAND, "HIKVISION"),
        (Fact.MODEL, "DS-2CD2320D-I"),
        (Fact.SERIAL, "C52932642"),
        (Fact.UUID, "5ea0c2e2-0000-1000-8000-4447cc37ce81"),
    ]


def test_a_description_without_device_is_rubbish() -> None:
    assert isinstance(ssdp.parse_description(b"<root/>"), Rubbish)
    assert isinstance(ssdp.parse_description(b"404 not found"), Rubbish)
