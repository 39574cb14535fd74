"""A statement is asked for at the controller, made and signed by the gateway, and verified by the estate's CA."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bartizan.containment.statement import Statement
from bartizan.identity.model import Observation
from bartizan.ids import Address, Mac
from bartizan.trust.statements import open_statement
from bartizan_controller.access import Role
from bartizan_controller.store import audit
from tests.controller.running import Running, copy_of, run, until
from tests.link.machine import Machine, linked, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
SEEN = Observation("cam0", (Address("10.9.0.11"),), Mac("02:00:00:00:00:01"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("statement") / "controller")) as one:
        yield one


async def test_a_gateway_answers_with_what_it_measured_and_is_asked_in_vain_when_away(
    running: Running, tmp_path: Path
) -> None:
    machine = Machine(tmp_path)
    site, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    async with linked(machine) as gateway:
        gateway.reconcile()
        gateway.observe((SEEN,))
        gateway.reconcile()
        async with running.caller(Role.AUDITOR) as auditor:
            device = await known(auditor, site)
            path = f"sites/{site}/devices/{device}/statements"
            made = (await auditor.post(path, json={"since": "1h"})).raise_for_status().json()
            stated: Statement = open_statement(made["envelope"].encode(), running.parts.authority.ca_pem).statement
            assert (stated.site, stated.device) == (site, device)
            assert stated.parts[0].not_proven_because
            assert stated.parts[-1].not_proven_because == ""
            assert stated.parts[-1].held is not None

            assert (await auditor.post(path, json={"since": "2999-01-01"})).status_code == 409
            assert (await auditor.post(path, json={"since": "soon"})).status_code == 400
            assert (await auditor.post(path.replace(device, "nobody"), json={})).status_code == 404
        async with running.caller(Role.VIEWER) as viewer:
            assert (await viewer.post(path, json={})).status_code == 403
        asked = [
            each.action
            for each in running.parts.database.query(lambda c: audit.page(c, after=0, limit=1000))
            if each.subject == f"{site}/{device}"
        ]
        assert asked == ["statement.asked", "statement.asked"]

    async with running.caller(Role.AUDITOR) as auditor:

        async def is_away() -> bool:
            return (await auditor.post(path, json={})).status_code == 409

        await until(is_away, seconds=30)


async def known(auditor: httpx.AsyncClient, site: str) -> str:
    """Return the id of the site's one device, once it is reported."""
    found: list[str] = []

    async def is_reported() -> bool:
        items = (await auditor.get("devices", params={"site": site})).raise_for_status().json()["items"]
        found[:] = [each["device"]["id"] for each in items]
        return bool(found)

    await until(is_reported, seconds=30)
    return found[0]
