"""The demonstration's installation: a controller with its broker, an agent on each gateway, a place to type."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bartizan.ids import SiteId
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_lab.demo import estate
from bartizan_lab.demo.burglar import Loot, rummage
from bartizan_lab.demo.listener import LISTENING
from bartizan_lab.demo.people import Claim, Workstation
from bartizan_lab.demo.stranger import Answers
from bartizan_lab.programs import Finished, Program, command
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate

API_PORT, GATEWAY_PORT, MQTT_PORT = 8443, 8444, 8883
LISTENER_SECONDS = 20.0
URL = f"https://{plan.CONTROLLER}:{API_PORT}"


class Installation:
    """Programs in the namespaces of a living estate, their state and logs in one folder."""

    def __init__(self, live: LiveEstate, folder: Path, programs: Path) -> None:
        self.live = live
        self.folder = folder
        self.programs = programs
        self.people = Workstation(live.network.controller, programs, folder)
        listen = {"listen": API_PORT, "gateway-listen": GATEWAY_PORT, "mqtt-listen": MQTT_PORT}
        self.controller = Program(
            "controller",
            live.network.controller,
            (
                str(programs / "bartizan-controller"),
                "serve",
                str(self.controller_folder),
                *(f"--{option}={plan.CONTROLLER}:{port}" for option, port in listen.items()),
            ),
            folder / "controller.log",
        )
        self.agents: dict[SiteId, Program] = {}
        self.environments: dict[SiteId, dict[str, str]] = {}
        """For whatever runs on a site's gateway."""

    @property
    def controller_folder(self) -> Path:
        """The controller's database, keys and catalogue."""
        return self.folder / "controller"

    def key(self, approver: int) -> tuple[str, str]:
        """Return the options that sign as an approver, 1 to 3."""
        return "--key", f"{self.controller_folder}-offline-keys/approver-{approver}.pem"

    async def found(self) -> None:
        """Make the controller's folder, keys and catalogue."""
        names = ("--host", plan.CONTROLLER, "--organisation", estate.ORGANISATION)
        await self.people.do("bartizan-controller", "init", str(self.controller_folder), *names)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[], list[str]]]:
        """Listen to what is broadcast of the catalogue; yield what returns it, as topic and octets."""
        where = (str(self.controller_folder), plan.CONTROLLER, str(MQTT_PORT))
        words = (sys.executable, "-m", "bartizan_lab.demo.listener", *where)
        listener = Program("listener", self.live.network.controller, words, self.folder / "broadcasts.log")
        await listener.start()
        try:
            async with asyncio.timeout(LISTENER_SECONDS):
                while LISTENING not in listener.log.read_text(encoding="utf-8"):  # noqa: ASYNC110 - another program
                    await asyncio.sleep(0.05)
            yield lambda: listener.log.read_text(encoding="utf-8").partition(LISTENING)[2].split("\n")[1:-1]
        finally:
            await listener.stop()

    async def knock(self) -> Answers:
        """Try the broker's door, from inside the core network.

        Raises:
            Claim: It could not even be tried.
        """
        where = (str(self.controller_folder), plan.CONTROLLER, str(MQTT_PORT))
        words = (sys.executable, "-m", "bartizan_lab.demo.stranger", *where)
        knocked = await command(self.live.network.controller, *words, seconds=30)
        if knocked.code:
            raise Claim(f"nobody could knock at the broker's door: {knocked.err}")
        return msgspec.json.decode(knocked.out, type=Answers)

    async def tls_of(self, site: SiteId) -> str:
        """Return the version of TLS by which a gateway is connected, as it says itself; empty if it is not."""
        status = await self.on_gateway(site, "status", "--json")
        return str(msgspec.json.decode(status.out)["tls"])

    def rummage(self, password: str) -> Loot:
        """Search the controller's whole folder for what it could read of camera credentials."""
        gateways = {site: IdentityKeys(Places(self.folder / site).keys) for site in self.agents}
        return rummage(self.controller_folder, gateways, password)

    async def log_in(self) -> bool:
        """Return whether the controller answers, with its broker.

        Raises:
            Claim: It ended.
        """
        if not self.controller.is_running:
            raise Claim(f"the controller ended:\n{self.controller.tail()}")
        folder = self.controller_folder
        done = await self.people.try_to(
            "bartizan",
            "login",
            URL,
            f"--token-file={folder}/admin.token",
            f"--ca={folder}/keys/ca.pem",
            f"--root={folder}/catalogue/metadata/1.root.json",
        )
        return not done.code and bool((await self.people.ask("bartizan", "status"))["broker_connected"])

    async def enrol(self, site: SiteId, token: str) -> Finished:
        """Enrol a site's gateway."""
        return await self.on_gateway(
            site, "enrol", URL, "--token", token, "--interface", plan.CAMERA_INTERFACE, "--replace"
        )

    async def start_agent(self, site: SiteId) -> None:
        """Start the agent of an enrolled gateway."""
        program = (str(self.programs / "bartizan-agent"), *self._agent_options(site), "run")
        gateway = self.live.sites[site].network.gateway
        log = self.folder / f"{site}.log"
        # As a service has its own: what is left there when it is killed goes with the folder.
        temporary = self.folder / f"{site}-tmp"
        temporary.mkdir(exist_ok=True)
        environment = {"TMPDIR": str(temporary)} | self.environments.get(site, {})
        self.agents[site] = Program(f"agent of {site}", gateway, program, log, environment)
        await self.agents[site].start()

    async def on_gateway(self, site: SiteId, *arguments: str) -> Finished:
        """Type a `bartizan-agent` command on a site's gateway."""
        gateway = self.live.sites[site].network.gateway
        program = (str(self.programs / "bartizan-agent"), *self._agent_options(site))
        return await command(gateway, *program, *arguments, environment=self.environments.get(site, {}), seconds=30)

    async def all_connected(self) -> bool:
        """Return whether every agent's gateway is connected to the controller.

        Raises:
            Claim: An agent ended.
        """
        for agent in self.agents.values():
            if not agent.is_running:
                raise Claim(f"the {agent.name} ended:\n{agent.tail()}")
        done = await self.people.try_to("bartizan", "status", "--json")
        return done.code == 0 and f'"gateways_connected": {len(self.agents)}' in done.out

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {each.name}\n{each.tail()}" for each in (self.controller, *self.agents.values()))

    async def stop(self) -> None:
        """Stop every program."""
        for agent in self.agents.values():
            await agent.stop()
        await self.controller.stop()

    def _agent_options(self, site: SiteId) -> tuple[str, ...]:
        return f"--state={self.folder / site}", f"--config={self.folder / site}.toml"
