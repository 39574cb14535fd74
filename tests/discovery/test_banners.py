"""Banners: what servers say of themselves before any login."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bartizan.identity.fingerprints import Fingerprints
from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery import hikvision_port, http_banner, open_doors, rtsp_banner, tls_subject
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish
from bartizan_agent.discovery.http_banner import HttpAnswer
from bartizan_agent.knowledge import packaged_fingerprints

CAMERA = Address("10.9.0.20")


def page(head: str, body: bytes = b"") -> HttpAnswer:
    answer = http_banner.parse(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    assert isinstance(answer, HttpAnswer)
    return answer


@pytest.mark.parametrize(
    ("head", "body", "maker"),
    [
        ("HTTP/1.1 200 OK\nServer: App-webs/", b"", "hikvision"),
        ("HTTP/1.0 302 Redirect\nserver:DNVRS-Webs", b"", "hikvision"),
        ('HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest qop="auth", realm="IP Camera(83813)"', b"", "hikvision"),
        ('HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm="Login to 3C06520PAN00001"', b"", "dahua"),
        ('HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm="AXIS_ACCC8E3C0419", nonce="x"', b"", "axis"),
        ('HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm="iPolis"', b"", "hanwha"),
        ("HTTP/1.1 200 OK", b"<html><HEAD><TITLE>\n NETSurveillance WEB</TITLE>", "xiongmai"),
        ("HTTP/1.1 200 OK", b"<title>AXIS</title>", "axis"),
    ],
)
def test_a_first_page_names_its_maker(head: str, body: bytes, maker: str) -> None:
    assert named(http_banner.evidence(page(head, body))) == [maker]


@pytest.mark.parametrize(
    "head",
    ["HTTP/1.1 200 OK\nServer: nginx", 'HTTP/1.1 401 No\nWWW-Authenticate: Basic realm="Router"', "HTTP/1.1 200 OK"],
)
def test_an_ordinary_server_names_nobody(head: str) -> None:
    assert named(http_banner.evidence(page(head, b"<title>Login</title>"))) == []


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-dropbear\r\n", b"\x00" * 64, b"HTTP/1.1 OK\r\n\r\n"])
def test_what_is_no_http_is_rubbish(data: bytes) -> None:
    assert isinstance(http_banner.parse(data), Rubbish)


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 40000, True),
        (b"x" * 9000, True),
    ],
)
def test_reading_ends_when_enough_is_there(data: bytes, complete: bool) -> None:  # noqa: FBT001 - a parameter of the case
    assert http_banner.is_complete(data) is complete


def test_an_icon_is_known_by_its_hash_if_it_was_read_to_its_end() -> None:
    whole = http_banner.icon(page("HTTP/1.1 200 OK\nContent-Length: 4", b"icon"))

    assert [(said.fact, said.value) for said in whole] == [(Fact.FAVICON, "baec6461b0d69dde1b861aefbe375d8a")]
    assert http_banner.icon(page("HTTP/1.1 200 OK\nContent-Length: 5", b"icon")) == ()
    assert http_banner.icon(page("HTTP/1.1 200 OK", b"icon")) == ()
    assert http_banner.icon(page("HTTP/1.1 404 Not Found\nContent-Length: 4", b"icon")) == ()


def test_requests_carry_no_credentials() -> None:
    assert http_banner.request(CAMERA, 80) == (
        b"GET / HTTP/1.1\r\nHost: 10.9.0.20\r\nUser-Agent: bartizan\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    assert b"Host: [fe80::1]:8080\r\n" in http_banner.request(Address("fe80::1"), 8080)
    assert not any(b"authorization" in door.request(CAMERA, 80).lower() for door in open_doors.DOORS)


def test_axis_tells_model_and_firmware_to_anybody() -> None:
    body = (
        b'{"apiVersion":"1.3","data":{"propertyList":{"Brand":"AXIS","ProdNbr":"P3265-LV","Version":"11.11.73",'
        b'"SerialNumber":"B8A44F123456","HardwareID":"9A1","ProdType":"Network Camera"}}}'
    )

    said = open_doors.axis_properties(page("HTTP/1.1 200 OK", body))

    assert [(item.fact, item.value) for item in said] == [
        (Fact.MAKER, "axis"),
        (Fact.BRAND, "AXIS"),
        (Fact.MODEL, "P3265-LV"),
        (Fact.FIRMWARE, "11.11.73"),
        (Fact.HARDWARE, "9A1"),
        (Fact.SERIAL, "B8A44F123456"),
        (Fact.MAC, "b8:a4:4f:12:34:56"),
        (Fact.KIND, "camera"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"apiVersion":"1.0","error":{"code":2004,"message":"Unknown method \'getAllUnrestrictedProperties\'"}}',
        b'{"data":{"propertyList":[]}}',
        b'{"data":7}',
        b"[]",
        b"[" * 30000,
        b"\xff",
        b"<html>",
    ],
)
def test_an_axis_door_that_says_nothing_useful_is_no_evidence(body: bytes) -> None:
    assert open_doors.axis_properties(page("HTTP/1.1 200 OK", body)) == ()


def test_a_maker_is_named_by_the_only_door_that_asks_for_a_login() -> None:
    refused = dict.fromkeys(open_doors.DOORS, 404) | {open_doors.DOORS[2]: 401}

    assert open_doors.lone_refusal(refused) == (
        Evidence(
            Fact.MAKER, "dahua", Source.HTTP, 50, "only /cgi-bin/magicBox.cgi?action=getDeviceType asks for a login"
        ),
    )
    assert open_doors.lone_refusal(dict.fromkeys(open_doors.DOORS, 401)) == ()
    assert open_doors.lone_refusal(dict.fromkeys(open_doors.DOORS, 404)) == ()
    assert open_doors.lone_refusal({open_doors.DOORS[2]: 401}) == ()


def test_lapi_and_isapi_are_known_by_their_own_words() -> None:
    lapi = b'{"Response":{"ResponseURL":"/LAPI/V1.0/System/DeviceInfo","StatusCode":401,"Data":null}}'

    assert [said.value for said in open_doors.lapi(page("HTTP/1.1 401 Unauthorized", lapi))] == ["uniview"]
    assert [said.value for said in open_doors.isapi(page("HTTP/1.1 403 No", b"<ResponseStatus version"))] == [
        "hikvision"
    ]
    assert open_doors.isapi(page("HTTP/1.1 404 Not Found", b"<html>")) == ()


@pytest.mark.parametrize(
    ("head", "body", "value"),
    [
        (
            "HTTP/1.1 200 OK",
            b"<e><GetDeviceInformationResponse><Model>X</Model></GetDeviceInformationResponse></e>",
            "on",
        ),
        ("HTTP/1.1 400 No", b"<e><Value>ter:NotAuthorized</Value></e>", "off"),
        ("HTTP/1.1 401 Unauthorized", b"", "off"),
        ("HTTP/1.1 404 Not Found", b"<html></html>", ""),
        ("HTTP/1.1 200 OK", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", ""),
    ],
)
def test_onvif_tells_strangers_something_or_asks_for_a_login(head: str, body: bytes, value: str) -> None:
    said = open_doors.onvif_information(page(head, body))

    assert "".join(item.value for item in said if item.fact is Fact.ONVIF_WITHOUT_LOGIN) == value


@pytest.mark.parametrize(
    ("data", "maker"),
    [
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: Dahua Rtsp Server\r\nPublic: OPTIONS\r\n\r\n", ["dahua"]),
        (
            b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="IP Camera(12345)", nonce="a"\r\n\r\n',
            ["hikvision"],
        ),
        (b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="NET-i"\r\n\r\n', ["hanwha"]),
        (b"RTSP/1.0 200 OK\r\nServer: GStreamer RTSP server\r\n\r\n", []),
    ],
)
def test_an_rtsp_server_may_name_its_maker(data: bytes, maker: list[str]) -> None:
    assert makers(rtsp_banner.parse(data)) == maker


def test_what_is_no_rtsp_is_rubbish() -> None:
    assert isinstance(rtsp_banner.parse(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Rubbish)
    assert isinstance(rtsp_banner.parse(b""), Rubbish)


def test_hikvisions_control_port_greets() -> None:
    assert makers(hikvision_port.parse(bytes.fromhex("000000100000001e0000001e00000000") + b"more")) == ["hikvision"]
    assert hikvision_port.parse(b"") is None
    assert isinstance(hikvision_port.parse(b"SSH-2.0-x"), Rubbish)


def certificate(common_name: str, organisation: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        ]
    )
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), day, day)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("common_name", "organisation", "maker"),
    [
        ("axis-accc8e3c0419-eccp256-1", "Axis Communications AB", ["axis"]),
        ("192.168.1.64", "Hikvision", ["hikvision"]),
        ("3C06520PAN00001", "Dahua Technology", ["dahua"]),
        ("router", "Example", []),
    ],
)
def test_a_certificates_subject_may_name_the_maker(common_name: str, organisation: str, maker: list[str]) -> None:
    assert makers(tls_subject.parse(certificate(common_name, organisation))) == maker


def test_a_broken_certificate_is_rubbish() -> None:
    assert isinstance(tls_subject.parse(certificate("a", "b")[:-9]), Rubbish)
    assert isinstance(tls_subject.parse(b""), Rubbish)


def makers(answer: Answer) -> list[str]:
    assert isinstance(answer, Heard)
    return named(answer.evidence)


def named(evidence: tuple[Evidence, ...]) -> list[str]:
    """What the packaged fingerprints read out of banners."""
    return [match.row.maker for match in Fingerprints(packaged_fingerprints()).matches(evidence)]
