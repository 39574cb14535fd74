"""Two programs of one gateway never speak to one camera at the same time."""

import asyncio
from pathlib import Path

from bartizan_agent.turns import Turns
from tests.fakes.turns import held_by_another

GATE, YARD = "serial:gate", "serial:yard"


async def test_a_camera_is_not_spoken_to_while_another_program_does(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "lock", wait_seconds=0.3)
    async with held_by_another(tmp_path / "lock", GATE):
        async with turns.turn(GATE) as is_ours:
            assert not is_ours
        async with turns.turn(YARD) as is_ours:
            assert is_ours


async def test_the_turn_comes_when_the_other_is_done(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "lock")
    async with held_by_another(tmp_path / "lock", GATE) as other, asyncio.TaskGroup() as tasks:

        async def wait() -> bool:
            async with turns.turn(GATE) as is_ours:
                return is_ours

        waiting = tasks.create_task(wait())
        assert other.stdin is not None
        other.stdin.close()
    assert waiting.result()


async def test_who_dies_holds_nothing(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "lock")
    async with held_by_another(tmp_path / "lock", GATE) as other:
        other.kill()
        async with turns.turn(GATE) as is_ours:
            assert is_ours


async def test_where_the_disk_refuses_nobody_speaks(tmp_path: Path) -> None:
    async with Turns(tmp_path / "missing" / "lock", wait_seconds=0.0).turn(GATE) as is_ours:
        assert not is_ours
