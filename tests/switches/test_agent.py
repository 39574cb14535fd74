"""The agent itself at a managed switch: from the first sight of a camera to `release --all`, and killed on the way."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bartizan.ids import SiteId
from bartizan.wire import codec, events
from bartizan.wire.up import Event
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Limits, SegmentSettings, Settings, render
from bartizan_agent.switches.journal import Journal, read
from bartizan_lab.programs import Finished, Program, command
from bartizan_lab.switch.managed import AUTHENTICATION, PRIVACY, USER
from tests.switches.conftest import SwitchedSite, settings

pytestmark = pytest.mark.netns

PATIENCE_SECONDS = 60.0
GATE, YARD = "02:00:00:00:01:00", "02:00:00:00:01:01"
RELEASE = ("release", "--all", "--by", "duty officer", "--reason", "the gate camera is needed")


@dataclass
class Gateway:
    """A site with two cameras on one managed switch; its agent isolates strangers, for it has no catalogue."""

    site: SwitchedSite
    agent: Program

    @property
    def places(self) -> Places:
        return Places(self.site.folder / "state")

    @property
    def journal(self) -> Journal:
        return read(self.places.switches)

    async def do(self, *arguments: str) -> Finished:
        return await command(self.site.gateway, *words(self.site.folder), *arguments)

    async def answer(self, *arguments: str) -> dict[str, Any]:
        return msgspec.json.decode((await self.do(*arguments, "--json")).out, type=dict[str, Any])

    async def is_held(self, count: int) -> bool:
        """Whether so many devices are held by the switch, as the agent read back last."""
        self.site.speak()
        status = await self.answer("status")
        return len(status.get("switch_ports", ())) == count

    def told(self, kind: str) -> list[dict[str, str]]:
        """What waits for the controller."""
        with closing(sqlite3.connect(f"{self.places.store.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            rows = connection.execute("SELECT event FROM outbox ORDER BY boot_number, sequence").fetchall()
        return [each.detail for (row,) in rows if (each := codec.decode(row, Event)).kind == kind]

    async def until(self, what: str, condition: Callable[[], Awaitable[bool] | bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    answer = condition()
                    if answer if isinstance(answer, bool) else await answer:
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"it is never so that {what}\n{self.agent.tail(40)}") from None


@pytest_asyncio.fixture
async def gateway(site: SwitchedSite) -> AsyncIterator[Gateway]:
    for number, name in enumerate(("gate", "yard")):
        site.plug_in(name, number)
    await site.start()
    configure(site.folder)
    program = Program("agent", site.gateway, (*words(site.folder), "run"), site.folder / "agent.log")
    try:
        yield Gateway(site, program)
    finally:
        await program.stop()


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    """Run the agent until left, from when it answers."""
    await gateway.agent.start()
    try:
        await gateway.until("it runs", gateway.places.wake.exists)
        yield
    finally:
        await gateway.agent.stop()


async def test_cameras_of_one_switch_are_kept_apart_until_they_are_released(gateway: Gateway) -> None:
    site = gateway.site
    assert site.reaches("gate", "yard")
    async with running(gateway):
        await gateway.until("both are held", lambda: gateway.is_held(2))
        assert not site.reaches("gate", "yard")
        assert not site.reaches("yard", "gate")
        explained = await gateway.do("explain", GATE)
        assert "enforced by switch sw1 port p0 (vlan 66" in explained.out
        asked = await gateway.do("switches")
        assert "sw1 at 10.191.0.2: answers" in asked.out
        assert "as it should be" in asked.out
        assert "switches    2 devices held, read back" in (await gateway.do("status")).out

        released = await gateway.answer(*RELEASE)
        assert released["switches"] == ["No port of a managed switch is held any more."]
        assert site.reaches("gate", "yard")
        await gateway.do("contain")
        await gateway.until("both are held again", lambda: gateway.is_held(2))
        assert not site.reaches("gate", "yard")
        assert len(gateway.told(events.SWITCH_PORT_RESTORED)) == 2

        await site.switch.agent.kill()
        await gateway.until("it is told", lambda: len(gateway.told(events.SWITCH_FAILED)) == 1)
        status = await gateway.answer("status")
        assert status["switch_ports"] == []
        assert any("switch sw1: no answer from 10.191.0.2" in trouble for trouble in status["troubles"])
        asked = await gateway.do("switches")
        assert (asked.code, "no answer" in asked.out) == (1, True)
        assert not site.reaches("gate", "yard")
    stuck = await gateway.do(*RELEASE)
    assert (stuck.code, stuck.out.count("Still held, the agent tries again: switch sw1 port p")) == (4, 2)
    await site.start()

    alone = await gateway.do(*RELEASE)
    assert "No port of a managed switch is held any more." in alone.out
    assert site.reaches("gate", "yard")
    assert gateway.journal == Journal()


async def test_an_agent_that_is_killed_while_it_sets_a_switch_finishes_when_it_comes_back(gateway: Gateway) -> None:
    site = gateway.site
    state = site.switch.state()
    state.quirks = {"slow": "0.03"}
    site.switch.change(state)
    factory = site.switch.state()
    await gateway.agent.start()

    def is_half_done() -> bool:
        site.speak()
        return site.switch.state().vlans.keys() != factory.vlans.keys()

    await gateway.until("the switch is being set", is_half_done)
    await kill_all(gateway.agent)
    await gateway.until("the switch has done what it was told before", site.reaches_agent)
    assert gateway.journal.holds
    assert not all(hold.settled for hold in gateway.journal.holds)
    state = site.switch.state()
    state.quirks = {}
    site.switch.change(state)

    async with running(gateway):
        await gateway.until("both are held", lambda: gateway.is_held(2))
        assert not site.reaches("gate", "yard")
    await gateway.do(*RELEASE)
    assert site.reaches("gate", "yard")
    assert (site.switch.state().vlans, site.switch.state().pvid) == (factory.vlans, factory.pvid)


async def kill_all(agent: Program) -> None:
    """End the agent and the process that speaks to switches for it, as a power cut would."""
    listed = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
    children = (await asyncio.to_thread(listed.read_text, encoding="ascii")).split()
    for pid in map(int, children):
        os.kill(pid, signal.SIGKILL)
    await agent.kill()


def words(folder: Path) -> tuple[str, ...]:
    program = str(Path(sys.executable).with_name("bartizan-agent"))
    return (program, "--state", str(folder / "state"), "--config", str(folder / "agent.toml"))


def configure(folder: Path) -> None:
    """Write the agent's configuration and the switch's secret, as an operator would."""
    secret = folder / "sw1.toml"
    secret.write_text(
        f'user = "{USER}"\nauthentication = "{AUTHENTICATION}"\nprivacy = "{PRIVACY}"\n', encoding="utf-8"
    )
    secret.chmod(0o600)
    text = render(
        Settings(
            site=SiteId("school"),
            controller=ControllerSettings(broker_host="127.0.0.1", images_url="https://127.0.0.1:1"),
            segments=(SegmentSettings("cam0"),),
            limits=Limits(switch_seconds=2.0),
            switches=(settings(secret_file=str(secret)),),
        )
    )
    (folder / "agent.toml").write_text(text, encoding="utf-8")
