"""What a gateway's agent uses up while nothing happens, with 200 cameras known, contained and logged in to.

The product is `bartizan-agent run` on a gateway in network namespaces, its controller and broker across the network;
the floor is `mosquitto_sub` on the same gateway, over the same mutual TLS, in the same minutes. Wake-ups are voluntary
context switches of all threads, as /proc/PID/task/*/status counts them; processor time is that of schedstat beside it.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

from bartizan.ids import Mac, SiteId, mac
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.places import Places
from bartizan_lab.cameras import Timings, make
from bartizan_lab.cameras.living import living
from bartizan_lab.cameras.registry import BLUEPRINTS
from bartizan_lab.demo import estate
from bartizan_lab.demo.installation import MQTT_PORT, Installation
from bartizan_lab.programs import Program
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate, LiveSite
from bartizan_lab.site.network import EstateNetwork
from bartizan_lab.site.plan import CameraPlan, SitePlan
from bench import agent_alone
from bench.floor import Goal, Result, report
from bench.memory_use import MemoryUse, highest_with_children

SITE = SiteId("idle")
MIX = {"hikvision": 110, "dahua": 50, "axis": 40}
DEVICES = sum(MIX.values())
WINDOW_SECONDS = 300.0
"""Of both at once. It holds one reading of the counters while nothing moves, as `evidence_seconds_idle` has it."""
SCAN_SECONDS = 20.0
"""Longer than a full look at 200 devices and what follows from it."""
SETTLE_SECONDS = 330.0
"""After the last change the counters are read less and less often, until `evidence_seconds_idle` apart: 5 s, 10 s and
so on to 160 s, which is this long together. The self-test that follows each change is over by then, too."""
START_SECONDS = 120.0
POLICY = Path(__file__).parents[1] / "policies" / "uk-hcws386.yaml"
LIMIT = Goal("value", at_most=64)
"""MB of a million octets, of all that the agent ever takes."""
WANTED = Goal("value", at_most=48)


class Usage(NamedTuple):
    """What a process has used up so far."""

    wakeups: int
    processor_seconds: float
    at: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        threads = list(Path("/proc", str(pid), "task").iterdir())
        wakeups = sum(_status(thread)["voluntary_ctxt_switches"] for thread in threads)
        nanoseconds = sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads)
        return cls(wakeups, nanoseconds / 1e9, time.monotonic())

    def since(self, before: "Usage") -> tuple[float, float]:
        """Return wake-ups per second and per cent of one processor since then."""
        seconds = self.at - before.at
        return (
            (self.wakeups - before.wakeups) / seconds,
            100 * (self.processor_seconds - before.processor_seconds) / seconds,
        )


class Figures(NamedTuple):
    """What was measured of one program and of the floor beside it."""

    ours: tuple[float, float]
    """Wake-ups per second, and per cent of a processor."""
    bare: tuple[float, float]
    memory: tuple[MemoryUse, MemoryUse]
    with_children: float
    """The most that the program took together with children, Pss."""
    scan_seconds: float


def measure() -> Iterator[Result]:
    """Measure after a full look, while the link is up and all cameras are known and silent."""
    cameras = tuple(_cameras())
    site = SitePlan(SITE, 1, cameras)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-idle-")))
        network = stack.enter_context(EstateNetwork((site,)))
        devices = [make(camera.kind, number=camera.number, mac=camera.mac) for camera in cameras]
        places = [network.sites[0].camera_network(camera) for camera in cameras]
        stack.enter_context(living(list(zip(devices, places, strict=True))))
        figures = asyncio.run(_measure(network, folder))
    yield from _results(figures)


def _results(figures: Figures) -> Iterator[Result]:
    name = f"idle agent, {DEVICES} devices"
    (wakeups, processor), (bare_wakeups, bare_processor) = figures.ours, figures.bare
    yield Result(f"{name}: wake-ups", wakeups, "/s", bare_wakeups, Goal("value", at_most=0.5))
    yield Result(f"{name}: processor", processor, "%", bare_processor, Goal("value", at_most=0.008))
    memory, bare_memory = figures.memory
    for what, measured, floor, goal in (
        ("memory (RSS)", memory.resident, bare_memory.resident, LIMIT),
        ("memory, highest since its start", memory.highest, bare_memory.highest, LIMIT),
        ("memory, shared pages in parts (PSS)", memory.proportional, bare_memory.proportional, WANTED),
        ("memory, private", memory.private, bare_memory.private, None),
        ("memory, highest with its children (PSS)", figures.with_children, None, LIMIT),
    ):
        yield Result(f"{name}: {what}", measured, "MB", floor, goal)
    yield Result(f"a full look at {DEVICES} devices: processor", figures.scan_seconds, "s")


def _cameras() -> Iterator[CameraPlan]:
    number = 0
    for kind, count in MIX.items():
        for _ in range(count):
            address = mac(f"{BLUEPRINTS[kind].oui}:00:09:{number:02x}")
            yield CameraPlan(f"{kind}-{number}", kind, number, address)
            number += 1


async def _measure(network: EstateNetwork, folder: Path) -> Figures:
    async with asyncio.TaskGroup() as tasks:
        living_elsewhere = LiveEstate(network, tasks, Timings())
        living_elsewhere.sites[SITE] = LiveSite(network.sites[0])
        installed = Installation(living_elsewhere, folder, Path(sys.executable).parent)
        floor = _floor(installed)
        families: list[float] = []
        try:
            await _enrol(installed)
            agent = await _start_agent(installed)
            watching = tasks.create_task(highest_with_children(agent.pid, families))
            await _contain_all(installed)
            await _meet_all(installed)
            await floor.start()
            scan_seconds = await _scan(installed, agent)
            await asyncio.sleep(SETTLE_SECONDS)
            watching.cancel()
            ours, bare = await _window(agent.pid, floor.pid)
            memory = MemoryUse.of(agent.pid), MemoryUse.of(floor.pid)
            return Figures(ours, bare, memory, max(families, default=0.0), scan_seconds)
        finally:
            await floor.stop()
            await installed.stop()


async def _enrol(installed: Installation) -> None:
    people = installed.people
    await installed.found()
    await installed.controller.start()
    await _until("the controller answers", installed.log_in)
    await people.do("bartizan", "site", "add", SITE, "--organisation", estate.ORGANISATION)
    token = (await people.do("bartizan", "site", "token", SITE)).strip()
    enrolled = await installed.enrol(SITE, token)
    if enrolled.code:
        raise RuntimeError(f"the gateway could not enrol: {enrolled.err}")


async def _contain_all(installed: Installation) -> None:
    """Bring the gateway to where it has nothing left to do: policy in force, every camera asked."""
    people, folder = installed.people, installed.folder
    passwords, sites = folder / "cameras.toml", folder / "sites.yaml"
    passwords.write_text(estate.credential_document(), encoding="utf-8")
    sites.write_text(_site_document(installed.live.network.sites[0].plan), encoding="utf-8")
    await people.do("bartizan", "credentials", "set", SITE, str(passwords))
    signed = await people.ask("bartizan", "policy", "sign", str(POLICY), str(sites), *installed.key(1))
    await people.do("bartizan", "policy", "sign", "--change", signed["change"], "--yes", *installed.key(2))
    await people.do("bartizan", "policy", "publish", signed["change"])

    async def all_held() -> bool:
        states = await people.ask("bartizan", "device", "list")
        return len(states) == DEVICES and all(_is_done(state) for state in states)

    await _until(f"all {DEVICES} devices are named and held", all_held)


async def _meet_all(installed: Installation) -> None:
    """Have the gateway know every camera's IPv6 address, too: one first seen in the window would be news in it."""
    site = installed.live.network.sites[0]
    for camera in site.plan.cameras:
        await asyncio.to_thread(
            site.gateway.run, "ping", "-c", "1", f"{_link_local(camera.mac)}%{plan.CAMERA_INTERFACE}"
        )

    async def all_met() -> bool:
        states = await installed.people.ask("bartizan", "device", "list")
        return all(any(":" in address for address in state["device"]["addresses"]) for state in states)

    await _until("an IPv6 address of every device is known", all_met)


def _link_local(mac: Mac) -> str:
    """Return the link-local address that a kernel makes of a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + identifier))


async def _start_agent(installed: Installation) -> Program:
    alone, folder = installed.folder / "alone", installed.folder
    alone.mkdir()
    options = (f"--state={folder / SITE}", f"--config={folder / SITE}.toml")
    environment = agent_alone.installed(alone)
    program = (*agent_alone.agent(alone), *options, "run")
    gateway = installed.live.network.sites[0].gateway
    agent = Program("agent", gateway, program, folder / f"{SITE}.log", environment)
    installed.agents[SITE] = agent
    await agent.start()
    return agent


def _is_done(state: dict[str, Any]) -> bool:
    posture = state["posture"]
    is_held = posture and posture["wanted"] == posture["enforced"]
    return bool(is_held and state["device"]["identity"]["firmware"])


def _site_document(site: SitePlan) -> str:
    return f"""sites:
  - site: {SITE}
    organisation: {estate.ORGANISATION}
    sensitivity: sensitive
    estate-networks: [{", ".join(plan.ESTATE_NETWORKS)}]
    recorders: ["{site.recorder}"]
    segments:
      - interface: {plan.CAMERA_INTERFACE}
        zone: cameras
        default-level: isolate
"""


def _floor(installed: Installation) -> Program:
    keys = IdentityKeys(Places(installed.folder / SITE).keys)
    credentials = ("--cafile", str(keys.ca_file), "--cert", str(keys.certificate_file), "--key", str(keys.tls_key_file))
    return Program(
        "floor",
        installed.live.network.sites[0].gateway,
        (
            "mosquitto_sub",
            *("-h", plan.CONTROLLER, "-p", str(MQTT_PORT), "-V", "mqttv5", "-i", "floor", "-k", "60", "-q", "1"),
            *credentials,
            *("-t", f"bz/1/site/{SITE}/down"),
        ),
        installed.folder / "floor.log",
    )


async def _scan(installed: Installation, agent: Program) -> float:
    """Order a full look, and return the processor seconds that it took."""
    before = Usage.of(agent.pid)
    await installed.people.do("bartizan", "site", "scan", SITE)
    await asyncio.sleep(SCAN_SECONDS)
    return Usage.of(agent.pid).processor_seconds - before.processor_seconds


async def _window(pid: int, floor: int) -> tuple[tuple[float, float], tuple[float, float]]:
    before, bare_before = Usage.of(pid), Usage.of(floor)
    await asyncio.sleep(WINDOW_SECONDS)
    return Usage.of(pid).since(before), Usage.of(floor).since(bare_before)


def _status(folder: Path) -> dict[str, int]:
    lines = (line.split() for line in (folder / "status").read_text(encoding="utf-8").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


async def _until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await condition():  # noqa: ASYNC110 - other programs are asked, they cannot set an event
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise TimeoutError(f"after {START_SECONDS:g} s it is still not so that {what}") from None


if __name__ == "__main__":
    report(measure)
