"""What tells one device from another does not come into a recording."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan_agent.recordings.scrub import Known, Scrubber, is_label, is_secret, without_login

KNOWN = Known(
    serial="DS-2CD2143G2-I20220919AAWRK12345678",
    model="DS-2CD2143G2-I",
    firmware="V5.7.18 build 240826",
    host="10.1.2.3",
    macs=("44:47:cc:12:34:56",),
    password="hunter2-hunter2",
)


def scrubbed(*texts: str, known: Known = KNOWN) -> str:
    scrubber = Scrubber(known, texts)
    return "\n".join(scrubber.text(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"<SN>{KNOWN.serial}</SN>", "<SN>DS-2CD2143G2-I00000000XXXXX00000000</SN>"),
        ("<subSerialNumber>AAWRK4321</subSerialNumber>", "<subSerialNumber>XXXXX0000</subSerialNumber>"),
        ("<mac>44-47-CC-12-34-56</mac> 4447cc123456", "<mac>02-00-00-00-00-01</mac> 020000000001"),
        ("sn=5A04B5FPAG00001\r\nsn2=x", "sn=0X00X0XXXX00000\r\nsn2=x"),
        ('{"SerialNumber": "ABCD12", "x": "abcd12"}', '{"SerialNumber": "XXXX00", "x": "XXXX00"}'),
        ("updateSerial=IPC-HDW5830R-Z", "updateSerial=IPC-HDW5830R-Z"),
        ("http://10.1.2.3/a 10.9.9.9 10.9.9.9", "http://192.0.2.1/a 192.0.2.2 192.0.2.2"),
        ("255.255.255.0 0.0.0.0 239.255.255.250", "255.255.255.0 0.0.0.0 239.255.255.250"),
        ("2.800.0000016.0.R 1.2.3.4.5 v1.2.3.4", "2.800.0000016.0.R 1.2.3.4.5 v1.2.3.4"),
        ("at 12:34:56, fe80::4647:ccff:fe12:3456", "at 12:34:56, 2001:db8::2"),
        ("<deviceName>Cash desk 4</deviceName>", "<deviceName>name</deviceName>"),
        ("name=Cash desk 4", "name=name"),
        ("password hunter2-hunter2", "password xxxxxxxxxxxxxxx"),
        (
            "urn:uuid:fb2c6a10-1111-2222-3333-4447cc999999",
            "urn:uuid:00000000-0000-4000-8000-000000000001",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_trace_is_taken_out_and_its_form_stays(text: str, left: str) -> None:
    assert scrubbed(text) == left


def test_a_firmware_version_that_looks_like_an_address_stays() -> None:
    known = KNOWN._replace(firmware="9.70.1.5")

    assert scrubbed('{"Version": "9.70.1.5"}', known=known) == '{"Version": "9.70.1.5"}'


def test_one_secret_has_one_stand_in_in_all_texts() -> None:
    first, second = "<serialNumber>QWERTY123</serialNumber>", 'realm="AXIS_qwerty123"'

    assert scrubbed(first, second) == '<serialNumber>XXXXXX000</serialNumber>\nrealm="AXIS_XXXXXX000"'


@pytest.mark.parametrize(
    ("header", "left"),
    [
        (
            'Digest realm="IP Camera(83813)", nonce="ab12", qop="auth"',
            'Digest realm="IP Camera(00000)", nonce="0000", qop="auth"',
        ),
        (
            'Digest realm="Login to fedfa8774b3f5835cc75881805c96fb9", nonce="n0nce", opaque="op4que"',
            'Digest realm="Login to 00000000000000000000000000000000", nonce="00000", opaque="000000"',
        ),
        ('Basic realm="x 10.1.2.3"', 'Basic realm="x 192.0.2.1"'),
    ],
)
def test_of_a_challenge_its_form_alone_stays(header: str, left: str) -> None:
    assert Scrubber(KNOWN, ()).challenge(header) == left


def test_a_login_in_an_envelope_is_left_out() -> None:
    asked = (
        '<s:Envelope><s:Header><wsse:Security s:mustUnderstand="true"><wsse:UsernameToken><wsse:Nonce>x</wsse:Nonce>'
        "</wsse:UsernameToken></wsse:Security></s:Header><s:Body><Get/></s:Body></s:Envelope>"
    )

    assert without_login(asked) == "<s:Envelope><s:Body><Get/></s:Body></s:Envelope>"


@pytest.mark.parametrize(
    ("name", "secret", "label"),
    [
        ("macAddress", True, False),
        ("ConnectedMACAddress", True, False),
        ("SocSerialNumber", True, False),
        ("deviceID", True, False),
        ("machineName", False, True),
        ("deviceLocation", False, True),
        ("updateSerialCloudUpgrade", False, False),
        ("firmwareVersion", False, False),
        ("deviceType", False, False),
    ],
)
def test_fields_are_judged_by_their_names(name: str, secret: bool, label: bool) -> None:  # noqa: FBT001
    assert (is_secret(name), is_label(name)) == (secret, label)


@given(st.text(max_size=300), st.text("0123456789ABCDEFabcdefXYZ-", min_size=8, max_size=20))
def test_a_serial_number_is_gone_whatever_stands_around_it(around: str, serial: str) -> None:
    known = KNOWN._replace(serial=serial)
    scrubber = Scrubber(known, [around, serial])

    left = scrubber.text(f"{around}{serial}{around}")

    assert all(secret not in left.lower() for secret in scrubber.secrets if secret == serial.lower())
