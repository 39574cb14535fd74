"""One push to many gateways: from the operator's request to the last gateway's reply in the controller's database.

The product is a whole controller with its broker, and a fleet of gateways of which each checks the signature, puts
what it accepted into an event and a report, and repeats both until they are acknowledged. The floor is a bare mosquitto
with as many clients, which answer as many octets with as many others, and one collector that counts the answers.
"""

import argparse
import asyncio
import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bartizan.containment.level import Level
from bartizan.policy.model import Condition, Operator, Subject
from bartizan.wire import codec, events
from bartizan.wire.down import OrdersEnvelope
from bartizan_controller.api.orders import NewRaise
from bartizan_controller.directory import Folder
from bartizan_lab.fleet import controller, roster
from bartizan_lab.fleet.fleet import Fleet, fleet
from bench.floor import Goal, Result, in_turn, report
from bench.lean_clients import floor

GATEWAYS = 1_000
PUSH_OCTETS = 4_096
REPLY_OCTETS = 200
ORGANISATION = "bench"
START_SECONDS, PUSH_SECONDS = 180.0, 60.0
POLL_SECONDS = 0.002
_REASON = "A maker subject to foreign direction; written instruction of the department of 24 November 2022."


def measure(gateways: int) -> Iterator[Result]:
    """Measure pushes to a fleet of this size."""
    with tempfile.TemporaryDirectory(prefix="bartizan-push-") as folder:
        value, bare = asyncio.run(_measure(Path(folder), gateways))
    yield Result(
        f"push of {PUSH_OCTETS // 1024} KB to {gateways:,} gateways, every reply committed",
        value,
        "ms",
        bare,
        Goal("ratio", at_most=1.5),
    )


class Product:
    """A controller and its fleet, and what a push takes them."""

    def __init__(self, api: httpx.Client, database: sqlite3.Connection, gateways: int) -> None:
        self._api = api
        self._database = database
        self._gateways = gateways

    def fill_book(self) -> bytes:
        """Give orders until the estate's book is of the size wanted; return the message that carries it."""
        while len(message := self._message()) < PUSH_OCTETS:
            raised = NewRaise(Level.ISOLATE, _REASON, selector=Condition(Subject.MAKER, Operator.IS, ("hikvision",)))
            given = self._api.post("orders", content=codec.encode(raised))
            given.raise_for_status()
        return message

    def push(self) -> float:
        """Push the book once more; return the milliseconds until the last reply was committed."""
        newest = self._newest()
        began = time.perf_counter()
        self._api.post("scans", json={}).raise_for_status()
        gives_up_at = began + PUSH_SECONDS
        while self._replies(newest) < self._gateways:
            if time.perf_counter() > gives_up_at:
                raise TimeoutError(f"{self._replies(newest)} replies of {self._gateways} after {PUSH_SECONDS:g} s")
            time.sleep(POLL_SECONDS)
        return (time.perf_counter() - began) * 1000

    def _message(self) -> bytes:
        row = self._database.execute("SELECT envelope FROM order_books WHERE scope = ''").fetchone()
        return codec.encode(OrdersEnvelope(row[0])) if row else b""

    def _newest(self) -> int:
        number: int = self._database.execute("SELECT COALESCE(MAX(number), 0) FROM events").fetchone()[0]
        return number

    def _replies(self, after: int) -> int:
        query = "SELECT COUNT(*) FROM events WHERE kind = ? AND number > ?"
        count: int = self._database.execute(query, (events.ORDERS_ACCEPTED, after)).fetchone()[0]
        return count


async def _measure(base: Path, gateways: int) -> tuple[float, float]:
    folder = controller.make(base, ORGANISATION)
    roster.enrol(folder.root, base / "fleet", gateways, organisation=ORGANISATION)
    log = base / "controller.log"
    async with (
        controller.running(folder, log) as process,
        fleet(base / "fleet", gateways, process.broker) as running,
    ):
        await _settled(running, START_SECONDS)
        with contextlib.ExitStack() as stack:
            api = stack.enter_context(process.api())
            database = stack.enter_context(contextlib.closing(_read_only(folder)))
            product = Product(api, database, gateways)
            message = await asyncio.to_thread(product.fill_book)
            bare = await asyncio.to_thread(
                stack.enter_context, floor(folder.root, base / "fleet", gateways, REPLY_OCTETS)
            )
            loop = asyncio.get_running_loop()

            def settle() -> None:
                asyncio.run_coroutine_threadsafe(_settled(running, PUSH_SECONDS), loop).result()

            def push() -> float:
                settle()
                api.get("status").raise_for_status()
                return product.push()

            def bare_push() -> float:
                settle()
                return bare.push(message)

            return await asyncio.to_thread(in_turn, push, bare_push)


async def _settled(running: Fleet, seconds: float) -> None:
    await running.until(
        lambda state: state.gateways == state.synchronised == state.reported > 0 and not state.pending, seconds=seconds
    )


def _read_only(folder: Folder) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder.database}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


if __name__ == "__main__":
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--gateways", type=int, default=GATEWAYS, help=f"in the fleet (default: {GATEWAYS:,})")
    report(lambda: measure(options.parse_known_args()[0].gateways), options)
