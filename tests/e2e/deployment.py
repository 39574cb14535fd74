"""The whole product on a living estate: controller, broker, agents and people, with the cables tapped."""

import asyncio
import contextlib
import functools
import os
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

from bartizan.cli.connection import Controller, Profile
from bartizan.cli.inventory import pages
from bartizan.cli.terminal import Failed
from bartizan.ids import Mac, SiteId
from bartizan_lab.cameras.state import Timings
from bartizan_lab.demo.installation import Installation
from bartizan_lab.netns import Namespace
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate, live
from bartizan_lab.site.plan import CameraPlan, SitePlan
from tests.e2e.estates import ORGANISATION
from tests.e2e.sniffer import Sniffer

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
POLL_SECONDS = 0.1
PATIENCE = 3.0
"""Times as long as a site would need on a machine of its own: in a test, others work beside it."""
BRISK = {
    "keepalive_seconds": 5,
    "reconnect_seconds": 0.3,
    "reconnect_seconds_at_most": 1.0,
    "evidence_seconds": 1.0,
    "evidence_seconds_idle": 2.0,
    "report_seconds": 2.0,
}
"""Agent settings that make a test short; none of them changes what is done."""

Json = dict[str, Any]
Event = tuple[str, int]
"""An event of one gateway: its boot and its sequence."""
T = TypeVar("T")


class Deployment:
    """Everything that runs. Make it with `standing`."""

    def __init__(self, estate: LiveEstate, folder: Path, taps: Mapping[str, Sniffer]) -> None:
        self.live = estate
        self.folder = folder
        self.installation = Installation(estate, folder, PROGRAMS)
        self.people = self.installation.people
        self.controller = self.installation.controller
        self.agents = self.installation.agents
        self._taps = taps
        self._api: Controller | None = None

    async def found(self) -> None:
        """Make the controller and start it."""
        await self.installation.found()
        await self.controller.start()
        await self.until("the controller answers", self.installation.log_in, 30)
        folder = self.installation.controller_folder
        profile = Profile(
            url=f"https://{plan.CONTROLLER}:8443", token_file=f"{folder}/admin.token", ca_file=f"{folder}/keys/ca.pem"
        )
        with self.people.namespace.entered():
            self._api = Controller(profile)

    async def enrol(self, site: SiteId, **settings: float | str) -> None:
        """Make a site, enrol its gateway and start its agent."""
        await self.enrol_site(site)
        self.configure(site, **settings)
        await self.installation.start_agent(site)
        await self.until(f"{site} is connected", lambda: self.is_connected(site), 90)

    async def enrol_site(self, site: SiteId) -> None:
        """Make a site and enrol its gateway, whose agent will be brisk."""
        await self.people.do("bartizan", "site", "add", site, "--organisation", ORGANISATION)
        await self.enrol_gateway(site)
        self.configure(site, **BRISK)

    async def enrol_gateway(self, site: SiteId) -> None:
        """Enrol a site's gateway with a token of its own."""
        token = (await self.people.do("bartizan", "site", "token", site)).strip()
        done = await self.installation.enrol(site, token)
        assert done.code == 0, done.err

    def configure(self, site: SiteId, **settings: float | str) -> None:
        """Change entries of an agent's configuration file, as an operator would."""
        file = self.folder / f"{site}.toml"
        text = file.read_text(encoding="utf-8")
        for name, value in settings.items():
            text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
            assert count == 1, f"{name} is no entry of {file}"
        file.write_text(text, encoding="utf-8")

    async def publish(self, *documents: Path) -> None:
        """Have two people sign documents, and publish them."""
        change = (await self.people.ask("bartizan", "policy", "sign", *map(str, documents), *self.key(1)))["change"]
        await self.people.do("bartizan", "policy", "sign", "--change", change, "--yes", *self.key(2))
        await self.people.do("bartizan", "policy", "publish", change)

    def key(self, approver: int) -> tuple[str, str]:
        """The options that sign as an approver."""
        return self.installation.key(approver)

    async def set_passwords(self, site: SiteId, document: str) -> None:
        """Give a gateway its cameras' passwords, sealed."""
        file = self.folder / "passwords.toml"
        file.write_text(document, encoding="utf-8")
        await self.people.do("bartizan", "credentials", "set", site, str(file))

    async def ask(self, path: str, **parameters: Any) -> Any:
        """Return what the controller's API says at a path."""
        return await self._in_core(lambda api: api.get(path, Any, **parameters))

    async def refuses(self, path: str, body: Json) -> bool:
        """Whether the controller refuses what is posted to a path, for now or for good."""
        try:
            await self._in_core(lambda api: api.post(path, Any, body))
        except Failed:
            return True
        return False

    async def devices(self) -> dict[Mac, Json]:
        """Return what the controller knows of each device, by MAC."""
        states = await self._in_core(lambda api: pages(api, "devices"))
        return {Mac(mac): state for state in states for mac in state["device"]["macs"]}

    async def device(self, camera: CameraPlan) -> Json | None:
        """Return what the controller knows of one device; None before it was reported."""
        return (await self.devices()).get(camera.mac)

    async def device_id(self, camera: CameraPlan) -> str:
        """Return a known device's id."""
        state = await self.device(camera)
        assert state is not None, f"{camera.name} was not reported"
        return str(state["device"]["id"])

    async def events(self, kind: str, site: SiteId | None = None) -> list[Json]:
        """Return the events of a kind, oldest first."""
        page = await self.ask("events", kind=kind, limit=1000, site=site)
        return list(page["items"])

    async def is_connected(self, site: SiteId) -> bool:
        """Whether the gateway is connected; its agent must be running."""
        agent = self.agents[site]
        assert agent.is_running, f"the {agent.name} ended:\n{agent.tail()}"
        gateway = (await self.ask(f"sites/{site}/posture"))["gateway"]
        return bool(gateway and gateway["connected"])

    async def is_enforced(self, cameras: Iterable[CameraPlan], level: str) -> bool:
        """Whether the kernel was measured to hold these cameras at a level."""
        known = await self.devices()
        return all(
            (state := known.get(camera.mac)) is not None
            and state["posture"] is not None
            and state["posture"]["enforced"] == level
            for camera in cameras
        )

    async def broker_pid(self) -> int:
        """The process id of the controller's broker."""
        return int((await self.ask("status"))["broker_pid"])

    async def kill_broker(self) -> None:
        """End the broker as a crash would."""
        os.kill(await self.broker_pid(), signal.SIGKILL)

    @contextlib.contextmanager
    def frozen_controller(self) -> Iterator[None]:
        """Let the controller hang for the block, with its connections open: it hears nothing and answers nothing."""
        os.kill(self.controller.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if self.controller.is_running:
                os.kill(self.controller.pid, signal.SIGCONT)

    async def is_site(self, site: SiteId) -> bool:
        """Whether somebody made this site."""
        return site in {each["id"] for each in await self._in_core(lambda api: pages(api, "sites"))}

    def count(self, table: str) -> int:
        """Return how many rows a table of the controller's database has."""
        ((count,),) = _rows(self.installation.controller_folder / "controller.db", f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - of our own
        return int(count)

    def recorded(self, site: SiteId) -> list[Event]:
        """Return boot and sequence of every event of a gateway in the controller's database."""
        path = self.installation.controller_folder / "controller.db"
        return _rows(path, "SELECT boot, sequence FROM events WHERE sequence IS NOT NULL AND site = ?", site)

    def waiting(self, site: SiteId) -> set[Event]:
        """Return boot and sequence of the events in a gateway's outbox, read from its disk."""
        query = "SELECT boot, sequence FROM outbox JOIN boots ON number = boot_number"
        return set(_rows(self.folder / site / "agent.sqlite", query))

    def newest_boot(self, site: SiteId) -> str:
        """Return the newest start of an agent, as it noted it itself."""
        query = "SELECT boot FROM boots ORDER BY number DESC LIMIT 1"
        ((boot,),) = _rows(self.folder / site / "agent.sqlite", query)
        return str(boot)

    def leaked(self, addresses: Iterable[str], since: float = 0.0) -> list[str]:
        """Return, for people, the packets of these addresses that a tap saw from a time (Unix seconds) on."""
        wanted = frozenset(addresses)
        return [f"{tap}: {packet}" for tap, sniffer in self._taps.items() for packet in sniffer.of(wanted, since)]

    def tap(self, name: str) -> Sniffer:
        """Return one tap: `uplink-<site>` on a gateway, `wan` behind the core."""
        return self._taps[name]

    async def stop(self) -> None:
        """End every program."""
        if self._api is not None:
            self._api.close()
        await self.installation.stop()

    def logs(self, lines: int = 15) -> str:
        """Return the ends of all programs' logs."""
        programs = (self.controller, *self.agents.values())
        return "\n".join(f"--- {each.name}\n{each.tail(lines)}" for each in programs)

    async def until(
        self, what: str, condition: Callable[[], Awaitable[bool] | bool], seconds: float, poll: float = POLL_SECONDS
    ) -> None:
        """Wait for something to become true, looking every `poll` seconds. A controller that is away makes it false.

        Args:
            what: In words.
            condition: Whether it is so.
            seconds: How long it may take on a machine with nothing else to do.
            poll: Seconds between two looks.

        Raises:
            AssertionError: It did not, in time; with the ends of all logs.
        """
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Failed):
                answer = condition()
                if answer if isinstance(answer, bool) else await answer:
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds:.0f} s it is still not so that {what}\n{self.logs()}")
            await asyncio.sleep(poll)

    async def _in_core(self, ask: Callable[[Controller], T]) -> T:
        """Ask the controller from a machine in the core network."""
        assert self._api is not None, "nobody founded the controller"

        def there(api: Controller) -> T:
            with self.people.namespace.entered():
                return ask(api)

        return await asyncio.to_thread(functools.partial(there, self._api))


def enforced(gateway: Namespace) -> str:
    """Return what a gateway's kernel holds of ours, without what it counts."""
    text = gateway.run("nft", "--stateless", "list", "table", "inet", "bartizan")
    return re.sub(r"\tset (tried|dropped|unlisted|sprayers|heard|asked)\w* \{.*?\n\t\}\n", "", text, flags=re.DOTALL)


def missing(recorded: Iterable[Event], sent: Iterable[Event] = ()) -> set[Event]:
    """Return the events that must have been there, by their numbers or because they were seen, and are not."""
    recorded = set(recorded)
    newest = Counter[str]()
    for boot, sequence in (*recorded, *sent):
        newest[boot] = max(newest[boot], sequence)
    return {(boot, sequence) for boot, last in newest.items() for sequence in range(1, last + 1)} - recorded


@contextlib.asynccontextmanager
async def held(resource: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Hold a resource in a task of its own: a fixture begins and ends in different tasks, a TaskGroup must not."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[T] = loop.create_future()
    over = asyncio.Event()

    async def hold() -> None:
        try:
            async with resource as value:
                ready.set_result(value)
                await over.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
                return
            raise

    holder = loop.create_task(hold())
    try:
        yield await ready
    finally:
        over.set()
        await holder


@contextlib.asynccontextmanager
async def standing(folder: Path, sites: tuple[SitePlan, ...], timings: Timings) -> AsyncIterator[Deployment]:
    """Build an estate with its cables tapped and its controller running; take everything away afterwards."""
    async with live(sites, timings) as estate:
        networks = [network for site in sites for network in (site.camera_network, f"{site.prefix6(1)}::/64")]
        with contextlib.ExitStack() as tapped:
            taps = {"wan": tapped.enter_context(Sniffer(estate.network.core, "wan0", networks))}
            for site in estate.network.sites:
                tap = Sniffer(site.gateway, plan.UPLINK_INTERFACE, networks)
                taps[f"uplink-{site.plan.id}"] = tapped.enter_context(tap)
            deployment = Deployment(estate, folder, taps)
            try:
                await deployment.found()
                yield deployment
            finally:
                await deployment.stop()


def _rows(path: Path, query: str, *parameters: object) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        return connection.execute(query, parameters).fetchall()
