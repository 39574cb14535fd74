"""The steps of the demonstration, in order. Each measures what it claims, and raises `Claim` if it is not true."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

from bartizan.ids import SiteId
from bartizan_lab.cameras import Camera, Fault
from bartizan_lab.cameras.images import HikvisionImage
from bartizan_lab.demo import estate
from bartizan_lab.demo.people import Claim, Workstation
from bartizan_lab.demo.voice import Voice
from bartizan_lab.programs import Program, command
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate

Json = dict[str, Any]

PHONE_HOME_SECONDS = 1.0
WATCHED_SECONDS = 5.0
"""How long nothing may get out before it is claimed that nothing gets out: five calls of every camera."""
API_PORT, GATEWAY_PORT, MQTT_PORT = 8443, 8444, 8883
ROLLOUT = "spring"


class Story:
    """The demonstration's state: who runs, and what was seen so far."""

    def __init__(self, live: LiveEstate, folder: Path, programs: Path, policies: Path, voice: Voice) -> None:
        self.live = live
        self.voice = voice
        self.folder = folder
        self.people = Workstation(live.network.controller, programs, folder)
        self.controller = Program(
            "controller",
            live.network.controller,
            (
                str(programs / "bartizan-controller"),
                "serve",
                str(folder / "controller"),
                "--listen",
                f"{plan.CONTROLLER}:{API_PORT}",
                "--gateway-listen",
                f"{plan.CONTROLLER}:{GATEWAY_PORT}",
                "--mqtt-listen",
                f"{plan.CONTROLLER}:{MQTT_PORT}",
            ),
            folder / "controller.log",
        )
        self.agents: dict[SiteId, Program] = {}
        self._programs = programs
        self._policies = policies

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

    async def stop(self) -> None:
        """Stop every program."""
        for agent in self.agents.values():
            await agent.stop()
        await self.controller.stop()

    async def controller_comes_up(self) -> None:
        """Make a controller and start it with its broker."""
        self.voice.step("The controller comes up, with its broker")
        folder = str(self.folder / "controller")
        await self.people.do(
            "bartizan-controller", "init", folder, "--host", plan.CONTROLLER, "--organisation", estate.ORGANISATION
        )
        await self.controller.start()
        await self._until("the controller answers", self._log_in, 30)
        status = await self.people.ask("bartizan", "status")
        self.voice.fact(
            f"version {status['version']}, broker connected over mutual TLS, process {status['broker_pid']}"
        )

    async def gateways_enrol(self) -> None:
        """Enrol both gateways by one-time tokens, and start their agents."""
        self.voice.step("Two gateways enrol with one-time tokens")
        for site in estate.SITES:
            await self.people.do("bartizan", "site", "add", site.id, "--organisation", estate.ORGANISATION)
            token = (await self.people.do("bartizan", "site", "token", site.id)).strip()
            await self._enrol(site.id, token)
            await self.agents[site.id].start()
        await self._until("both gateways are connected", self._all_connected, 30)
        again = await self._agent_command(estate.TOWN_HALL, "enrol", self._url, "--token", token, "--replace")
        self._claim(again.code != 0, "a used token was accepted a second time")
        self.voice.fact("both connected; a used token is refused")
        passwords = self.folder / "cameras.toml"
        passwords.write_text(estate.credential_document(), encoding="utf-8")
        for site in estate.SITES:
            await self.people.do("bartizan", "credentials", "set", site.id, str(passwords))
        self.voice.fact("camera passwords sealed to each gateway; the controller cannot open them")

    async def cameras_are_found(self) -> None:
        """Wait until every device is named, and look behind the badge of the rebadged one."""
        self.voice.step("Cameras are found and named")
        wanted = {"hikvision", "dahua", "axis"}
        cameras = [camera for site in estate.SITES for camera in site.cameras if camera.kind != "printer"]
        await self._until("every camera is found", lambda: self._all_named(wanted), 60)
        devices = await self._devices()
        for device in devices.values():
            identity = device["device"]["identity"]
            named = f"{identity['maker'] or 'unknown maker':14} {identity['model']:18} {identity['firmware']:24}"
            open_to = (
                f"open to {len(device['device']['vulnerabilities'])}" if device["device"]["vulnerabilities"] else ""
            )
            self.voice.fact(f"{device['site']:15} {named} sure {identity['confidence']:3}  {open_to}".rstrip())
        rebadged = devices["bc:ad:28:00:01:02"]["device"]["identity"]
        self._claim(rebadged["maker"] == "hikvision", f"the rebadged camera was taken for {rebadged['maker']!r}")
        self.voice.fact(f"behind the badge {rebadged['brand'] or 'of the rebadged camera'}: {rebadged['lineage']}")
        self._claim(
            len(devices) >= len(cameras), f"{len(devices)} devices were found, there are {len(cameras)} cameras"
        )

    async def phone_home_is_seen(self) -> None:
        """See every device reach its maker's cloud."""
        self.voice.step("Before any policy: every device calls its maker")
        await self._until("every device has called", self._all_have_called, 20)
        calls = sum(self.live.cloud.received.total(address) for address in self._device_addresses())
        self.voice.fact(f"{calls} calls have reached the internet from {len(self._device_addresses())} devices")

    async def policy_is_published(self) -> None:
        """Have two people sign the policy, publish it once, and wait for what the kernels say."""
        self.voice.step("Policy uk-hcws386 is signed by two people and published once over MQTT")
        sites = self.folder / "sites.yaml"
        sites.write_text(estate.site_document(), encoding="utf-8")
        documents = [str(self._policies / "uk-hcws386.yaml"), str(sites)]
        proposed = await self.people.ask("bartizan", "policy", "sign", *documents, *self._key(1))
        change = proposed["change"]
        alone = await self.people.try_to("bartizan", "policy", "publish", change)
        self._claim(alone.code == 1, "one signature was enough to publish policy")
        self.voice.fact(f"with one signature: {alone.err.strip()}")
        await self.people.do("bartizan", "policy", "sign", "--change", change, "--yes", *self._key(2))
        began = self.voice.seconds
        await self.people.do("bartizan", "policy", "publish", change)
        await self._until("both gateways enforce it", self._all_agree, 30)
        self.voice.fact(
            f"both gateways enforce it, read back from their kernels, {self.voice.seconds - began:.1f} s later"
        )

    async def nothing_leaves(self) -> None:
        """Watch the internet for a while: contained devices reach it no more, recorders lose nothing."""
        self.voice.step(f"For {WATCHED_SECONDS:.0f} s nothing of a contained camera reaches the internet")
        await self._claim_silence(self._contained_addresses())
        await self._claim_recording()

    async def newcomer_is_contained_alone(self) -> None:
        """Kill broker and controller, plug in a camera, and see that the gateway needs nobody to contain it."""
        self.voice.step("The broker and the controller are killed (-9), and a new camera is plugged in")
        status = await self.people.ask("bartizan", "status")
        await command(self.live.network.controller, "kill", "-9", str(status["broker_pid"]))
        await self.controller.kill()
        newcomer = await self.live.plug_in(estate.TOWN_HALL, estate.NEWCOMER)
        address = estate.SITES[0].camera(estate.NEWCOMER.number)
        await self._until("the newcomer has tried to call", lambda: self._has_tried(newcomer), 20)
        await asyncio.sleep(WATCHED_SECONDS)
        received = self.live.cloud.received.total(address)
        self._claim(received == 0, f"the new camera reached the internet {received} times")
        self.voice.fact(f"it tried {newcomer.calls.tcp_attempts + newcomer.calls.udp_attempts} times and never got out")
        await self._claim_silence(self._contained_addresses())

    async def everything_reconciles(self) -> None:
        """Start the controller again, and see that all it missed arrives."""
        self.voice.step("The controller and its broker come back")
        await self.controller.start()
        await self._until("both gateways are back", self._all_connected, 60)
        await self._until("the new camera is known", self._newcomer_is_known, 60)
        await self._until("everything is held as wanted", self._all_agree, 30)
        self.voice.fact("the new camera was reported; every device is held as wanted")

    async def firmware_needs_two_people(self) -> None:
        """Add an image; one key is refused, two are enough."""
        self.voice.step("Firmware is added, and approved by two people")
        version, build = estate.NEW
        file = self.folder / "digicap.dav"
        packed = HikvisionImage(estate.PLATFORM, version, date.fromisoformat(build)).pack(1 << 20)
        file.write_bytes(packed)
        facts = ("--maker", "hikvision", "--model", estate.MODEL, "--version", version, "--build-date", build)
        source = ("--platform", estate.PLATFORM, "--source", "made by the lab")
        added = await self.people.ask("bartizan", "firmware", "add", str(file), *facts, *source, *self._key(1))
        alone = await self.people.try_to("bartizan", "policy", "publish", added["change"])
        self._claim(alone.code == 1, "one signature was enough to vet firmware")
        self.voice.fact(f"one alone is refused: {alone.err.strip()}")
        await self.people.do("bartizan", "firmware", "approve", added["change"], "--yes", *self._key(2))
        images = await self.people.ask("bartizan", "firmware", "list")
        self._claim(len(images) == 1, f"{len(images)} images are vetted")
        self.voice.fact(f"vetted: {images[0]['file_name']} {images[0]['version']} for {' '.join(images[0]['models'])}")

    async def rollout_stops_itself_and_is_resumed(self) -> None:
        """Roll out in two waves; one camera of the first refuses, the rollout stops, a person resumes it."""
        self.voice.step("The image rolls out in two waves; one camera will fail")
        start = ("rollout", "start", ROLLOUT, "--image", "digicap.dav", "--waves", "50,100")
        preview = await self.people.ask("bartizan", *start, "--dry-run")
        victim = preview["intent"]["waves"][0]["targets"][0]["device"]
        self._camera_of(victim).state.faults.add(Fault.REFUSES_IMAGE)
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
            running = self._camera_of(device).state.firmware
            self._claim(running == estate.NEW[0], f"{device} runs {running}")
        self.voice.fact(
            f"resumed and finished: {len(stages)} cameras run {estate.NEW[0]}, 1 failed and was left as it was"
        )
        await self._claim_recording()

    async def forgeries_are_refused(self) -> None:
        """Send a tampered catalogue and a loosening order with stolen keys; both are refused and reported."""
        self.voice.step("A thief with the controller's keys sends a tampered catalogue and a loosening order")
        for what, kind in (("catalogue", "catalogue.refused"), ("orders", "orders.refused")):
            thief = (str(self._programs / "python"), "-m", "bartizan_lab.demo.thief", str(self.folder / "controller"))
            sent = await command(self.live.network.controller, *thief, plan.CONTROLLER, str(MQTT_PORT), what)
            self._claim(sent.code == 0, f"the thief could not send: {sent.err}")
            await self._until(f"both gateways report {kind}", functools.partial(self._both_report, kind), 30)
            refused = (await self.people.ask("bartizan", "event", "list", "--kind", kind))[-1]["detail"]
            self.voice.fact(f"{kind}: {refused['code']}: {refused['reason']}")
        await self._until("everything is held as before", self._all_agree, 10)
        await self._claim_silence(self._contained_addresses())

    async def proof(self) -> None:
        """Print what is known and measured of each device."""
        await self._until("drops are reported", self._drops_are_reported, 30)
        devices = await self._devices()
        self.voice.step("Proof, device by device")
        states = sorted(devices.values(), key=lambda each: (each["site"], each["device"]["id"]))
        headings = ("site", "device", "maker", "firmware", "level", "dropped", "proof")
        self.voice.table([headings, *(self._proof_row(state) for state in states)])
        verified = await self.people.do("bartizan-controller", "audit", "verify", str(self.folder / "controller"))
        self.voice.fact(f"audit chain: {verified.strip().splitlines()[0]}")

    def _proof_row(self, state: Json) -> tuple[str, ...]:
        identity, posture = state["device"]["identity"], state["posture"]
        level = posture["enforced"]
        address = state["device"]["addresses"][0]
        if level in ("watch", None):
            proof = "not contained: no policy names it"
        else:
            proof = f"kernel holds {level}; last seen outside before {level} was enforced"
        self._claim(state["agrees"], f"{state['device']['id']} at {address} is not held as wanted")
        name = " ".join(filter(None, (identity["model"], address)))
        firmware = identity["firmware"]
        return (
            state["site"],
            name,
            identity["maker"] or "unknown",
            firmware,
            level,
            str(posture["dropped_packets"]),
            proof,
        )

    @property
    def _url(self) -> str:
        return f"https://{plan.CONTROLLER}:{API_PORT}"

    def _key(self, number: int) -> tuple[str, str]:
        return "--key", str(self.folder / "controller-offline-keys" / f"approver-{number}.pem")

    async def _log_in(self) -> bool:
        if not self.controller.is_running:
            raise Claim(f"the controller ended:\n{self.controller.tail()}")
        folder = self.folder / "controller"
        ca, root = folder / "keys" / "ca.pem", folder / "catalogue" / "metadata" / "1.root.json"
        done = await self.people.try_to(
            "bartizan",
            "login",
            self._url,
            "--token-file",
            str(folder / "admin.token"),
            "--ca",
            str(ca),
            "--root",
            str(root),
        )
        if done.code:
            return False
        return bool((await self.people.ask("bartizan", "status"))["broker_connected"])

    async def _enrol(self, site: SiteId, token: str) -> None:
        done = await self._agent_command(
            site, "enrol", self._url, "--token", token, "--interface", plan.CAMERA_INTERFACE
        )
        if done.code:
            raise Claim(f"the gateway of {site} could not enrol: {done.err}")
        gateway = self.live.sites[site].network.gateway
        arguments = (str(self._programs / "bartizan-agent"), *self._agent_options(site), "run")
        self.agents[site] = Program(f"agent of {site}", gateway, arguments, self.folder / f"{site}.log")

    async def _agent_command(self, site: SiteId, *arguments: str) -> Any:
        gateway = self.live.sites[site].network.gateway
        program = str(self._programs / "bartizan-agent")
        return await command(gateway, program, *self._agent_options(site), *arguments, seconds=30)

    def _agent_options(self, site: SiteId) -> tuple[str, ...]:
        return "--state", str(self.folder / site), "--config", str(self.folder / f"{site}.toml")

    async def _devices(self) -> dict[str, Json]:
        """Return the estate's devices by MAC."""
        states = await self.people.ask("bartizan", "device", "list")
        return {mac: state for state in states for mac in state["device"]["macs"]}

    async def _all_connected(self) -> bool:
        for agent in self.agents.values():
            if not agent.is_running:
                raise Claim(f"the {agent.name} ended:\n{agent.tail()}")
        done = await self.people.try_to("bartizan", "status", "--json")
        return done.code == 0 and '"gateways_connected": 2' in done.out

    async def _all_named(self, makers: set[str]) -> bool:
        devices = await self._devices()
        for site in estate.SITES:
            for camera in site.cameras:
                device = devices.get(camera.mac)
                if device is None:
                    return False
                identity, lineage = device["device"]["identity"], camera.kind.partition("-")[0]
                if lineage in makers and (identity["maker"] != lineage or not identity["firmware"]):
                    return False
        return True

    async def _all_have_called(self) -> bool:
        return all(self.live.cloud.received.total(address) for address in self._device_addresses())

    def _device_addresses(self) -> list[str]:
        return [str(site.camera(camera.number)) for site in estate.SITES for camera in site.cameras]

    def _contained_addresses(self) -> list[str]:
        """Devices that uk-hcws386 holds at some level, by the lab's own truth of who made them."""
        return [
            str(site.camera(camera.number))
            for site in estate.SITES
            for camera in site.cameras
            if camera.kind.partition("-")[0] in ("hikvision", "dahua")
        ]

    async def _all_agree(self) -> bool:
        devices = await self._devices()
        held = {state["device"]["addresses"][0]: state for state in devices.values()}
        contained = [held.get(address) for address in self._contained_addresses()]
        return all(state["agrees"] for state in devices.values()) and all(
            state is not None and state["posture"]["enforced"] not in (None, "watch") for state in contained
        )

    async def _claim_silence(self, addresses: list[str]) -> None:
        before = {address: self.live.cloud.received.total(address) for address in addresses}
        core_before = {address: self.live.server.received.total(address) for address in addresses}
        await asyncio.sleep(WATCHED_SECONDS)
        leaked = [address for address in addresses if self.live.cloud.received.total(address) != before[address]]
        self._claim(not leaked, f"reached the internet: {', '.join(leaked)}")
        sensitive = [address for address in addresses if address.startswith("10.91.")]
        touched = [address for address in sensitive if self.live.server.received.total(address) != core_before[address]]
        self._claim(not touched, f"reached the core network from the sensitive site: {', '.join(touched)}")
        self.voice.fact(f"0 calls arrived outside from {len(addresses)} cameras, 0 in the core from the sensitive site")

    async def _claim_recording(self) -> None:
        await self._until("recorders receive every stream", self._all_recorded, 30)
        streams = sum(len(site.recorder.recordings) for site in self.live.sites.values() if site.recorder)
        self.voice.fact(f"recorders receive all {streams} streams")

    async def _all_recorded(self) -> bool:
        recorders = [site.recorder for site in self.live.sites.values() if site.recorder]
        return all(recorder.is_receiving(name) for recorder in recorders for name in recorder.recordings)

    async def _has_tried(self, camera: Camera) -> bool:
        return camera.calls.tcp_attempts >= 3 and camera.calls.udp_attempts >= 3

    async def _newcomer_is_known(self) -> bool:
        return estate.NEWCOMER.mac in await self._devices()

    async def _both_report(self, kind: str) -> bool:
        events = await self.people.ask("bartizan", "event", "list", "--kind", kind)
        return {event["site"] for event in events} >= {site.id for site in estate.SITES}

    async def _drops_are_reported(self) -> bool:
        held = {state["device"]["addresses"][0]: state for state in (await self._devices()).values()}
        return all(held[address]["posture"]["dropped_packets"] > 0 for address in self._contained_addresses())

    def _camera_of(self, device: str) -> Camera:
        for site in self.live.sites.values():
            for camera in site.cameras.values():
                if camera.state.serial.lower() in device.lower():
                    return camera
        raise Claim(f"no camera of the lab has the serial number in {device!r}")

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not await condition():  # noqa: ASYNC110 - other programs are asked, they cannot set an event
                    await asyncio.sleep(0.2)
        except TimeoutError:
            logs = "\n".join(f"--- {each.name}\n{each.tail()}" for each in (self.controller, *self.agents.values()))
            raise Claim(f"after {seconds:.0f} s it is still not so that {what}\n{logs}") from None

    def _claim(self, true: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
        if not true:
            raise Claim(otherwise)
