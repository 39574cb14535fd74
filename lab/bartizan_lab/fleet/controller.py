"""A whole controller in a process of its own, on this machine's loopback: what a fleet talks to."""

import asyncio
import contextlib
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bartizan_controller.config import Config, load, parse_listen
from bartizan_controller.directory import Folder
from bartizan_controller.initialise import Plan, initialise

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class ControllerProcess:
    """A controller that runs."""

    folder: Folder
    broker: tuple[str, int]
    pid: int

    def api(self) -> httpx.Client:
        """Return a client of the API with the administrator's token. Close it."""
        url = self.folder.api_url.read_text(encoding="utf-8").strip()
        token = self.folder.admin_token.read_text(encoding="utf-8").strip()
        return httpx.Client(
            base_url=f"{url}/api/1/",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(self.folder.keys / "ca.pem")),
            trust_env=False,
            timeout=START_SECONDS,
        )


def make(base: Path, organisation: str) -> Folder:
    """Make a controller in `<base>/controller`, its offline keys beside it. Return its folder."""
    config = Config(hosts=(HOST,), listen=f"{HOST}:0", gateway_listen=f"{HOST}:0", mqtt_listen=f"{HOST}:{_free_port()}")
    plan = Plan(Folder(base / "controller"), base / "offline-keys", config, organisation)
    initialise(plan, now=time.time())
    return plan.folder


@contextlib.asynccontextmanager
async def running(folder: Folder, log: Path) -> AsyncIterator[ControllerProcess]:
    """Run a controller for the block, from when it serves its API. What it says goes to `log`.

    Raises:
        RuntimeError: It did not come up.
    """
    broker = parse_listen(load(folder.config).mqtt_listen)
    # Should this process be killed, the controller ends too, and its broker with it.
    command = ("setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "bartizan_controller.cli", "serve")
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *command, str(folder.root), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        await _until_it_serves(child, folder, log)
        yield ControllerProcess(folder, (broker.host, broker.port), child.pid)
    finally:
        await _stop(child)


async def _until_it_serves(child: asyncio.subprocess.Process, folder: Folder, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not folder.api_url.exists():
            if child.returncode is not None:
                raise RuntimeError(f"the controller did not come up: {log} says why")
            await asyncio.sleep(0.02)


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
