"""Recorders of TVT's and Xiongmai's lineage: what they show, and what nobody may ask them."""

import hashlib
import re

import httpx
import pytest

from bartizan_agent.discovery import http_banner
from bartizan_lab.cameras.registry import PASSWORD
from tests.lab.cameras.standing import standing


async def test_the_page_title_is_the_one_that_fingerprints_know_xiongmai_by_and_says_nothing_of_tvt() -> None:
    async with standing("lineage-xiongmai") as device, device.stranger() as client:
        shown = await client.get("/")
    async with standing("lineage-tvt") as device, device.stranger() as client:
        hidden = await client.get("/")

    said = [http_banner.evidence(http_banner.HttpAnswer(200, {}, page.content)) for page in (shown, hidden)]
    assert [[item.value for item in evidence] for evidence in said] == [["NETSurveillance WEB"], ["WEB Client"]]


async def test_whoever_uses_the_leak_is_noted_and_gets_nothing() -> None:
    async with standing("lineage-tvt") as device, device.stranger() as client:
        answer = await client.get("/queryDevInfo")

        assert device.camera.state.meddling == ["HTTP /queryDevInfo from 127.0.0.1"]
    assert answer.status_code == 404


async def test_without_onvif_there_is_neither_service_nor_picture() -> None:
    async with standing("lineage-tvt", onvif=False) as device, device.client() as client:
        statuses = [(await client.post("/onvif/device_service")).status_code]
        statuses.append((await client.get("/snapshot.jpg")).status_code)

    assert statuses == [404, 404]


async def posted(
    client: httpx.AsyncClient, name: str, content: str = "", *, shown: str = "null", session: str = ""
) -> str:
    """What the interface answers, put together here as its web pages do and not as the driver does."""
    body = (
        '<?xml version="1.0" encoding="UTF-8" ?>'
        f'<request version="1.0" systemType="NVMS-9000" clientType="WEB"><token>{shown}</token>{content}</request>'
    )
    answer = await client.post(f"/{name}", content=body, headers={"Cookie": f"sessionId={session}"} if session else {})
    return answer.text


def inner(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>\s*([^<]*?)\s*</{name}>", xml)
    return found[1] if found else ""


async def logged_in(client: httpx.AsyncClient, password: str) -> tuple[str, str]:
    challenge = await posted(client, "reqLogin")
    session = inner(challenge, "sessionId")
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest().upper()
    proof = hashlib.sha512(f"{digest}#{inner(challenge, 'nonce')}".encode()).hexdigest()
    login = f"<content><userName><![CDATA[admin]]></userName><password><![CDATA[{proof}]]></password></content>"
    return session, await posted(client, "doLogin", login, session=session)


async def test_whoever_logs_in_for_its_number_is_told_its_settings_until_logging_out() -> None:
    async with standing("lineage-tvt") as device, device.stranger() as client:
        session, answer = await logged_in(client, PASSWORD)
        token = inner(answer, "token")
        time = await posted(client, "queryTimeCfg", shown=token, session=session)
        await posted(client, "doLogout", shown=token, session=session)
        after = await posted(client, "queryTimeCfg", shown=token, session=session)

    assert (inner(time, "type"), inner(time, "ntpServer")) == ("NTP", "10.0.0.1")
    assert inner(after, "status") == "fail"


async def test_guessing_gives_no_session_and_ends_in_a_lock_out() -> None:
    async with standing("lineage-tvt") as device, device.stranger() as client:
        codes = [inner((await logged_in(client, f"guess-{n}"))[1], "errorCode") for n in range(8)]

    assert codes[0] == "536870948"
    assert codes[-1] == "536870951"


@pytest.mark.parametrize("name", ["queryTimeCfg", "queryDevList", "editTimeCfg"])
async def test_strangers_are_told_nothing(name: str) -> None:
    async with standing("lineage-tvt") as device, device.stranger() as client:
        answer = await posted(client, name, shown="", session="x")

    assert inner(answer, "status") == "fail"
