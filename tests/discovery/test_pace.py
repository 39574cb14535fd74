"""How fast a scan acts, and what goes first."""

import asyncio
import time

from bartizan_agent.discovery.pace import Pace


async def test_no_more_than_its_rate_and_a_burst() -> None:
    pace, rate, turns = Pace(1000), 1000, 200
    began = time.monotonic()

    async with asyncio.TaskGroup() as tasks:
        for number in range(turns):
            tasks.create_task(pace.turn(ahead=number % 2 == 0))

    least = (turns - rate * Pace.BURST_SECONDS - 1) / rate
    assert time.monotonic() - began >= least, "however slow this machine is"


async def test_what_is_to_go_ahead_does_not_wait_for_what_came_before_it() -> None:
    pace, order = Pace(1000), list[str]()

    async def act(name: str, *, ahead: bool) -> None:
        await pace.turn(ahead=ahead)
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(act(f"look {number}", ahead=False))
        await asyncio.sleep(0)
        tasks.create_task(act("ask", ahead=True))

    assert order.index("ask") < order.index("look 99")
    assert [name for name in order if name != "ask"] == [f"look {number}" for number in range(100)]


async def test_the_turn_of_somebody_who_left_is_the_next_ones() -> None:
    pace = Pace(20)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(pace.turn()) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[1].cancel()

    assert [task.cancelled() for task in waiting] == [False, True, False, False]
