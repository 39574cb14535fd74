"""Whole programs in network namespaces: started, watched, killed and stopped by process id, each with its own log."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bartizan_lab.netns import Namespace

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Program:
    """A program that runs until stopped. It dies with this process, even by SIGKILL."""

    name: str
    namespace: Namespace
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it. What it says goes to the end of its log.

        Raises:
            RuntimeError: It runs already.
        """
        if self.is_running:
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.namespace.command("setpriv", "--pdeathsig", "KILL", *self.arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            RuntimeError: It was never started.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    async def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end (SIGTERM), and end it if it does not within `STOP_SECONDS`."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end(signal.SIGTERM)
        except TimeoutError:
            await self.kill()

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    async def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        await self._process.wait()


async def command(
    namespace: Namespace,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> Finished:
    """Run a command to its end inside a namespace.

    Raises:
        TimeoutError: It took longer than `seconds`; it was ended.
    """
    process = await asyncio.create_subprocess_exec(
        *namespace.command("setpriv", "--pdeathsig", "KILL", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return Finished(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))
