"""A camera that calls home and is kept from it: what it tried, what is proven, and what is not once somebody flushed.

One gateway, a real controller, a real broker; the statements are verified by the command that auditors use.
"""

import asyncio
import datetime as dt
import json
import struct
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bartizan_lab.cameras.state import Timings
from bartizan_lab.programs import command
from bartizan_lab.site.live import CLOUD_PORT
from bartizan_lab.site.plan import INTERNET
from tests.e2e.deployment import PROGRAMS, ROOT, Deployment, Json, held, standing
from tests.e2e.estates import camera, credential_document, site, site_document

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

CHAPEL = site("chapel", 1, camera("porch", "hikvision", 0), camera("tower", "dahua", 1))
PORCH = CHAPEL.cameras[0]
CLOUD, NAME = str(INTERNET), "www.hik-connect.example"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chapel(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A site whose cameras are isolated and call home every half second."""
    folder = tmp_path_factory.mktemp("evidence")
    async with held(standing(folder, (CHAPEL,), Timings(phone_home_seconds=0.5))) as deployment:
        await deployment.enrol(CHAPEL.id)
        await deployment.set_passwords(CHAPEL.id, credential_document())
        sites = deployment.folder / "sites.yaml"
        sites.write_text(site_document(CHAPEL, "isolate"), encoding="utf-8")
        await deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)
        await deployment.until("the cameras are held", lambda: deployment.is_enforced(CHAPEL.cameras, "isolate"), 60)
        yield deployment


async def test_what_a_camera_tries_is_shown_with_port_header_and_name(chapel: Deployment) -> None:
    ask_for_a_name(chapel, str(CHAPEL.gateway(1)))
    cloud = CLOUD

    async def is_shown() -> bool:
        tried = await attempts(chapel)
        return (
            any(each["destination"] == cloud for each in tried["items"]) and bool(tried["names"]) and _of(tried, cloud)
        )

    await chapel.until("the attempts are shown", is_shown, 60)
    tried = await attempts(chapel)

    (tcp,) = [each for each in tried["items"] if each["destination"] == cloud and each["protocol"] == "tcp"]
    assert (tcp["port"], tcp["mac"], tried["outcome"]) == (CLOUD_PORT, PORCH.mac, "dropped")
    assert tcp["first_at"] <= tcp["last_at"] <= time.time()
    header = tried["headers"][f"{PORCH.mac} {cloud} tcp {CLOUD_PORT}"]
    assert header.startswith(f"tcp {CHAPEL.camera(PORCH.number)}:")
    assert f"> {cloud}:{CLOUD_PORT} SYN" in header
    assert [each["name"] for each in tried["names"]] == [NAME]


async def test_a_time_that_was_measured_is_proven_over_a_restart_of_the_agent(chapel: Deployment) -> None:
    since = time.time()
    await asyncio.sleep(2.0)
    await chapel.agents[CHAPEL.id].kill()
    await chapel.installation.start_agent(CHAPEL.id)
    await chapel.until("the gateway is back", lambda: chapel.is_connected(CHAPEL.id), 60)

    code, said = await stated(chapel, since)
    assert (code, said["verdict"]) == (0, "proven"), said
    (part,) = said["statement"]["parts"]
    assert (part["held"]["level"], part["held"]["reach"]) == ("isolate", [str(CHAPEL.recorder)])
    assert {each["destination"] for each in said["statement"]["dropped"]} >= {CLOUD}


async def test_a_flushed_table_is_a_gap_that_the_statement_names(chapel: Deployment) -> None:
    since = time.time()
    before = len(await chapel.events("evidence.gap"))
    chapel.live.sites[CHAPEL.id].network.gateway.run("nft", "flush", "table", "inet", "bartizan")

    async def is_told() -> bool:
        return len(await chapel.events("evidence.gap")) > before

    await chapel.until("the gap is told", is_told, 60)
    code, said = await stated(chapel, since)

    assert (code, said["verdict"]) == (5, "not-proven"), said
    gaps = [part["not_proven_because"] for part in said["statement"]["parts"] if part["not_proven_because"]]
    assert len(gaps) == 1
    assert "the packet filter was not as applied" in gaps[0]
    assert said["statement"]["parts"][-1]["held"]["level"] == "isolate"
    assert [each["because"] for each in (await attempts(chapel))["gaps"]][:1] == gaps


def ask_for_a_name(chapel: Deployment, server: str) -> None:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    question = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    with chapel.live.sites[CHAPEL.id].network.camera_network(PORCH).udp_client() as asking:
        asking.sendto(question, (server, 53))


async def attempts(chapel: Deployment) -> Json:
    device = await chapel.device_id(PORCH)
    return dict(await chapel.people.ask("bartizan", "device", "attempts", device, "--since", "1h"))


def _of(tried: Json, cloud: str) -> bool:
    return f"{PORCH.mac} {cloud} tcp {CLOUD_PORT}" in tried["headers"]


async def stated(chapel: Deployment, since: float) -> tuple[int, Json]:
    """Have the gateway make a statement since then, and return what verifying it says and ends with."""
    file, begin = chapel.folder / "statement.json", dt.datetime.fromtimestamp(since, dt.UTC).isoformat()
    made = await chapel.installation.on_gateway(CHAPEL.id, "statement", PORCH.mac, "--from", begin, "--out", str(file))
    assert made.code == 0, made.err
    verify = ("statement", "verify", str(file), "--ca", f"{chapel.installation.controller_folder}/keys/ca.pem")
    done = await command(chapel.people.namespace, str(PROGRAMS / "bartizan"), *verify, "--json", seconds=30)
    return done.code, json.loads(done.out)
