"""ONVIF: WS-Discovery, the device service, logins at both levels, and firmware by HTTP."""

import asyncio
import base64
import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from xml.etree.ElementTree import Element

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from bartizan_lab.cameras import Fault
from bartizan_lab.cameras.images import ONVIF_IMAGE, SealedImage
from bartizan_lab.cameras.registry import PASSWORD
from bartizan_lab.cameras.wsdiscovery import DiscoveryTarget, Scopes
from tests.lab.cameras.standing import Standing, datagram, standing

SOAP = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
GOOD = SealedImage(ONVIF_IMAGE, "NC-200", "1.3.0", date(2026, 2, 2))


def envelope(action: str, header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header>{header}</s:Header>'
        f'<s:Body><{action} xmlns="{DEVICE}"/></s:Body></s:Envelope>'
    ).encode()


def token(password: str = PASSWORD, created: datetime | None = None) -> str:
    nonce, moment = b"0123456789abcdef", f"{created or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    digest = hashlib.sha1(nonce + moment.encode() + password.encode(), usedforsecurity=False).digest()
    return (
        f'<Security xmlns="{WSSE}secext-1.0.xsd"><UsernameToken><Username>admin</Username>'
        f"<Password>{base64.b64encode(digest).decode()}</Password><Nonce>{base64.b64encode(nonce).decode()}</Nonce>"
        f'<Created xmlns="{WSSE}utility-1.0.xsd">{moment}</Created></UsernameToken></Security>'
    )


async def soap(client: httpx.AsyncClient, action: str, header: str = "") -> httpx.Response:
    return await client.post("/onvif/device_service", content=envelope(action, header))


def values(octets: bytes) -> dict[str, str]:
    root: Element = fromstring(octets)
    return {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}


async def test_the_time_is_told_to_everybody_and_the_identity_is_not() -> None:
    async with standing("onvif") as device, device.stranger() as client:
        time = await soap(client, "GetSystemDateAndTime")
        identity = await soap(client, "GetDeviceInformation")

    assert time.status_code == 200
    assert values(time.content)["Year"] == str(datetime.now(UTC).year)
    assert identity.status_code == 401
    assert identity.headers["www-authenticate"].startswith("Digest ")


async def test_digest_and_username_token_both_open_the_device_information() -> None:
    async with standing("onvif") as device, device.client() as digest, device.stranger() as stranger:
        one = values((await soap(digest, "GetDeviceInformation")).content)
        two = values((await soap(stranger, "GetDeviceInformation", token())).content)

    assert one == two
    assert {key: one[key] for key in ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")} == {
        "Manufacturer": "Generic",
        "Model": "NC-200",
        "FirmwareVersion": "1.2.3",
        "SerialNumber": "NC200-000001",
        "HardwareId": "1.0",
    }


async def test_a_token_of_another_time_or_password_is_refused() -> None:
    async with standing("onvif") as device, device.stranger() as client:
        old = await soap(client, "GetDeviceInformation", token(created=datetime.now(UTC) - timedelta(seconds=400)))
        wrong = await soap(client, "GetDeviceInformation", token("wrong"))
        rubbish = await soap(client, "GetDeviceInformation", token().replace("Created", "Made"))
        before_time = re.sub(r">\d{4}-[^<]*Z<", ">0001-01-01T00:00:00+14:00<", token())
        ancient = await soap(client, "GetDeviceInformation", before_time)

    assert {old.status_code, wrong.status_code, rubbish.status_code, ancient.status_code} == {400}
    assert b"ter:NotAuthorized" in wrong.content


async def test_a_wrong_clock_shuts_out_tokens_until_the_client_goes_by_the_cameras_time() -> None:
    """Which is why the time is asked first."""
    async with standing("onvif", faults={Fault.WRONG_TIME}) as device, device.stranger() as client:
        shut = await soap(client, "GetDeviceInformation", token())
        year = values((await soap(client, "GetSystemDateAndTime")).content)["Year"]
        opened = await soap(client, "GetDeviceInformation", token(created=datetime(1970, 1, 1, tzinfo=UTC)))

    assert shut.status_code == 400
    assert year == "1970"
    assert opened.status_code == 200


@pytest.mark.parametrize("body", [b"", b"<s", b"<x/>", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'])
async def test_what_is_no_soap_gets_a_fault(body: bytes) -> None:
    async with standing("onvif") as device, device.stranger() as client:
        answer = await client.post("/onvif/device_service", content=body)

    assert answer.status_code == 400
    assert b"ter:WellFormed" in answer.content


async def test_what_it_cannot_do_gets_a_fault() -> None:
    async with standing("onvif") as device, device.client() as client:
        answer = await soap(client, "SetSystemFactoryDefault")

    assert answer.status_code == 500
    assert b"ter:ActionNotSupported" in answer.content


async def upload(device: Standing, octets: bytes) -> int:
    """Upgrade as ONVIF Core says: ask where to, then POST the image there."""
    async with device.client() as client:
        where = values((await soap(client, "StartFirmwareUpgrade")).content)["UploadUri"]
        octet_stream = {"Content-Type": "application/octet-stream"}
        return (await client.post(where, content=octets, headers=octet_stream)).status_code


async def test_an_upgrade_begins_when_the_upload_ends_and_reboots_by_itself() -> None:
    async with standing("onvif") as device:
        assert await upload(device, GOOD.pack()) == 200
        await device.booted(2)

        assert device.camera.state.firmware == "1.3.0"


async def test_a_wrong_image_is_415_and_a_failing_write_500() -> None:
    async with standing("onvif") as device:
        other = SealedImage(ONVIF_IMAGE, "NC-100", "1.3.0", date(2026, 2, 2))
        refused = [await upload(device, octets) for octets in (b"", GOOD.pack()[:-1], other.pack())]
        device.camera.state.faults.add(Fault.UPGRADE_FAILS_MIDWAY)
        failed = await upload(device, GOOD.pack())

    assert refused == [415, 415, 415]
    assert failed == 500


async def test_the_backup_has_an_address_and_takes_a_login() -> None:
    async with standing("onvif") as device, device.client() as client, device.stranger() as stranger:
        where = values((await soap(client, "GetSystemUris")).content)["SystemBackupUri"]

        assert (await client.get(where)).content == b"backup of NC200-000001\n"
        assert (await stranger.get(where)).status_code == 401


async def test_namespaces_can_have_prefixes_that_nobody_expects() -> None:
    async with standing("onvif", faults={Fault.NAMESPACE_ODD}) as device, device.client() as client:
        answer = await soap(client, "GetDeviceInformation")

    assert b"<ns17:Model>NC-200</ns17:Model>" in answer.content
    assert fromstring(answer.content).findtext(f".//{{{DEVICE}}}Model") == "NC-200"


def probe(types: str = "", scopes: str = "") -> bytes:
    return (
        f'<e:Envelope xmlns:e="{SOAP}" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>urn:uuid:7</w:MessageID></e:Header>'
        f"<e:Body><d:Probe><d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes></d:Probe></e:Body></e:Envelope>"
    ).encode()


def answers(octets: bytes) -> list[bytes]:
    scopes = Scopes("Generic NC-200", "NC-200")
    target = DiscoveryTarget("urn:uuid:1", lambda: scopes, ("http://192.0.2.7/onvif/device_service",), 3, set())
    return [answer.octets for answer in target.respond(datagram(octets))]


@pytest.mark.parametrize(
    ("types", "scopes", "matches"),
    [
        ("", "", 1),
        ("dn:NetworkVideoTransmitter", "", 1),
        ("dn:NetworkVideoTransmitter tds:Device", "onvif://www.onvif.org/hardware/NC-200", 1),
        ("", "onvif://www.onvif.org/type", 1),
        ("", "onvif://www.onvif.org/hard", 0),
        ("wsdp:Printer", "", 0),
        ("", "onvif://www.onvif.org/hardware/other", 0),
    ],
)
def test_a_probe_is_answered_if_types_and_scopes_fit(types: str, scopes: str, matches: int) -> None:
    assert len(answers(probe(types, scopes))) == matches


def test_a_probe_match_says_what_it_relates_to_and_where_the_device_is() -> None:
    (answer,) = answers(probe())

    match = values(answer)
    assert match["RelatesTo"] == "urn:uuid:7"
    assert match["Types"] == "dn:NetworkVideoTransmitter tds:Device"
    assert match["XAddrs"] == "http://192.0.2.7/onvif/device_service"
    assert "onvif://www.onvif.org/name/Generic%20NC-200" in match["Scopes"]
    assert b'InstanceId="3"' in answer


@pytest.mark.parametrize("octets", [b"", b"<", b"\xff\xfe\0", b"<Envelope/>", probe()[:-20]])
def test_discovery_ignores_what_is_malformed(octets: bytes) -> None:
    assert answers(octets) == []


async def test_discovery_answers_unicast_and_a_hidden_camera_does_not() -> None:
    async with standing("onvif") as device:
        assert b"ProbeMatches" in await device.ask(probe(), 3702)
    async with standing("hikvision", firmware="V5.5.0") as hidden:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hidden.ask(probe(), 3702), 0.2)
