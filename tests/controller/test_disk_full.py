"""A full disk: refused with a reason, nothing acknowledged, nothing lost, and all well again once there is room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from bartizan.ids import SiteId
from bartizan.wire.down import EventsAck
from bartizan_controller.access import Role
from bartizan_controller.errors import StoreRefuses
from bartizan_controller.store import events, marks
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import EventFilter
from tests.controller.gateway import Gateway
from tests.controller.running import ORGANISATION, Running, copy_of, run, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def running(template: Path, tmp_path: Path) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path / "controller")) as one:
        yield one


def fill(database: Database) -> None:
    """Let the database's file not grow any more."""
    database.change(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1"))


def make_room(database: Database) -> None:
    database.change(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1000000"))


def write_much(connection: Connection) -> None:
    for number in range(100):
        marks.write(connection, f"mark-{number}", "x" * 1000)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_change_that_does_not_fit_is_refused_whole(database: Database) -> None:
    """Not half of it, and what was there before is still there."""
    database.change(lambda c: marks.write(c, "kept", "yes"))
    fill(database)
    with pytest.raises(StoreRefuses, match="free some space"):
        database.change(write_much)

    assert database.query(lambda c: (marks.read(c, "kept"), marks.read(c, "mark-0"))) == ("yes", "")
    make_room(database)
    database.change(lambda c: marks.write(c, "kept", "still"))
    assert database.query(lambda c: marks.read(c, "kept")) == "still"


async def test_gateways_are_not_told_that_something_is_kept_before_it_is(running: Running, tmp_path: Path) -> None:
    """The API says 503 with the reason, health says so, and what a gateway said is committed once there is room."""
    database = running.parts.database
    gateway = Gateway(SiteId("north"), tmp_path / "gateway")
    async with running.caller(Role.ADMIN) as admin:
        await admin.post("sites", json={"id": gateway.site, "organisation": ORGANISATION})
        token = (await admin.post(f"sites/{gateway.site}/enrolment-token")).json()["token"]
        (await gateway.enrol(admin, token)).raise_for_status()
    async with running.caller(Role.ADMIN) as admin, gateway.connect() as line:
        fill(database)
        await line.say(gateway.events(1, 1000, kind="x" * 500))
        await until(lambda: "disk is full" in running.parts.link.state.store_refuses)
        refused = await admin.post("sites", json={"id": "x" * 60, "organisation": ORGANISATION, "name": "x" * 100_000})
        assert (refused.status_code, "disk is full" in refused.json()["detail"]) == (503, True)
        health = await admin.get("health")
        assert (health.status_code, "disk is full" in health.json()["reason"]) == (503, True)
        assert await line.hears_nothing(0.2)

        make_room(database)
        assert await line.hear(EventsAck) == EventsAck(gateway.boot, 1000)
    kept = database.query(lambda c: events.page(c, EventFilter(site=gateway.site), after=0, limit=2000))
    assert [each.sequence for each in kept] == list(range(1, 1001))
    assert running.parts.link.state.store_refuses == ""
