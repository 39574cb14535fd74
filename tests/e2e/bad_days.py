"""A hospital on its bad days, and a clinic beside it that must not notice."""

import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bartizan.ids import SiteId
from bartizan.wire import events
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.images import HikvisionImage
from bartizan_lab.cameras.state import Timings
from bartizan_lab.programs import Finished
from bartizan_lab.site.plan import CameraPlan, SitePlan
from tests.e2e.deployment import ROOT, Deployment, Event, Json, enforced, missing, standing
from tests.e2e.estates import ORGANISATION, camera, credential_document, site, site_document
from tests.e2e.hostile_messages import Director, Hostile
from tests.e2e.machines import MEBIBYTE, Clock, SmallDisk, small_disk
from tests.e2e.wire import Speaker

YEAR = 365 * 86400.0
MODEL, OTHER_MODEL, PLATFORM = "DS-2CD2143G2-I", "DS-2CD2043G0-I", "G5"
OLD, NEW = ("V5.5.0", "2018-03-26"), ("V5.7.18", "2024-08-26")
_OLD_FACTS = {"model": MODEL, "platform": PLATFORM, "firmware": OLD[0], "build": OLD[1]}

REASONS = {
    Fault.SILENT: "timed-out",
    Fault.SLOW: "timed-out",
    Fault.RUBBISH: "broken-off",
    Fault.XML_BOMB: "rubbish",
    Fault.ENDLESS_BODY: "too-large",
    Fault.WRONG_CONTENT_LENGTH: "",
    Fault.ABSURD_CONTENT_LENGTH: "broken-off",
    Fault.REDIRECT: "redirect",
    Fault.HALF_CLOSE: "rubbish",
}
"""What a camera can do wrong, and why it is then not read; nothing where what came is enough to be read."""
_hostile = tuple(camera(fault.value, "hikvision", number, faults={fault}) for number, fault in enumerate(REASONS))
_good = (
    camera("ward-a", "hikvision", 20, **_OLD_FACTS),
    camera("ward-b", "hikvision", 21, **_OLD_FACTS),
    camera("stairs", "dahua", 22),
    camera("gate", "axis", 23),
    camera("corridor", "hikvision", 26, **(_OLD_FACTS | {"model": OTHER_MODEL})),
    camera("clock-ahead", "hikvision", 24, **_OLD_FACTS),
    camera("clock-behind", "hikvision", 25, **_OLD_FACTS),
)
HOSPITAL = site("hospital", 1, *_hostile, *_good)
CLINIC = site("clinic", 2, camera("desk", "axis", 0))
GOOD = {each.name: each for each in _good}
BAD = dict(zip(REASONS, _hostile, strict=True))
CONTAINED = (*_hostile, *(each for each in _good if each.kind != "axis"))
TIMINGS = Timings(
    phone_home_seconds=2.0,
    reboot_seconds=0.5,
    shutdown_seconds=0.1,
    flash_seconds=1.0,
    settle_seconds=0.2,
    slow_seconds=200.0,
)


@dataclass
class BadDays:
    """The deployment, and what can be made to go wrong with it."""

    deployment: Deployment
    gateway_disk: SmallDisk
    controller_disk: SmallDisk
    clock: Clock
    image: str = ""
    """The file name of the image that everybody vetted."""
    boots: dict[SiteId, str] = field(default_factory=dict)
    """The starts of the agents. None of them may die of anything."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def prepare(self) -> None:
        """Enrol both sites, publish policy, and vet the image."""
        deployment = self.deployment
        deployment.installation.environments[HOSPITAL.id] = self.clock.environment
        for place in (HOSPITAL, CLINIC):
            await deployment.enrol(place.id)
            await deployment.set_passwords(place.id, credential_document())
        sites = deployment.folder / "sites.yaml"
        documents = [site_document(place, "isolate") for place in (HOSPITAL, CLINIC)]
        sites.write_text(documents[0] + documents[1].partition("\n")[2], encoding="utf-8")
        await deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)
        self.image = await self._vet("digicap.dav", MODEL, 64 << 10)
        self.boots = {place.id: deployment.newest_boot(place.id) for place in (HOSPITAL, CLINIC)}

    def camera(self, name: str) -> Camera:
        """The lab's own camera of that name."""
        return self.deployment.live.sites[HOSPITAL.id].cameras[name]

    async def roll_out(self, name: str, *cameras: CameraPlan) -> None:
        """Begin a rollout to cameras of the hospital."""
        devices = [option for each in cameras for option in ("--device", await self.deployment.device_id(each))]
        options = ("--image", self.image, "--waves", "100", "--per-site", "8")
        await self.deployment.people.do("bartizan", "rollout", "start", name, *options, *devices)

    async def until_rolled_out(self, name: str, seconds: float) -> None:
        """Wait until a rollout is finished."""
        await self.deployment.until(f"{name} is finished", functools.partial(self._is_finished, name), seconds)

    async def contain(self, plan: CameraPlan) -> str:
        """Have a camera quarantined, and wait until it is; return the order."""
        device = await self.deployment.device_id(plan)
        options = ("--site", HOSPITAL.id, "--level", "quarantine", "--reason", "drill")
        given = await self.deployment.people.ask("bartizan", "contain", device, *options)
        held = functools.partial(self.deployment.is_enforced, [plan], "quarantine")
        await self.deployment.until("it is quarantined", held, 60)
        return str(given["order"]["id"])

    async def release(self, order: str) -> None:
        """Take an order back."""
        await self.deployment.people.do("bartizan", "release", order, "--reason", "the drill is over")

    async def director(self) -> Director:
        """Whoever has the key that signs orders, and knows which book the hospital holds."""
        generation = (await self.deployment.ask(f"sites/{HOSPITAL.id}/posture"))["site_orders"]
        return Director(self.deployment.installation.controller_folder, HOSPITAL.id, generation)

    async def say(self, hostile: Hostile) -> None:
        """Say something to gateways, as the controller would."""
        done = await self.as_controller().say(hostile.topic, hostile.payload, self.deployment.folder)
        assert done.code == 0, done.err

    async def is_refused(self, hostile: Hostile, place: SitePlan = HOSPITAL) -> bool:
        """Whether the controller knows of a refusal of that kind."""
        told = [event["detail"] for event in await self.deployment.events(hostile.kind, place.id)]
        return any(each["code"] == hostile.code and hostile.reason in each["reason"] for each in told)

    async def are_read(self, plans: Iterable[CameraPlan]) -> bool:
        """Whether cameras were logged in to, and are known to be what they are."""
        known = await self.deployment.devices()
        return all(
            (state := known.get(plan.mac)) is not None
            and state["device"]["identity"]["serial"] == self.camera(plan.name).state.serial
            and state["device"]["identity"]["model"] == self.camera(plan.name).state.model
            and self.camera(plan.name).logins > 0
            for plan in plans
        )

    async def are_held(self) -> bool:
        """Whether every camera of the hospital is held that has to be, hostile or not."""
        return await self.deployment.is_enforced(CONTAINED, "isolate")

    async def is_well(self) -> bool:
        """Whether both gateways run as they did, are heard, and hold what they must; and the controller is well."""
        deployment = self.deployment
        for place in (HOSPITAL, CLINIC):
            if not await deployment.is_connected(place.id) or deployment.waiting(place.id):
                return False
            assert deployment.newest_boot(place.id) == self.boots[place.id], f"the agent of {place.id} died"
        return await self.are_held() and (await deployment.ask("status"))["broker_connected"]

    def table(self) -> str:
        """Return what the hospital's kernel holds of ours, without what it counts."""
        return enforced(self.deployment.live.network.sites[0].gateway)

    async def loses_events(self) -> bool:
        """Have something happen at the hospital; whether its agent could not keep it.

        What the agent was just replacing when the disk was filled has made room since.
        """
        self.gateway_disk.fill()
        self.camera("stairs").state.firmware = f"2.8{next(self._numbers):02}.0000016.0.R"
        await self.deployment.people.do("bartizan", "site", "scan", HOSPITAL.id)
        return self.lost_so_far() > 0

    def lost_so_far(self) -> int:
        """Return how many events the hospital's agent lost and could not tell of yet, by its own count on disk."""
        return int((self.deployment.folder / HOSPITAL.id / "events-lost").read_text(encoding="ascii"))

    async def told_losses(self) -> list[int]:
        """Return what the hospital's agent told of losses, oldest first."""
        return [int(event["detail"]["lost"]) for event in await self.deployment.events(events.STORE_FULL, HOSPITAL.id)]

    async def has_told_losses(self, at_least: int, since: int) -> bool:
        """Whether it has told more often than `since` times, and of so many. An agent that has ended is begun anew."""
        if not self.deployment.agents[HOSPITAL.id].is_running:  # as its service manager would do
            await self.deployment.installation.start_agent(HOSPITAL.id)
        return any(told >= at_least for told in (await self.told_losses())[since:])

    async def controller_refuses(self) -> bool:
        """Whether the controller has no more room for a change; then the operator reads why."""
        if not await self.deployment.refuses("sites", self._new_site()):
            return False
        done = await self._add_site()
        assert done.code
        return "disk is full" in done.err

    async def controller_obeys(self) -> bool:
        """Whether it makes a change."""
        return (await self._add_site()).code == 0

    def lost(self) -> set[Event]:
        """Return the events of both sites that are missing between those that the controller has."""
        return {event for place in (HOSPITAL, CLINIC) for event in missing(self.deployment.recorded(place.id))}

    async def is_said_of(self, plan: CameraPlan, kind: str) -> bool:
        """Whether anything of a kind is told of a camera."""
        return bool(await self.said_of(plan, kind))

    async def told_clock(self) -> list[float]:
        """Return by how many years the hospital's gateway told that its clock was set, oldest first."""
        told = await self.deployment.events(events.AGENT_CLOCK, HOSPITAL.id)
        return [float(event["detail"]["offset_seconds"]) / YEAR for event in told]

    async def has_told_its_clock(self, years: int, since: int) -> bool:
        """Whether it has told of so many years, after the first `since` times."""
        return any(abs(told - years) < 0.1 for told in (await self.told_clock())[since:])

    async def says_why_not(self, plan: CameraPlan, why: str) -> bool:
        """Whether the operator can read why a camera is not flashed."""
        waiting = [each["note"] for each in await self.said_of(plan, events.UPDATE_STEP)]
        refused = [reason for _, reason in await self.refusals(events.ORDERS_REFUSED, HOSPITAL.id)]
        return any(why in text for text in (*waiting, *refused))

    async def said_of(self, plan: CameraPlan, kind: str) -> list[Json]:
        """Return the details of the events of a kind about one camera, as an operator lists them."""
        device = await self.deployment.device_id(plan)
        said = await self.deployment.people.ask("bartizan", "event", "list", "--kind", kind, "--device", device)
        return [event["detail"] for event in said]

    async def refusals(self, kind: str, site_id: SiteId) -> list[tuple[str, str]]:
        """Return code and reason of what was refused at or from a site, as an operator lists it."""
        listed = await self.deployment.people.ask("bartizan", "event", "list", "--kind", kind, "--site", site_id)
        return [(event["detail"]["code"], event["detail"]["reason"]) for event in listed]

    def as_controller(self) -> Speaker:
        """Whoever stole the controller's certificate for the broker."""
        keys = self.deployment.installation.controller_folder / "keys"
        files = (keys / "ca.pem", keys / "tls" / "client.pem", keys / "tls" / "client-key.pem")
        return Speaker("controller", self.deployment.people.namespace, *files)

    def as_gateway(self, site_id: SiteId) -> Speaker:
        """Whoever stole a gateway's certificate."""
        keys = self.deployment.folder / site_id / "keys"
        gateway = self.deployment.live.sites[site_id].network.gateway
        return Speaker(site_id, gateway, keys / "ca.pem", keys / "tls.pem", keys / "tls-key.pem")

    def _new_site(self) -> Json:
        return {"id": f"new-{next(self._numbers)}", "organisation": ORGANISATION, "name": "x" * 100_000}

    async def _add_site(self) -> Finished:
        new = self._new_site()
        options = ("--organisation", new["organisation"], "--title", new["name"])
        return await self.deployment.people.try_to("bartizan", "site", "add", new["id"], *options)

    async def _is_finished(self, name: str) -> bool:
        return bool((await self.deployment.ask(f"rollouts/{name}"))["intent"]["state"] == "finished")

    async def _vet(self, name: str, model: str, octets: int) -> str:
        file = self.deployment.folder / name
        file.write_bytes(HikvisionImage(PLATFORM, NEW[0], date.fromisoformat(NEW[1])).pack(octets))
        facts = ("--maker", "hikvision", "--model", model, "--version", NEW[0], "--build-date", NEW[1])
        source = ("--platform", PLATFORM, "--source", "made by the lab")
        people, key = self.deployment.people, self.deployment.key
        added = await people.ask("bartizan", "firmware", "add", str(file), *facts, *source, *key(1))
        await people.do("bartizan", "firmware", "approve", added["change"], "--yes", *key(2))
        return name


@contextlib.asynccontextmanager
async def bad_days(folder: Path) -> AsyncIterator[BadDays]:
    """Build it, and take it away afterwards."""
    with (
        small_disk(folder / HOSPITAL.id, 160 * MEBIBYTE) as gateway_disk,
        small_disk(folder / "controller", 64 * MEBIBYTE) as controller_disk,
    ):
        async with standing(folder, (HOSPITAL, CLINIC), TIMINGS) as deployment:
            days = BadDays(deployment, gateway_disk, controller_disk, Clock(folder / "time"))
            await days.prepare()
            yield days
