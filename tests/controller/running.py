"""A whole controller for tests: its folder, its parts, and people who call its API. Everything is real."""

import asyncio
import contextlib
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from bartizan_controller import estate
from bartizan_controller.access import Role
from bartizan_controller.app import Controller
from bartizan_controller.config import Config
from bartizan_controller.directory import Folder
from bartizan_controller.parts import Parts
from bartizan_controller.store import dialect
from bartizan_controller.store.database import Database

LOOPBACK = Config(hosts=("127.0.0.1",), listen="127.0.0.1:0", gateway_listen="127.0.0.1:0", mqtt_listen="127.0.0.1:0")
ORGANISATION = "council"


@dataclass
class Running:
    """A controller that runs in this process."""

    folder: Folder
    controller: Controller

    @property
    def parts(self) -> Parts:
        return self.controller.parts

    @property
    def ca(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder.keys / "ca.pem"))

    def caller(self, *roles: Role, organisation: str | None = None) -> httpx.AsyncClient:
        """Return a client of the API as somebody with these roles."""
        names = " and ".join(role.value for role in roles)
        _, token = self.parts.database.change(
            lambda c: estate.issue_token(c, names, roles, organisation=organisation, by="test", now=time.time())  # type: ignore[arg-type]
        )
        return self.client(token)

    def client(self, token: str = "") -> httpx.AsyncClient:
        """Return a client of the API."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(
            base_url=f"{self.controller.api_url}/api/1/", headers=headers, verify=self.ca, trust_env=False, timeout=20
        )


def copy_of(template: Path, to: Path) -> Folder:
    """Return a controller's folder made from a template, so that keys are made only once."""
    shutil.copytree(template, to)
    return Folder(to)


@contextlib.asynccontextmanager
async def run(folder: Folder, config: Config = LOOPBACK) -> AsyncIterator[Running]:
    """Run a controller, from the time it hears its broker."""
    with Database(config.database or dialect.sqlite_url(folder.database)) as database:
        controller = Controller(folder, config, database, time.time)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(controller.run(stop))
            await until(lambda: controller.parts.link.state.connected)
            try:
                yield Running(folder, controller)
            finally:
                stop.set()


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], *, seconds: float = 30.0, every: float = 0.01
) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(every)
