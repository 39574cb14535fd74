"""A school whose gateway, controller and broker are killed again and again, and what must be so afterwards."""

import contextlib
import enum
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bartizan.ids import OrderId, RolloutId
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.images import HikvisionImage
from bartizan_lab.cameras.state import Timings
from bartizan_lab.site.plan import CameraPlan
from tests.e2e.deployment import ROOT, Deployment, Event, Json, enforced, missing, standing
from tests.e2e.estates import addresses, camera, credential_document, site, site_document


class Victim(enum.Enum):
    """Who is killed."""

    AGENT = "agent"
    CONTROLLER = "controller"
    BROKER = "broker"


MODEL, PLATFORM = "DS-2CD2143G2-I", "G5"
OLD, NEW = ("V5.5.0", "2018-03-26"), ("V5.7.18", "2024-08-26")
SOAK_MINUTES = 1.0
_OLD_FACTS = {"model": MODEL, "platform": PLATFORM, "firmware": OLD[0], "build": OLD[1]}
_ROLES = [f"{role}-{victim.value}" for victim in Victim for role in ("fetch", "write", "first", "second")]

SCHOOL = site(
    "school",
    1,
    camera("hall", "dahua", 0),
    camera("gate", "axis", 1),
    *(camera(role, "hikvision", number, **_OLD_FACTS) for number, role in enumerate(_ROLES, 2)),
)
ANNEX = site("annex", 2, camera("door", "axis", 0))
NEWCOMERS = {victim: camera(f"new-{victim.value}", "dahua", number) for number, victim in enumerate(Victim, 60)}
TIMINGS = Timings(
    phone_home_seconds=1.0, reboot_seconds=0.5, shutdown_seconds=0.1, flash_seconds=1.5, settle_seconds=0.2
)


@dataclass
class School:
    """The deployment, and what was noted on the way."""

    deployment: Deployment
    contained_from: float = 0.0
    """Unix seconds. From then on nothing of a contained camera may be on a cable outside."""
    newcomers: list[CameraPlan] = field(default_factory=list)
    rollouts: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """File names by what they are for."""
    sent: set[Event] = field(default_factory=set)
    """Events that were once seen in the outbox."""

    @property
    def contained(self) -> list[CameraPlan]:
        """Every camera that policy holds."""
        return [each for each in (*SCHOOL.cameras, *self.newcomers) if each.kind != "axis"]

    def camera(self, name: str) -> Camera:
        """The lab's own camera of that name."""
        return self.deployment.live.sites[SCHOOL.id].cameras[name]

    async def prepare(self) -> None:
        """Enrol the school, publish policy, and vet the images."""
        deployment = self.deployment
        await deployment.enrol(SCHOOL.id, updates_at_once=16)
        await deployment.set_passwords(SCHOOL.id, credential_document())
        await self.publish("policy", ROOT / "policies" / "uk-hcws386.yaml", self.sites())
        await deployment.until("the school's cameras are held", self._are_held, 40)
        self.contained_from = time.time()
        for number, name in enumerate(("quick", *(f"fetch-{victim.value}" for victim in Victim))):
            await self._vet(name, octets=(64 << 10) if name == "quick" else (3 << 20) + number)

    async def begin_waves(self) -> None:
        """Begin the rollouts that will stand between waves, all at once."""
        for victim in Victim:
            pair = (f"first-{victim.value}", f"second-{victim.value}")
            waves = ("--waves", "50,100", "--soak-minutes", str(SOAK_MINUTES))
            await self.roll_out(f"waves-{victim.value}", "quick", *pair, options=waves)

    def sites(self, *more_recorders: str) -> Path:
        """Write the document about the school; recorders that are not there yet make it another version."""
        file = self.deployment.folder / "sites.yaml"
        text = site_document(SCHOOL, "isolate")
        more = "".join(f', "{address}"' for address in more_recorders)
        file.write_text(text.replace(f'"{SCHOOL.recorder}"', f'"{SCHOOL.recorder}"{more}'), encoding="utf-8")
        return file

    async def sign(self, *documents: Path) -> str:
        """Have two people sign documents; return the change."""
        people, key = self.deployment.people, self.deployment.key
        change = (await people.ask("bartizan", "policy", "sign", *map(str, documents), *key(1)))["change"]
        await people.do("bartizan", "policy", "sign", "--change", change, "--yes", *key(2))
        return str(change)

    async def publish(self, _what: str, *documents: Path) -> None:
        """Sign and publish documents."""
        await self.deployment.people.do("bartizan", "policy", "publish", await self.sign(*documents))

    async def roll_out(self, name: str, image: str, *cameras: str, options: tuple[str, ...] = ()) -> None:
        """Begin a rollout on these cameras."""
        plans = {each.name: each for each in SCHOOL.cameras}
        devices = [("--device", await self.deployment.device_id(plans[camera])) for camera in cameras]
        arguments = (RolloutId(name), "--image", self.images[image], *itertools.chain(*devices))
        await self.deployment.people.do("bartizan", "rollout", "start", *arguments, *(options or ("--waves", "100")))
        self.rollouts.append(name)

    async def rollout(self, name: str) -> Json:
        """Return how a rollout is."""
        state: Json = await self.deployment.ask(f"rollouts/{name}")
        return state

    async def orders(self) -> list[Json]:
        """Return every order that stands."""
        return list(await self.deployment.people.ask("bartizan", "order", "list"))

    async def release(self, order: OrderId) -> None:
        """Take an order back."""
        await self.deployment.people.do("bartizan", "release", order, "--reason", "the drill is over")

    async def strike(self, victim: Victim) -> None:
        """Kill somebody as a power cut would, and start them again. While an agent is dead its ruleset stands."""
        deployment = self.deployment
        self.sent |= deployment.waiting(SCHOOL.id)
        match victim:
            case Victim.AGENT:
                await deployment.agents[SCHOOL.id].kill()
                stands = self.table()
                try:
                    await self._everybody_tries()
                    assert self.table() == stands
                finally:
                    await deployment.installation.start_agent(SCHOOL.id)
            case Victim.CONTROLLER:
                await deployment.controller.kill()
                await deployment.controller.start()
            case Victim.BROKER:
                await deployment.kill_broker()

    async def recovered(self) -> None:
        """Wait until the gateway holds what the controller wants, and the controller what the gateway has to say."""
        await self.deployment.until("all is as if nothing had happened", self._is_whole, 40)

    def table(self) -> str:
        """Return what the kernel holds of ours, without what it counts."""
        return enforced(self.deployment.live.network.sites[0].gateway)

    def throttle(self, rate: str) -> None:
        """Make the link from the controller to the gateways slow, as one over a mobile network is."""
        shape = ("tbf", "rate", rate, "burst", "32kb", "latency", "1s")
        self.deployment.live.network.controller.run("tc", "qdisc", "replace", "dev", "eth0", "root", *shape)

    def unthrottle(self) -> None:
        """Make it fast again."""
        self.deployment.live.network.controller.run("tc", "qdisc", "delete", "dev", "eth0", "root")

    def leaks(self) -> list[str]:
        """Return the packets of contained cameras that were seen outside."""
        return self.deployment.leaked(addresses(SCHOOL, *self.contained), self.contained_from)

    def lost(self) -> set[Event]:
        """Return the events that are known to have been there and are not in the controller's database."""
        return missing(self.deployment.recorded(SCHOOL.id), self.sent)

    def doubled(self) -> list[Event]:
        """Return the events that the controller has more than once."""
        return [event for event, count in Counter(self.deployment.recorded(SCHOOL.id)).items() if count > 1]

    async def _vet(self, name: str, octets: int) -> None:
        file = self.deployment.folder / f"digicap-{name}.dav"
        file.write_bytes(HikvisionImage(PLATFORM, NEW[0], date.fromisoformat(NEW[1])).pack(octets))
        facts = ("--maker", "hikvision", "--model", MODEL, "--version", NEW[0], "--build-date", NEW[1])
        source = ("--platform", PLATFORM, "--source", "made by the lab")
        people, key = self.deployment.people, self.deployment.key
        added = await people.ask("bartizan", "firmware", "add", str(file), *facts, *source, *key(1))
        await people.do("bartizan", "firmware", "approve", added["change"], "--yes", *key(2))
        self.images[name] = file.name

    async def _are_held(self) -> bool:
        return await self.deployment.is_enforced(self.contained, "isolate")

    async def _everybody_tries(self) -> None:
        before = {each.name: self.camera(each.name).calls.tcp_attempts for each in self.contained}

        async def have_tried() -> bool:
            return all(
                self.camera(name).calls.tcp_attempts > count or not self.camera(name).is_up
                for name, count in before.items()
            )

        await self.deployment.until("every camera has tried to call out", have_tried, 10)

    async def _is_whole(self) -> bool:
        deployment = self.deployment
        if not await deployment.is_connected(SCHOOL.id) or deployment.waiting(SCHOOL.id):
            return False
        site = await deployment.ask(f"sites/{SCHOOL.id}/posture")
        held = site["posture"]
        told = {name: site[name] for name in ("catalogue", "estate_orders", "site_orders")}
        return (
            site["gateway"]["boot"] == deployment.newest_boot(SCHOOL.id)
            and held is not None
            and {name: held[name] for name in told} == told
            and (await deployment.ask("status"))["broker_connected"]
        )


@contextlib.asynccontextmanager
async def open_school(folder: Path) -> AsyncIterator[School]:
    """Build the school, and take it away afterwards."""
    async with standing(folder, (SCHOOL, ANNEX), TIMINGS) as deployment:
        school = School(deployment)
        await school.prepare()
        yield school
