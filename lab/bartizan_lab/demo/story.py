"""The steps of the demonstration, in order. Each measures what it claims, and raises `Claim` if it is not true."""

import asyncio
import functools
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

from bartizan.ids import mac
from bartizan_lab.cameras import Fault
from bartizan_lab.cameras.images import HikvisionImage
from bartizan_lab.cameras.registry import PASSWORD
from bartizan_lab.demo import estate
from bartizan_lab.demo.installation import MQTT_PORT, Installation
from bartizan_lab.demo.measure import Json, Measure, Standing, is_held
from bartizan_lab.demo.people import Claim
from bartizan_lab.demo.voice import Voice
from bartizan_lab.programs import command
from bartizan_lab.site import plan

PHONE_HOME_SECONDS = 1.0
WATCHED_SECONDS = 5.0
"""How long nothing may get out before it is claimed that nothing gets out: five calls of every camera."""
ROLLOUT = "spring"
POLL_SECONDS = 0.2


class Story:
    """The demonstration, told on an installation."""

    def __init__(self, installation: Installation, policies: Path, voice: Voice) -> None:
        self.installed = installation
        self.people = installation.people
        self.live = installation.live
        self.measure = Measure(installation.live, installation.people)
        self.voice = voice
        self._policies = policies
        self._enforced_at = 0.0

    async def tell(self) -> None:
        """Go through all steps."""
        for step in (
            self.controller_comes_up,
            self.gateways_enrol,
            self.cameras_are_found,
            self.phone_home_is_seen,
            self.policy_is_published,
            self.nothing_leaves,
            self.newcomer_is_contained_alone,
            self.everything_reconciles,
            self.firmware_needs_two_people,
            self.rollout_stops_itself_and_is_resumed,
            self.forgeries_are_refused,
            self.proof,
        ):
            await step()

    async def controller_comes_up(self) -> None:
        """Make a controller and start it with its broker."""
        self.voice.step("The controller comes up, with its broker")
        await self.installed.found()
        await self.installed.controller.start()
        await self._until("the controller answers", self.installed.log_in, 30)
        status = await self.people.ask("bartizan", "status")
        self._claim(status["broker_connected"], "the controller is not connected to its broker")
        self.voice.fact(f"version {status['version']}, connected to its broker, process {status['broker_pid']}")
        door = await self.installed.knock()
        self._claim(door.is_shut, f"the broker's door: {door}")
        self.voice.fact(f"at the broker's door, without a certificate: {door.nobody}")
        self.voice.fact(f"with the controller's name, by another authority: {door.impostor}")
        self.voice.fact(f"with the controller's own certificate: let in by {door.controller}")

    async def gateways_enrol(self) -> None:
        """Enrol both gateways by one-time tokens, and start their agents."""
        self.voice.step("Two gateways enrol with one-time tokens")
        for site in estate.SITES:
            await self.people.do("bartizan", "site", "add", site.id, "--organisation", estate.ORGANISATION)
            token = (await self.people.do("bartizan", "site", "token", site.id)).strip()
            enrolled = await self.installed.enrol(site.id, token)
            self._claim(enrolled.code == 0, f"the gateway of {site.id} could not enrol: {enrolled.err}")
            again = await self.installed.enrol(site.id, token)
            self._claim(again.code != 0, "a used token was accepted a second time")
            self.voice.fact(f"{site.id}: enrolled; the same token a second time: {_last_line(again.err)}")
            await self.installed.start_agent(site.id)
        await self._until("both gateways are connected", self.installed.all_connected, 30)
        for site in estate.SITES:
            tls = await self.installed.tls_of(site.id)
            self._claim(tls.startswith("TLSv1."), f"the gateway of {site.id} says it is connected by {tls!r}")
            self.voice.fact(f"{site.id}: connected by mutual {tls}")
        await self._credentials_are_sealed()

    async def _credentials_are_sealed(self) -> None:
        """Give each gateway its cameras' passwords, and search the controller for what it could read of them."""
        passwords = self.installed.folder / "cameras.toml"
        passwords.write_text(estate.credential_document(), encoding="utf-8")
        for site in estate.SITES:
            await self.people.do("bartizan", "credentials", "set", site.id, str(passwords))
        opened = functools.partial(self.measure.is_reported_everywhere, "credentials.accepted")
        await self._until("both gateways have opened their cameras' passwords", opened, 20)
        loot = await asyncio.to_thread(self.installed.rummage, PASSWORD)
        self._claim(not loot.with_password, f"a camera's password stands in {loot.with_password}")
        self._claim(not loot.opened, f"a key of the controller opens the credentials of {loot.opened}")
        self._claim(len(loot.opened_by_gateway) == len(estate.SITES), f"only {loot.opened_by_gateway} can open theirs")
        self.voice.fact("camera passwords are sealed to each gateway, and both opened theirs; the controller cannot:")
        self.voice.fact(
            f"no password stands in its {loot.files} files, none of its {loot.keys} keys opens what it holds"
        )

    async def cameras_are_found(self) -> None:
        """Wait until every device is named, and look behind the badge of the rebadged one."""
        self.voice.step("Cameras are found and named")
        await self._until("every camera is found", self.measure.all_named, 60)
        devices = await self.measure.devices()
        for device in devices.values():
            identity = device["device"]["identity"]
            named = f"{identity['maker'] or 'unknown maker':14} {identity['model']:18} {identity['firmware']:24}"
            known = ", ".join(device["device"]["vulnerabilities"])
            self.voice.fact(f"{device['site']:15} {named} confidence {identity['confidence']:3}  {known}".rstrip())
        rebadged = devices[mac("bc:ad:28:00:01:02")]["device"]["identity"]
        self._claim(rebadged["maker"] == "hikvision", f"the rebadged camera was taken for {rebadged['maker']!r}")
        self.voice.fact(f"unmasked: {rebadged['model']} has the {rebadged['lineage']}")

    async def phone_home_is_seen(self) -> None:
        """See every device reach its maker's cloud."""
        self.voice.step("Before any policy: every device calls its maker")
        await self._until("every device has called", self.measure.all_have_called, 20)
        addresses = self.measure.all_addresses()
        self.voice.fact(
            f"{self.measure.calls(addresses)} calls have reached the internet from {len(addresses)} addresses"
        )

    async def policy_is_published(self) -> None:
        """Have two people sign the policy, publish it once, and wait for what the kernels say."""
        self.voice.step("Policy uk-hcws386 is signed by two people and published once over MQTT")
        sites = self.installed.folder / "sites.yaml"
        sites.write_text(estate.site_document(), encoding="utf-8")
        documents = [str(self._policies / "uk-hcws386.yaml"), str(sites)]
        proposed = await self.people.ask("bartizan", "policy", "sign", *documents, *self.installed.key(1))
        change = proposed["change"]
        alone = await self.people.try_to("bartizan", "policy", "publish", change)
        self._claim(alone.code == 1, "one signature was enough to publish policy")
        self.voice.fact(f"with one signature: {_last_line(alone.err)}")
        await self.people.do("bartizan", "policy", "sign", "--change", change, "--yes", *self.installed.key(2))
        async with self.installed.listening() as broadcasts:
            began = self.voice.seconds
            published = await self.people.ask("bartizan", "policy", "publish", change)
            await self._until("both gateways enforce it", self.measure.all_held, 30)
            self._enforced_at = time.monotonic()
            self.voice.fact(
                f"both gateways enforce it, read back from their kernels, {self.voice.seconds - began:.1f} s later"
            )
            acknowledged = functools.partial(self.measure.all_acknowledge, published["versions"])
            await self._until("both gateways acknowledge it", acknowledged, 10)
            self.voice.fact(f"both acknowledge it: {_versions(published['versions'])}")
            heard = broadcasts()
        self._claim(len(heard) == 1, f"the catalogue was broadcast {len(heard)} times: {heard}")
        self.voice.fact(f"a listener at the broker heard one broadcast: {heard[0]} octets")

    async def nothing_leaves(self) -> None:
        """Watch the internet for a while: contained devices reach it no more, recorders lose nothing."""
        self.voice.step(f"For {WATCHED_SECONDS:.0f} s nothing of a contained camera reaches the internet")
        await self._claim_silence()
        await self._until("drops are reported", self.measure.drops_are_reported, 30)
        self.voice.fact(f"{await self.measure.dropped()} packets dropped and counted, of every contained camera some")
        await self._claim_recording()

    async def newcomer_is_contained_alone(self) -> None:
        """Kill broker and controller, plug in a camera, and see that the gateway needs nobody to contain it."""
        self.voice.step("The broker and the controller are killed (-9), and a new camera is plugged in")
        status = await self.people.ask("bartizan", "status")
        await command(self.live.network.controller, "kill", "-9", str(status["broker_pid"]))
        await self.installed.controller.kill()
        newcomer = await self.live.plug_in(estate.TOWN_HALL, estate.NEWCOMER)
        address = estate.SITES[0].camera(estate.NEWCOMER.number)
        await self._until("the newcomer has tried to call", functools.partial(self.measure.has_tried, newcomer), 20)
        await asyncio.sleep(WATCHED_SECONDS)
        received = self.measure.calls([address])
        self._claim(received == 0, f"the new camera reached the internet {received} times")
        self.voice.fact(f"it tried {newcomer.calls.tcp_attempts + newcomer.calls.udp_attempts} times and never got out")
        await self._claim_silence()

    async def everything_reconciles(self) -> None:
        """Start the controller again, and see that all it missed arrives."""
        self.voice.step("The controller and its broker come back")
        await self.installed.controller.start()
        await self._until("both gateways are back", self.installed.all_connected, 60)
        await self._until("the new camera is known", functools.partial(self.measure.is_known, estate.NEWCOMER.mac), 60)
        await self._until("everything is held as wanted", self.measure.all_held, 30)
        self.voice.fact("the new camera was reported; every kernel holds what is wanted")

    async def firmware_needs_two_people(self) -> None:
        """Add an image; one key is refused, two are enough."""
        self.voice.step("Firmware is added, and approved by two people")
        version, build = estate.NEW
        file = self.installed.folder / "digicap.dav"
        packed = HikvisionImage(estate.PLATFORM, version, date.fromisoformat(build)).pack(1 << 20)
        file.write_bytes(packed)
        facts = ("--maker", "hikvision", "--model", estate.MODEL, "--version", version, "--build-date", build)
        source = ("--platform", estate.PLATFORM, "--source", "made by the lab")
        added = await self.people.ask("bartizan", "firmware", "add", str(file), *facts, *source, *self.installed.key(1))
        alone = await self.people.try_to("bartizan", "policy", "publish", added["change"])
        self._claim(alone.code == 1, "one signature was enough to vet firmware")
        self.voice.fact(f"with one signature: {_last_line(alone.err)}")
        await self.people.do("bartizan", "firmware", "approve", added["change"], "--yes", *self.installed.key(2))
        images = await self.people.ask("bartizan", "firmware", "list")
        self._claim(len(images) == 1, f"{len(images)} images are vetted")
        self.voice.fact(f"vetted: {images[0]['file_name']} {images[0]['version']} for {' '.join(images[0]['models'])}")

    async def rollout_stops_itself_and_is_resumed(self) -> None:
        """Roll out in two waves; one camera of the first refuses, the rollout stops, a person resumes it."""
        self.voice.step("The image rolls out in two waves; one camera will fail")
        start = ("rollout", "start", ROLLOUT, "--image", "digicap.dav", "--waves", "50,100")
        preview = await self.people.ask("bartizan", *start, "--dry-run")
        victim = preview["intent"]["waves"][0]["targets"][0]["device"]
        self.measure.camera_of(victim).state.faults.add(Fault.REFUSES_IMAGE)
        before = self.measure.standing_of(victim)
        await self.people.do("bartizan", *start)
        stopped = await self.people.try_to("bartizan", "rollout", "watch", ROLLOUT, "--timeout", "90")
        self._claim(stopped.code == 1, f"the rollout did not stop: {stopped.out}{stopped.err}")
        self.voice.fact(stopped.out.strip().splitlines()[-1])
        await self.people.do("bartizan", "rollout", "resume", ROLLOUT)
        await self.people.do("bartizan", "rollout", "watch", ROLLOUT, "--timeout", "90")
        state = await self.people.ask("bartizan", "rollout", "show", ROLLOUT)
        stages = {device: progress["stage"] for device, progress in state["progress"].items()}
        self._claim(stages.pop(victim) == "failed", "the camera that refused is not told as failed")
        self._claim(set(stages.values()) == {"succeeded"}, f"not all others succeeded: {stages}")
        for device in stages:
            running = self.measure.camera_of(device).state.firmware
            self._claim(running == estate.NEW[0], f"{device} runs {running}")
        self.voice.fact(f"resumed and finished: {len(stages)} cameras run {estate.NEW[0]}")
        await self._claim_recording()
        await self._claim_left_alone(victim, before)

    async def _claim_left_alone(self, victim: str, before: Standing) -> None:
        """Show that the camera whose update failed is as it was."""
        failure = await self.measure.failure_of(victim)
        self._claim(failure["end"] == "failed-before-write", f"its update ended as {failure['end']}")
        after = self.measure.standing_of(victim)
        self._claim(after == before, f"{victim} was {before} and is {after}")
        self._claim(self.measure.is_recorded(victim), f"{victim} is not recorded")
        self.voice.fact(f"the one that failed: {failure['reason']}")
        self.voice.fact(f"it was left as it was: {after.firmware}, not restarted, still recorded")

    async def forgeries_are_refused(self) -> None:
        """Send a tampered catalogue and a loosening order with stolen keys; both are refused and reported."""
        self.voice.step("A thief with the controller's keys sends a tampered catalogue and a loosening order")
        for what, kind in (("catalogue", "catalogue.refused"), ("orders", "orders.refused")):
            thief = (sys.executable, "-m", "bartizan_lab.demo.thief", str(self.installed.controller_folder))
            sent = await command(self.live.network.controller, *thief, plan.CONTROLLER, str(MQTT_PORT), what)
            self._claim(sent.code == 0, f"the thief could not send: {sent.err}")
            await self._until(
                f"both gateways report {kind}", functools.partial(self.measure.is_reported_everywhere, kind), 30
            )
            refused = (await self.people.ask("bartizan", "event", "list", "--kind", kind))[-1]["detail"]
            self.voice.fact(f"{kind}: {refused['code']}: {refused['reason']}")
        await self._until("everything is held as before", self.measure.all_held, 10)
        await self._claim_silence()

    async def proof(self) -> None:
        """Print what is known and measured of each device."""
        await self._until("drops are reported", self.measure.drops_are_reported, 30)
        devices = await self.measure.devices()
        self.voice.step("Proof, device by device")
        states = sorted(devices.values(), key=lambda each: (each["site"], each["device"]["id"]))
        headings = ("site", "device", "maker", "firmware", "level", "dropped", "proof")
        self.voice.table([headings, *(self._proof_row(state) for state in states)])
        verified = await self.people.do("bartizan-controller", "audit", "verify", str(self.installed.controller_folder))
        self.voice.fact(f"audit chain: {verified.strip().splitlines()[0]}")

    def _proof_row(self, state: Json) -> tuple[str, ...]:
        identity, posture = state["device"]["identity"], state["posture"]
        name = " ".join(filter(None, (identity["model"], state["device"]["addresses"][0])))
        self._claim(is_held(state), f"{name} is not held as wanted")
        return (
            state["site"],
            name,
            identity["maker"] or "unknown",
            identity["firmware"],
            posture["enforced"] or "nothing",
            str(posture["dropped_packets"]),
            self._proof_of(state, name),
        )

    def _proof_of(self, state: Json, name: str) -> str:
        if state["posture"]["enforced"] == "watch":
            return "not contained: no rule speaks of it"
        calls = [call for each in state["device"]["macs"] if (call := self.measure.last_call(each)) is not None]
        if not calls:
            return "never heard outside"
        before = min(calls) - (time.monotonic() - self._enforced_at)
        self._claim(before >= 0, f"{name} was heard outside {-before:.1f} s after it was contained")
        return f"last heard outside {before:.1f} s before enforcement was measured"

    async def _claim_silence(self) -> None:
        contained, sensitive = self.measure.listed_addresses(), self.measure.listed_addresses(only_sensitive=True)
        before = self.measure.calls(contained), self.measure.core_calls(sensitive)
        await asyncio.sleep(WATCHED_SECONDS)
        outside = self.measure.calls(contained) - before[0]
        inside = self.measure.core_calls(sensitive) - before[1]
        self._claim(outside == 0, f"{outside} calls reached the internet")
        self._claim(inside == 0, f"{inside} calls reached the core network from the sensitive site")
        self.voice.fact(f"0 calls outside from {len(contained)} addresses; 0 in the core from the sensitive site")

    async def _claim_recording(self) -> None:
        await self._until("recorders receive every stream", self.measure.all_recorded, 30)
        self.voice.fact(f"recorders receive all {self.measure.streams} streams")

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await condition():  # noqa: ASYNC110 - other programs are asked, they cannot set an event
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Claim(f"after {seconds:.0f} s it is still not so that {what}\n{self.installed.logs()}") from None

    def _claim(self, true: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
        if not true:
            raise Claim(otherwise)


def _last_line(said: str) -> str:
    """Return what a program said last, without its name before it."""
    return said.strip().splitlines()[-1].partition(": ")[2] if said.strip() else "nothing was said"


def _versions(versions: Json) -> str:
    return ", ".join(f"{role} {version}" for role, version in sorted(versions.items()))
