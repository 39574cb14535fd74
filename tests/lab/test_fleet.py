"""A fleet of simulated gateways against a whole controller."""

import os
import signal
from collections import Counter
from pathlib import Path

from bartizan.ids import SiteId
from bartizan.wire import events as kinds
from bartizan_controller.store import dialect, events
from bartizan_controller.store.database import Database
from bartizan_controller.store.events import EventFilter
from bartizan_lab.fleet import controller, roster
from bartizan_lab.fleet.fleet import fleet
from bartizan_lab.fleet.session import Manner
from tests.controller.running import until

GATEWAYS = 10
MANY = 200
BRISK = Manner(reconnect_seconds=0.5, reconnect_seconds_at_most=1.0)


async def test_a_fleet_comes_back_to_a_broker_that_died(tmp_path: Path) -> None:
    folder = controller.make(tmp_path, "county")
    roster.enrol(folder.root, tmp_path / "fleet", GATEWAYS, organisation="county")
    async with (
        controller.running(folder, tmp_path / "controller.log") as running,
        fleet(tmp_path / "fleet", GATEWAYS, running.broker, processes=1, manner=BRISK) as gateways,
    ):
        await gateways.until(lambda state: state.synchronised == GATEWAYS, seconds=30)
        with running.api() as api:
            os.kill(api.get("status").json()["broker_pid"], signal.SIGKILL)
        state = await gateways.until(
            lambda state: state.connections >= 2 * GATEWAYS and state.synchronised == GATEWAYS, seconds=30
        )

    assert state.refused == 0


async def test_what_a_killed_controller_had_not_answered_is_kept_once(tmp_path: Path) -> None:
    """It dies in the middle of a fleet's replies. Those that it kept, and those that it did not, are there once."""
    folder, log = controller.make(tmp_path, "county"), tmp_path / "controller.log"
    roster.enrol(folder.root, tmp_path / "fleet", MANY, organisation="county")
    async with (
        controller.running(folder, log) as first,
        fleet(tmp_path / "fleet", MANY, first.broker, processes=1, manner=BRISK) as gateways,
    ):
        await gateways.until(lambda state: state.reported == state.synchronised == MANY, seconds=30)
        with first.api() as api:
            api.post("scans", json={}).raise_for_status()
        await until(lambda: bool(replies(folder.database)))
        os.kill(first.pid, signal.SIGKILL)
        folder.api_url.unlink()
        async with controller.running(folder, log):
            await gateways.until(lambda state: state.connections >= 2 * MANY and state.synchronised == MANY, seconds=60)
            state = await gateways.until(lambda state: not state.pending and state.reported == MANY, seconds=60)

    assert state.refused == 0
    assert replies(folder.database) == dict.fromkeys((f"site-{number:05}" for number in range(MANY)), 1)


def replies(file: Path) -> dict[SiteId, int]:
    """Return how many accepted orders are kept of each site."""
    with Database(dialect.sqlite_url(file)) as database:
        wanted = EventFilter(kind=kinds.ORDERS_ACCEPTED)
        return Counter(event.site for event in database.query(lambda c: events.page(c, wanted, after=0, limit=1000)))
