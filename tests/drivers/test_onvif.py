"""What ONVIF's answers mean: prefixes, faults, durations, and addresses that are not followed."""

import pytest

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act
from bartizan_agent.drivers.onvif import messages
from tests.drivers.exchange import declined

HOST = "192.0.2.1"
SOAP = "http://www.w3.org/2003/05/soap-envelope"


def envelope(content: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:ter="http://www.onvif.org/ver10/error">'
        f"<s:Body>{content}</s:Body></s:Envelope>"
    ).encode()


def fault(code: str) -> bytes:
    return envelope(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode></s:Code>"
        "<s:Reason><s:Text>Said</s:Text></s:Reason></s:Fault>"
    )


def moment(year: object = 2026, second: object = 5) -> bytes:
    return envelope(
        f"<UTCDateTime><Time><Hour>2</Hour><Minute>3</Minute><Second>{second}</Second></Time>"
        f"<Date><Year>{year}</Year><Month>1</Month><Day>4</Day></Date></UTCDateTime>"
    )


def test_the_time_is_read_with_any_prefix_and_a_leap_second() -> None:
    assert messages.date_and_time().decode(moment()) == 1767492185.0
    assert messages.date_and_time().decode(moment(second=60)) == 1767492185.0 + 54
    odd = moment().replace(b"<s:", b"<ENV:").replace(b"</s:", b"</ENV:").replace(b"xmlns:s=", b"xmlns:ENV=")
    assert messages.date_and_time().decode(odd) == 1767492185.0


@pytest.mark.parametrize("body", [envelope(""), moment("soon"), moment(10**9), moment(1970, -1), b"no XML", b""])
def test_what_is_no_time_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        messages.date_and_time().decode(body)


@pytest.mark.parametrize(
    ("code", "act", "name"),
    [
        ("NotAuthorized", Act.CREDENTIALS, "login-refused"),
        ("FailedAuthentication", Act.CREDENTIALS, "login-refused"),
        ("InvalidFirmware", Act.NEVER, "image-refused"),
        ("ActionNotSupported", Act.NEVER, "declined"),
    ],
)
def test_faults_are_read_by_their_subcode(code: str, act: Act, name: str) -> None:
    request = messages.device_information("")

    failure = declined(request, fault(code))
    assert (failure.act, failure.code) == (act, name)
    assert request.explain(400, fault(code)) == failure


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (f"rtsp://{HOST}:554/stream1?a=b", "/stream1?a=b"),
        ("/stream1", "/stream1"),
        (f"http://{HOST.upper()}/x", "/x"),
    ],
)
def test_an_address_on_the_camera_is_followed(uri: str, path: str) -> None:
    uri = uri.replace("&", "&amp;")

    assert messages.stream_uri("", "/m", "p", HOST).decode(envelope(f"<Uri>{uri}</Uri>")) == path


@pytest.mark.parametrize(
    "uri",
    ["http://192.0.2.99/x", "http://evil.example/", "http://[::1/x", "", "http://192.0.2.1", "/a b", "/" + "a" * 2000],
)
def test_no_other_address_is(uri: str) -> None:
    with pytest.raises(Malformed):
        messages.stream_uri("", "/m", "p", HOST).decode(envelope(f"<Uri>{uri}</Uri>"))


@pytest.mark.parametrize(
    ("delay", "seconds"), [("PT0S", 0.0), ("PT1M30S", 90.0), ("P1DT1H", 90000.0), ("PT5.5S", 5.0), ("soon", 0.0)]
)
def test_a_camera_says_how_long_to_wait_before_its_image(delay: str, seconds: float) -> None:
    body = envelope(f"<UploadUri>http://{HOST}/up</UploadUri><UploadDelay>{delay}</UploadDelay>")

    upgrade = messages.start_upgrade("", HOST).decode(body)

    assert (upgrade.path, upgrade.delay_seconds) == ("/up", seconds)


def test_a_profile_s_token_is_escaped_where_it_is_sent_back() -> None:
    request = messages.snapshot_uri("", "/m", '<&"', HOST)

    assert b"<ProfileToken>&lt;&amp;" in b"".join(part for part in request.body if isinstance(part, bytes))
