"""Recorders of TVT's and Xiongmai's lineage: what they show, and what nobody may ask them."""

from bartizan_agent.discovery import http_banner
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
