"""Two sites whose plugs can be pulled, one behind a router and one behind a bridge, and what leaves them meanwhile."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from bartizan.ids import Address, Mac, SiteId
from bartizan_lab.cameras.state import Timings
from bartizan_lab.netns import Namespace
from bartizan_lab.network import HostNetwork
from bartizan_lab.programs import command
from bartizan_lab.site import plan
from bartizan_lab.site.live import CLOUD_PORT
from bartizan_lab.site.network import DEVICE_INTERFACE, SiteNetwork
from bartizan_lab.site.plan import CameraPlan, SitePlan
from tests.e2e.deployment import ROOT, Deployment, Json, standing
from tests.e2e.escapes import Escape, Sender, escapes
from tests.e2e.estates import addresses, camera, credential_document, site, site_document
from tests.e2e.machines import MEBIBYTE, Clock, SmallDisk, small_disk
from tests.e2e.sniffer import Packet, Sniffer

EVERYTHING = ("0.0.0.0/0", "::/0")
ESCAPED = (ip_network("203.0.113.96/27"), ip_network("2001:db8:113::100/120"))
ELSEWHERE = tuple(map(ip_network, ("10.80.0.0/24", "fd00:80::/64", "203.0.113.0/24", "2001:db8:113::/64", "fe80::/10")))
HOOKS = 1024
"""As many can be at one place in the kernel (MAX_HOOK_COUNT)."""
STRANGER = Mac("06:11:22:33:44:55")
TALK_SECONDS = 0.005
REPAIR_SECONDS = 3.0
"""Within this a table that somebody flushed is there again."""


def _site(name: str, number: int) -> SitePlan:
    kinds = (("gate", "hikvision"), ("yard", "dahua"), ("lobby", "axis"))
    return site(name, number, *(camera(name, kind, place) for place, (name, kind) in enumerate(kinds)))


HARBOUR = _site("harbour", 1)
MARINA = dataclasses.replace(_site("marina", 2), bridged=True)
PLACES = (HARBOUR, MARINA)


@dataclass(frozen=True)
class Pause:
    """A time in which a site was open, as is to be expected: Unix seconds."""

    site: SiteId
    began: float
    ended: float


class Talker(threading.Thread):
    """Somebody who sends datagrams to the Internet all the time, in both families."""

    def __init__(self, place: HostNetwork) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._ways = (
            (place.udp_client(), (plan.INTERNET, CLOUD_PORT)),
            (place.udp_client(family=socket.AF_INET6), (plan.INTERNET6, CLOUD_PORT)),
        )
        self.sent = 0

    def run(self) -> None:
        """Talk until stopped."""
        while not self._over.wait(TALK_SECONDS):
            for sock, where in self._ways:
                with contextlib.suppress(OSError):  # the gateway is away: the next one, then
                    sock.sendto(b"here I am", where)
                    self.sent += 1

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()
        for sock, _ in self._ways:
            sock.close()


@dataclass
class Plugs:
    """The deployment, what can be pulled out of it, and what the cables saw."""

    deployment: Deployment
    disk: SmallDisk
    """Of the harbour's gateway."""
    clock: Clock
    """The same gateway's."""
    pauses: list[Pause] = field(default_factory=list)
    got_out_before: dict[SiteId, set[str]] = field(default_factory=dict)
    """What got out by which trick before there was a policy."""
    talkers: dict[SiteId, Talker] = field(default_factory=dict)
    newcomers: list[tuple[SitePlan, CameraPlan]] = field(default_factory=list)
    _taps: dict[SiteId, list[Sniffer]] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    async def prepare(self) -> None:
        """Let everybody talk, watch that it is heard outside, then enrol both sites and publish policy."""
        deployment = self.deployment
        for place in PLACES:
            self._taps[place.id] = []
            self._tap(place)
            talker = self.talkers[place.id] = Talker(self.network(place).camera_network(place.cameras[0]))
            self._stack.callback(talker.stop)
            talker.start()
        for place in PLACES:
            self.got_out_before[place.id] = await self.try_everything(place)
        await asyncio.gather(*(deployment.enrol_site(place.id) for place in PLACES))
        deployment.installation.environments[HARBOUR.id] = self.clock.environment
        for place in PLACES:  # a test that falls into a flush finds the site open, and says so: one by one here
            deployment.configure(place.id, self_test_seconds=0)
        deployment.configure(MARINA.id, topology='"bridge"')
        for place in PLACES:
            await deployment.installation.start_agent(place.id)
        for place in PLACES:
            await deployment.until("it is connected", functools.partial(deployment.is_connected, place.id), 60)
            await deployment.set_passwords(place.id, credential_document())
        await self.publish_sites()
        await deployment.until("all are held", self.are_held, 60)

    async def publish_sites(self) -> None:
        """Publish what the cameras are held by."""
        sites = self.deployment.folder / "sites.yaml"
        documents = [site_document(place, "isolate") for place in PLACES]
        sites.write_text(documents[0] + documents[1].partition("\n")[2], encoding="utf-8")
        await self.deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)

    def held(self, place: SitePlan) -> list[CameraPlan]:
        """Return the devices of a site that policy holds."""
        plugged_in = [each for where, each in self.newcomers if where is place]
        return [*(each for each in place.cameras if each.kind != "axis"), *plugged_in]

    async def are_held(self) -> bool:
        """Whether the kernels were measured to hold all that policy holds."""
        cameras = [each for place in PLACES for each in self.held(place)]
        return await self.deployment.is_enforced(cameras, "isolate")

    async def is_well(self) -> bool:
        """Whether all is as it was: agents that run and are heard, nothing that waits, everybody held."""
        deployment = self.deployment
        for place in PLACES:
            if not await deployment.is_connected(place.id) or deployment.waiting(place.id):
                return False
            posture = (await deployment.ask(f"sites/{place.id}/posture"))["posture"]
            if not self.table(place) or posture["released"]:
                return False
        return await self.are_held()

    async def is_full(self) -> bool:
        """Whether the controller knows that the harbour's gateway can keep nothing."""
        return bool((await self.deployment.ask(f"sites/{HARBOUR.id}/posture"))["posture"]["disk_full"])

    async def has_room_again(self) -> bool:
        """Whether the controller knows that the harbour can write again. An agent that ended for it is begun anew."""
        if not self.deployment.agents[HARBOUR.id].is_running:  # as its service manager would do
            await self.deployment.installation.start_agent(HARBOUR.id)
        return not await self.is_full()

    # What goes on.

    def gateway(self, place: SitePlan) -> Namespace:
        """Return a site's gateway as it is now."""
        return self.network(place).gateway

    def table(self, place: SitePlan) -> str:
        """Return the rules of ours that a gateway's kernel holds; nothing where they are gone."""
        family = "bridge" if place.bridged else "inet"
        try:
            text = self.gateway(place).run("nft", "--stateless", "list", "table", family, "bartizan")
        except RuntimeError:
            return ""
        # Elements come and go with what is found of devices; whether these are held is measured.
        return "".join(re.findall(r"\tchain (?!digest_)\w+ \{.*?\n\t\}\n", text, flags=re.DOTALL))

    async def status(self, place: SitePlan) -> str:
        """Return what an operator at the gateway is told."""
        done = await self.deployment.installation.on_gateway(place.id, "status")
        return done.out + done.err

    @contextlib.asynccontextmanager
    async def says(self, kind: str, place: SitePlan, seconds: float = 30.0, **detail: str) -> AsyncIterator[None]:
        """Have the controller know, some time after the block, of a new event with such words in its detail."""
        before = len(await self.deployment.events(kind, place.id))

        async def is_said() -> bool:
            new: list[Json] = (await self.deployment.events(kind, place.id))[before:]
            return any(all(words in event["detail"][name] for name, words in detail.items()) for event in new)

        yield
        await self.deployment.until(f"{place.id} says {kind} {detail}", is_said, seconds)

    async def is_talked(self, place: SitePlan, packets: int = 50) -> None:
        """Wait until a held camera has tried so often to get out."""
        talker = self.talkers[place.id]
        enough = talker.sent + packets
        await self.deployment.until("it has talked", lambda: talker.sent >= enough, 20, poll=0.02)

    async def try_everything(self, place: SitePlan) -> set[str]:
        """Have the camera at the gate try every trick three times; return which got out."""
        began, tricks = time.time(), self.tricks(place)
        with self.network(place).camera_network(place.cameras[0]).new_socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((DEVICE_INTERFACE, 0))
            for _ in range(3):
                for each in tricks:
                    wire.send(each.frame)
                await asyncio.sleep(0.1)
        await self.is_talked(place)
        seen = {packet.destination for packet in self._passed(place, began)}
        return {each.name for each in tricks if each.destination in seen}

    def tricks(self, place: SitePlan) -> tuple[Escape, ...]:
        """Return what the camera at the gate can try."""
        gate, _, lobby = place.cameras
        own, other = self._sender(place, gate), self._sender(place, lobby)
        return escapes(own, other, STRANGER)

    async def pings(self, place: SitePlan, device: CameraPlan) -> None:
        """Have a device ask the Internet for an answer, some times."""
        host = self.network(place).camera_host(device)
        await command(host, "ping", "-c", "5", "-i", "0.2", "-W", "1", plan.INTERNET)

    async def look_again(self, place: SitePlan) -> None:
        """Ask for a scan: behind a bridge newcomers have no business with the gateway, and are found by the next."""
        await self.deployment.people.do("bartizan", "site", "scan", place.id)

    # Pulling plugs.

    async def restart(self, place: SitePlan) -> None:
        """Start an agent that has ended."""
        await self.deployment.installation.start_agent(place.id)
        await self.deployment.until("it is back", lambda: self.deployment.is_connected(place.id), 40)

    def crowd(self, place: SitePlan) -> None:
        """Have another tool take every place but one where packets can be judged: none is left to exchange a table."""
        family, hook = "bridge" if place.bridged else "inet", "type filter hook forward priority 0; policy accept;"
        for hooks in range(HOOKS - 1, HOOKS - 8, -1):
            chains = "".join(f"chain c{number} {{ {hook} }}\n" for number in range(hooks))
            with contextlib.suppress(RuntimeError):  # the kernel's own take some of them
                self.gateway(place).run("nft", "-f", "-", text_in=f"table {family} crowd {{\n{chains}}}\n")
                return
        raise AssertionError("the kernel takes no crowd")

    def upgraded(self, version: str) -> Path:
        """Return a folder with a copy of the agent that says it is of another version."""
        folder = self.deployment.folder / version
        package = folder / "bartizan_agent"
        for file in (ROOT / "agent" / "bartizan_agent").rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                copy = package / file.relative_to(ROOT / "agent" / "bartizan_agent")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        (package / "__init__.py").write_text(f'"""Another version."""\n\n__version__ = "{version}"\n', encoding="utf-8")
        return folder

    # What left.

    def leaks(self, place: SitePlan, since: float, until: float = float("inf")) -> list[Packet]:
        """Return what left a site by its uplink and no policy lets through, oldest first."""
        leaked = [packet for packet in self._passed(place, since) if self._is_leak(place, packet)]
        return sorted((packet for packet in leaked if packet.at <= until), key=lambda packet: packet.at)

    def unexcused(self, since: float) -> list[str]:
        """Return the leaks of all sites outside the pauses, for people."""
        return [
            f"{place.id}: {packet}"
            for place in PLACES
            for packet in self.leaks(place, since)
            if not any(pause.site == place.id and pause.began <= packet.at <= pause.ended for pause in self.pauses)
        ]

    def close(self) -> None:
        """Stop talking and watching."""
        self._stack.close()

    def network(self, place: SitePlan) -> SiteNetwork:
        """Return the cables of a site."""
        return self.deployment.live.sites[place.id].network

    def _tap(self, place: SitePlan) -> None:
        tap = Sniffer(self.gateway(place), plan.UPLINK_INTERFACE, EVERYTHING)
        self._taps[place.id].append(self._stack.enter_context(tap))

    def _passed(self, place: SitePlan, since: float) -> list[Packet]:
        return [packet for tap in self._taps[place.id] for packet in tap.since(since)]

    def _is_leak(self, place: SitePlan, packet: Packet) -> bool:
        source, destination = ip_address(packet.source), ip_address(packet.destination)
        if any(destination in each for each in ESCAPED):
            return True
        if packet.source in addresses(place, place.cameras[-1]) or any(source in each for each in ELSEWHERE):
            return False
        return not place.bridged or not {packet.source, packet.destination}.intersection(_beside(place))

    def _sender(self, place: SitePlan, device: CameraPlan) -> Sender:
        address, address6 = addresses(place, device)
        return Sender(device.mac, Address(address), Address(address6), self._router_mac(place))

    def _router_mac(self, place: SitePlan) -> Mac:
        host, port = (self.network(place).router, "lan0") if place.bridged else (self.gateway(place), "cam0")
        (link,) = json.loads(host.run("ip", "-json", "link", "show", "dev", port))
        return Mac(link["address"])


def _beside(place: SitePlan) -> Iterable[str]:
    """Return whom held cameras behind a bridge may speak with: its recorder, and the router for what the link needs."""
    inside, beyond = place.prefix6(1), place.prefix6(2)
    yield from (place.recorder, f"{beyond}::10", place.gateway(1), f"{inside}::1", "ff02::1:ff00:1", place.own)


@contextlib.contextmanager
def _closing(plugs: Plugs) -> Iterator[Plugs]:
    try:
        yield plugs
    finally:
        plugs.close()


@contextlib.asynccontextmanager
async def plugged_in(folder: Path) -> AsyncIterator[Plugs]:
    """Build both sites, and take them away afterwards."""
    with small_disk(folder / HARBOUR.id, 96 * MEBIBYTE) as disk:
        async with standing(folder, PLACES, Timings(phone_home_seconds=0.5)) as deployment:
            with _closing(Plugs(deployment, disk, Clock(folder / "time"))) as plugs:
                await plugs.prepare()
                yield plugs
