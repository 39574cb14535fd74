"""A fleet of simulated gateways against a whole controller."""

import os
import signal
from pathlib import Path

from bartizan_lab.fleet import controller, roster
from bartizan_lab.fleet.fleet import fleet
from bartizan_lab.fleet.session import Manner

GATEWAYS = 10
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
