"""A whole fleet back after the broker's death, with an order given in the middle of it.

The product is a controller whose broker is killed. Its supervisor starts it again, every gateway comes back at its own
moment, shakes hands, says hello and is answered; while half of them are back an operator gives an order, and the time
is taken until the last gateway has it in force. That each reply is committed, and once, is checked. The floor is the
same fleet, coming back in the same manner to a bare mosquitto that is started again at once, behind which nobody keeps
anything.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from bartizan.wire import codec, events
from bartizan_lab.fleet import controller, roster
from bartizan_lab.fleet.fleet import Fleet, fleet
from bartizan_lab.fleet.process import State
from bench.bare_controller import Bare
from bench.floor import Goal, Result, in_turn, report
from bench.push import ORGANISATION, book_of, estate_message, read_only

GATEWAYS = 1_000
ROUNDS = 3
START_SECONDS, STORM_SECONDS = 180.0, 120.0
STEADY_SECONDS = 31.0
"""After a broker's start; one that dies earlier is started again later, each time."""


def measure(gateways: int, rounds: int) -> Iterator[Result]:
    """Measure storms of a fleet of this size."""
    with tempfile.TemporaryDirectory(prefix="bartizan-reconnect-") as folder:
        figures = asyncio.run(_measure(Path(folder), gateways, rounds))
    goal = Goal("ratio", at_most=1.25)
    yield Result(f"{gateways:,} gateways back after the broker's death", figures.back, "s", figures.bare, goal)
    yield Result("the same, and an order given meanwhile in force at all", figures.ordered, "s", figures.bare, goal)


class Figures(NamedTuple):
    """Medians, in seconds since the broker's death."""

    back: float
    ordered: float
    bare: float


class Storms:
    """A controller and its fleet, and what the death of its broker takes them."""

    def __init__(self, api: httpx.Client, database: sqlite3.Connection, running: Fleet) -> None:
        self._api = api
        self._database = database
        self._running = running
        self._may_die_at = 0.0
        self.ordered: list[float] = []

    async def storm(self) -> float:
        """Kill the broker; return the seconds until all are back and answered. What the order took is kept."""
        await _settled(self._running)
        await asyncio.sleep(self._may_die_at - time.monotonic())
        known = self._running.state
        os.kill(self._api.get("status").json()["broker_pid"], signal.SIGKILL)
        began = time.perf_counter()
        self._may_die_at = time.monotonic() + STEADY_SECONDS
        half = known.connections + known.gateways // 2
        await self._running.until(lambda state: state.connections >= half, seconds=STORM_SECONDS)
        generation = await asyncio.to_thread(self._order)
        back_at = ordered_at = 0.0

        def is_over(state: State) -> bool:
            nonlocal back_at, ordered_at
            now = time.perf_counter()
            is_back = state.connections >= known.connections + known.gateways
            if not back_at and is_back and state.connected == state.synchronised == state.gateways:
                back_at = now
            if not ordered_at and state.orders.get(generation) == state.gateways:
                ordered_at = now
            return bool(back_at and ordered_at)

        await self._running.until(is_over, seconds=STORM_SECONDS)
        await _settled(self._running)
        self._check(generation, known.gateways)
        self.ordered.append(max(ordered_at, back_at) - began)
        return back_at - began

    def _order(self) -> int:
        self._api.post("scans", json={}).raise_for_status()
        return book_of(estate_message(self._database)).generation

    def _check(self, generation: int, gateways: int) -> None:
        """Nothing was lost, and nothing came twice."""
        rows = self._database.execute("SELECT site, detail FROM events WHERE kind = ?", (events.ORDERS_ACCEPTED,))
        replied = [site for site, detail in rows if codec.decode(detail, dict)["generation"] == str(generation)]
        if len(replied) != gateways or len(set(replied)) != gateways:
            raise RuntimeError(f"{len(replied)} replies of {len(set(replied))} gateways; {gateways} were expected")


async def _measure(base: Path, gateways: int, rounds: int) -> Figures:
    folder = controller.make(base, ORGANISATION)
    roster.enrol(folder.root, base / "fleet", gateways, organisation=ORGANISATION)
    async with (
        controller.running(folder, base / "controller.log") as process,
        fleet(base / "fleet", gateways, process.broker) as running,
    ):
        await _settled(running)
        with contextlib.ExitStack() as stack:
            api = stack.enter_context(process.api())
            database = stack.enter_context(contextlib.closing(read_only(folder)))
            storms = Storms(api, database, running)
            await asyncio.to_thread(lambda: api.post("scans", json={}).raise_for_status())
            bare = stack.enter_context(Bare(folder.root, gateways, book_of(estate_message(database))))
            async with fleet(base / "fleet", gateways, bare.address) as beside:
                await _settled(beside)
                back, floor = await _in_turn(storms, bare, beside, rounds)
    # The first of them is not measured.
    return Figures(back, statistics.median(storms.ordered[1:]), floor)


async def _in_turn(storms: Storms, bare: Bare, beside: Fleet, rounds: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()

    def product() -> float:
        return asyncio.run_coroutine_threadsafe(storms.storm(), loop).result()

    def floor() -> float:
        return asyncio.run_coroutine_threadsafe(_bare_storm(bare, beside), loop).result()

    return await asyncio.to_thread(in_turn, product, floor, rounds)


async def _bare_storm(bare: Bare, beside: Fleet) -> float:
    """Kill the bare broker; return the seconds until all are connected again."""
    await _settled(beside)
    known = beside.state
    began = time.perf_counter()
    await asyncio.to_thread(bare.restart)
    await beside.until(
        lambda state: state.connections >= known.connections + known.gateways and state.connected == state.gateways,
        seconds=STORM_SECONDS,
    )
    return time.perf_counter() - began


async def _settled(running: Fleet) -> None:
    await running.until(
        lambda state: state.gateways == state.synchronised == state.reported > 0 and not state.pending,
        seconds=START_SECONDS,
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--gateways", type=int, default=GATEWAYS, help=f"in the fleet (default: {GATEWAYS:,})")
    options.add_argument("--rounds", type=int, default=ROUNDS, help=f"measured (default: {ROUNDS})")
    given = options.parse_known_args()[0]
    report(lambda: measure(given.gateways, given.rounds), options)
