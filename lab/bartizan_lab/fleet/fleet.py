"""Runs a fleet in a few processes, and says how it is.

roster.enrol(controller_folder, keys, 1_000, organisation="council")
async with fleet(keys, 1_000, ("127.0.0.1", 8883)) as running:
    await running.until(lambda state: state.synchronised == 1_000)
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from functools import reduce
from pathlib import Path

import msgspec

from bartizan_lab.fleet.process import Assignment, State
from bartizan_lab.fleet.session import Manner

PROCESSES = 2
STOP_SECONDS = 15.0
LINE_OCTETS = 1024 * 1024


class Fleet:
    """A fleet that runs."""

    def __init__(self, processes: int) -> None:
        self._states = [State()] * processes
        self._changed = asyncio.Condition()
        self._ended = False

    @property
    def state(self) -> State:
        """How all gateways are, as they last told."""
        return reduce(State.__add__, self._states)

    async def until(self, condition: Callable[[State], bool], *, seconds: float) -> State:
        """Wait until something holds; return the state in which it did.

        Raises:
            TimeoutError: It did not in time.
            RuntimeError: A process of the fleet ended.
        """
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._ended or condition(self.state))
        except TimeoutError as error:
            raise TimeoutError(f"after {seconds:g} s the fleet is {self.state}") from error
        if self._ended:
            raise RuntimeError("a process of the fleet ended; what it said is above")
        return self.state

    async def follow(self, number: int, lines: asyncio.StreamReader) -> None:
        """Take in what one process tells, to its end."""
        async for line in lines:
            async with self._changed:
                self._states[number] = msgspec.json.decode(line, type=State)
                self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def fleet(
    folder: Path,
    count: int,
    broker: tuple[str, int],
    *,
    cameras: int = 0,
    processes: int = PROCESSES,
    manner: Manner | None = None,
) -> AsyncIterator[Fleet]:
    """Run the first `count` gateways of a roster for the block.

    Args:
        folder: Where `roster.enrol` kept it.
        count: How many gateways.
        broker: Host and port.
        cameras: Made-up cameras in each gateway's reports.
        processes: Over how many the gateways are spread.
        manner: How they behave on the network.
    """
    running = Fleet(processes)
    shares = [(count * number // processes, count * (number + 1) // processes) for number in range(processes)]
    async with contextlib.AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(
                _process(
                    Assignment(
                        folder=str(folder),
                        first=first,
                        count=end - first,
                        host=broker[0],
                        port=broker[1],
                        cameras=cameras,
                        manner=manner or Manner(),
                    )
                )
            )
            for first, end in shares
        ]
        async with asyncio.TaskGroup() as tasks:
            following = [
                tasks.create_task(running.follow(number, _output(child))) for number, child in enumerate(children)
            ]
            try:
                yield running
            finally:
                for task in following:
                    task.cancel()


@contextlib.asynccontextmanager
async def _process(told: Assignment) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bartizan_lab.fleet.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_OCTETS,
    )
    assert child.stdin is not None
    try:
        child.stdin.write(msgspec.json.encode(told) + b"\n")
        yield child
    finally:
        child.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


def _output(child: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert child.stdout is not None
    return child.stdout
