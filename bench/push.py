"""One push to many gateways: from the operator's request to the last gateway's reply in the controller's database.

The product is a whole controller with its broker, and a fleet of gateways of which each checks the signature, puts
what it accepted into an event and a report, and repeats both until they are acknowledged. All of them share this
machine's processors with the controller, which in the field they do not. So there are two floors:

* The same fleet on a bare mosquitto, and a bare controller that keeps nothing and counts replies. What the product
  takes longer is the controller's. The goal is of this ratio.
* As many clients that check nothing and answer one short message, as it would be with gateways that cost nothing.

A row by itself is the processor time that the controller takes for each reply, beside the bare controller's.
"""

import argparse
import asyncio
import base64
import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from bartizan.containment.level import Level
from bartizan.policy.model import Condition, Operator, Subject
from bartizan.trust import dsse
from bartizan.trust.orders import OrderBook
from bartizan.wire import codec, events
from bartizan.wire.down import OrdersEnvelope
from bartizan_controller.api.orders import NewRaise
from bartizan_controller.directory import Folder
from bartizan_lab.fleet import controller, roster
from bartizan_lab.fleet.fleet import Fleet, fleet
from bench.bare_controller import Bare
from bench.floor import ROUNDS, Goal, Result, in_turn, report
from bench.lean_clients import floor

GATEWAYS = 1_000
PUSH_OCTETS = 4_096
REPLY_OCTETS = 200
ORGANISATION = "bench"
START_SECONDS, PUSH_SECONDS = 180.0, 60.0
POLL_SECONDS = 0.004
_REASON = "A maker subject to foreign direction; written instruction of the department of 24 November 2022."


def measure(gateways: int) -> Iterator[Result]:
    """Measure pushes to a fleet of this size."""
    with tempfile.TemporaryDirectory(prefix="bartizan-push-") as folder:
        figures = asyncio.run(_measure(Path(folder), gateways))
    name = f"push of {PUSH_OCTETS // 1024} KB to {gateways:,} gateways, every reply committed"
    goal = Goal("ratio", at_most=1.5)
    yield Result(name, figures.product, "ms", figures.bare, goal)
    yield Result("the same, to clients that only answer", figures.product, "ms", figures.lean)
    yield Result("processor for each reply committed", figures.processor, "ms", figures.bare_processor)


class Figures(NamedTuple):
    """Medians, in milliseconds: what a push takes, and what a reply takes of a processor."""

    product: float
    bare: float
    lean: float
    processor: float
    bare_processor: float


class Product:
    """A controller and its fleet, and what a push takes them."""

    def __init__(self, api: httpx.Client, database: sqlite3.Connection, gateways: int) -> None:
        self._api = api
        self._database = database
        self._gateways = gateways

    def fill_book(self) -> bytes:
        """Give orders until the estate's book is of the size wanted; return the message that carries it."""
        while len(message := estate_message(self._database)) < PUSH_OCTETS:
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

    def _newest(self) -> int:
        number: int = self._database.execute("SELECT COALESCE(MAX(number), 0) FROM events").fetchone()[0]
        return number

    def _replies(self, after: int) -> int:
        query = "SELECT COUNT(*) FROM events WHERE kind = ? AND number > ?"
        count: int = self._database.execute(query, (events.ORDERS_ACCEPTED, after)).fetchone()[0]
        return count


async def _measure(base: Path, gateways: int) -> Figures:
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
            database = stack.enter_context(contextlib.closing(read_only(folder)))
            product = Product(api, database, gateways)
            message = await asyncio.to_thread(product.fill_book)
            bare = stack.enter_context(Bare(folder.root, gateways, book_of(message)))
            async with fleet(base / "fleet", gateways, bare.address) as beside:
                await _settled(beside, START_SECONDS)
                turns = _Turns(process.pid, product, bare, (running, beside))
                value, floor_value = await turns.measure()
                processor, bare_processor = turns.processor_of_a_reply(gateways)
            lean = await asyncio.to_thread(
                stack.enter_context, floor(folder.root, base / "fleet", gateways, REPLY_OCTETS)
            )
            least = await asyncio.to_thread(lambda: statistics.median(lean.push(message) for _ in range(ROUNDS)))
            return Figures(value, floor_value, least, processor, bare_processor)


class _Turns:
    """Pushes of the product and of its floor, by turns, each when both fleets have nothing left to say."""

    def __init__(self, controller_pid: int, product: Product, bare: Bare, fleets: Sequence[Fleet]) -> None:
        self._pid = controller_pid
        self._product = product
        self._bare = bare
        self._fleets = fleets
        self._processor: list[float] = []
        self._bare_processor: list[float] = []

    async def measure(self) -> tuple[float, float]:
        """Return the medians."""
        loop = asyncio.get_running_loop()

        def settle() -> None:
            for each in self._fleets:
                asyncio.run_coroutine_threadsafe(_settled(each, PUSH_SECONDS), loop).result()

        def push() -> float:
            before = _processor(self._pid)
            took = self._product.push()
            settle()
            self._processor.append(_processor(self._pid) - before)
            return took

        def bare_push() -> float:
            before = self._bare.processor()
            took = self._bare.push()
            settle()
            self._bare_processor.append(self._bare.processor() - before)
            return took

        return await asyncio.to_thread(in_turn, push, bare_push)

    def processor_of_a_reply(self, gateways: int) -> tuple[float, float]:
        """Return the medians of what a reply took, from the push to its acknowledgement."""
        return statistics.median(self._processor) / gateways, statistics.median(self._bare_processor) / gateways


def _processor(pid: int) -> float:
    """Return the processor time that a process has used up, in milliseconds."""
    threads = Path("/proc", str(pid), "task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e6


def estate_message(database: sqlite3.Connection) -> bytes:
    """Return the message that carries the estate's book; empty if there is none."""
    row = database.execute("SELECT envelope FROM order_books WHERE scope = ''").fetchone()
    return codec.encode(OrdersEnvelope(row[0])) if row else b""


def book_of(message: bytes) -> OrderBook:
    """Return what a push carries. Its signature is the controller's own; the floor signs it anew."""
    envelope = msgspec.json.decode(codec.decode(message, OrdersEnvelope).envelope, type=dsse.Envelope)
    return codec.decode(base64.b64decode(envelope.payload), OrderBook)


async def _settled(running: Fleet, seconds: float) -> None:
    await running.until(
        lambda state: state.gateways == state.synchronised == state.reported > 0 and not state.pending, seconds=seconds
    )


def read_only(folder: Folder) -> sqlite3.Connection:
    """Return a connection to a controller's database that only reads."""
    return sqlite3.connect(f"file:{folder.database}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


if __name__ == "__main__":
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--gateways", type=int, default=GATEWAYS, help=f"in the fleet (default: {GATEWAYS:,})")
    report(lambda: measure(options.parse_known_args()[0].gateways), options)
