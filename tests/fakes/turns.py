"""Another program of the gateway that speaks to a camera: a process, because locks are between processes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

HOLD = """\
import asyncio, sys
from pathlib import Path
from bartizan_agent.turns import Turns

async def hold():
    async with Turns(Path(sys.argv[1])).turn(sys.argv[2]) as is_ours:
        print(is_ours, flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


@asynccontextmanager
async def held_by_another(path: Path, camera: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Let another program have the camera's turn for the block, or until the program is told to stop."""
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, path, camera, stdin=pipe, stdout=pipe)
    try:
        assert other.stdout is not None
        assert await asyncio.wait_for(other.stdout.readline(), 60) == b"True\n"
        yield other
    finally:
        if other.returncode is None:
            other.kill()
        await other.wait()
