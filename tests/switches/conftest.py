"""A gateway, a managed switch with Debian's snmpd in it, and cameras plugged into that, in a namespace each."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bartizan.ids import Address, Mac
from bartizan_agent.switches.client import Session
from bartizan_agent.switches.settings import Secret, SwitchSettings
from bartizan_lab.netns import Namespace, until_up, veth
from bartizan_lab.switch.managed import AUTHENTICATION, PRIVACY, USER, ManagedSwitch

SWITCH = Address("10.191.0.2")
SECRET = Secret(user=USER, authentication=AUTHENTICATION, privacy=PRIVACY)
GATEWAY_MAC = Mac("02:00:00:00:00:01")
V3 = ("-v3", "-l", "authPriv", "-u", USER, "-a", "SHA-256", "-A", AUTHENTICATION, "-x", "AES", "-X", PRIVACY, SWITCH)
START_SECONDS = 10.0


class SwitchedSite:
    """`uplink` of the switch leads to the gateway's `cam0`, `iso0` to its `cam1`; `mgmt0` is no port."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack = stack
        self.folder = folder
        self.gateway = stack.enter_context(Namespace("gw"))
        switch = stack.enter_context(Namespace("sw"))
        switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        self.cameras: dict[str, Namespace] = {}
        for own, there in (("mgmt0", "mgmt0"), ("cam0", "uplink"), ("cam1", "iso0")):
            veth(self.gateway, own, switch, there)
            switch.ip(f"link set {there} up")
        self.gateway.ip(
            "address add 10.191.0.1/24 dev mgmt0",
            "link set mgmt0 up",
            f"link set cam0 address {GATEWAY_MAC} up",
            "address add 10.9.0.1/24 dev cam0",
            "link set cam1 up",
        )
        switch.ip(f"address add {SWITCH}/24 dev mgmt0")
        self.switch = ManagedSwitch(switch, folder / "switch", SWITCH)

    def plug_in(self, name: str, number: int, *, port: int | None = None) -> Mac:
        """Add a camera, 10.9.0.(10+number), in the switch's port `p<number>`; return its MAC."""
        host = self.cameras[name] = self._stack.enter_context(Namespace(name))
        there = f"p{number if port is None else port}"
        veth(self.switch.namespace, there, host, "eth0")
        self.switch.namespace.ip(f"link set {there} up")
        mac = Mac(f"02:00:00:00:01:{number:02x}")
        host.ip(f"link set eth0 address {mac} up", f"address add 10.9.0.{10 + number}/24 dev eth0")
        self._until_passing(host, there)
        return mac

    def move(self, name: str, number: int, *, to: int) -> None:
        """Pull a camera's cable out of its port, and put it into a new one. The old port has no link then."""
        host = self.cameras[name]
        there = f"p{to}"
        mac = f"02:00:00:00:01:{number:02x}"
        host.ip("link set eth0 down", "link set eth0 name old0")
        veth(self.switch.namespace, there, host, "eth0")
        self.switch.namespace.ip(f"link set {there} up")
        host.ip(
            "address flush dev old0", f"link set eth0 address {mac} up", f"address add 10.9.0.{10 + number}/24 dev eth0"
        )
        self._until_passing(host, there)
        self.switch.notice_ports()

    def _until_passing(self, host: Namespace, port: str) -> None:
        until_up(host, "eth0")
        until_up(self.switch.namespace, port)

    async def start(self, **quirks: str) -> None:
        """Start the switch's agent, and wait until it answers."""
        self.switch.set_up(**quirks)
        await self.switch.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.reaches_agent():
            assert time.monotonic() < deadline, self.switch.agent.tail()
            await asyncio.sleep(0.1)

    def reaches_agent(self) -> bool:
        """Whether the agent answers an independent client."""
        try:
            self.snmp("snmpget", "1.3.6.1.2.1.1.1.0", options=("-r", "0", "-t", "0.5"))
        except RuntimeError:
            return False
        return True

    def snmp(self, program: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """Run one of Debian's SNMP programs on the gateway."""
        return self.gateway.run(program, "-On", *options, *V3, *arguments)

    def speak(self) -> None:
        """Have every camera say something, so that the switch learns where it is."""
        for camera in self.cameras.values():
            with contextlib.suppress(RuntimeError):
                camera.run("ping", "-c1", "-W1", "10.9.0.1")

    def reaches(self, one: str, other: str) -> bool:
        """Whether a camera reaches another one or an address, on ARP alone if need be."""
        host = self.cameras[one]
        address = other if other[0].isdigit() else self._address(other)
        host.ip("neighbour flush dev eth0")  # one that just failed is asked for again only a second later
        try:
            host.run("ping", "-c2", "-i0.1", "-W1", address)
        except RuntimeError:
            return False
        return True

    @contextlib.asynccontextmanager
    async def session(self, settings: SwitchSettings, secret: Secret = SECRET) -> AsyncIterator[Session]:
        """Speak to a switch from the gateway."""
        async with Session(settings, secret) as session:
            yield session

    def _address(self, name: str) -> str:
        text = self.cameras[name].run("ip", "-brief", "address", "show", "dev", "eth0")
        return text.split()[2].partition("/")[0]


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[SwitchedSite]:
    with contextlib.ExitStack() as stack:
        made = SwitchedSite(stack, tmp_path)
        stack.enter_context(made.gateway.entered())  # the test is a process of the gateway
        try:
            yield made
        finally:
            await made.switch.agent.stop()


def settings(**changes: object) -> SwitchSettings:
    """Settings of the site's switch, impatient."""
    chosen: dict[str, object] = {
        "name": "sw1",
        "address": SWITCH,
        "secret_file": "unused",
        "vlans": (666, 667),
        "untouched": ("uplink", "iso0"),
        "answer_seconds": 1.0,
        "round_seconds": 20.0,
        **changes,
    }
    return SwitchSettings(**chosen)  # type: ignore[arg-type]
