"""`bartizan-agent release --all`, `status` and `contain` on a gateway whose agent runs, in a real kernel."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bartizan.ids import SiteId
from bartizan.wire import codec, events
from bartizan.wire.up import Event
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings, render
from bartizan_lab.netns import Namespace, veth
from bartizan_lab.programs import Finished, Program, command

pytestmark = pytest.mark.netns

PATIENCE_SECONDS = 30.0
RELEASE = ("release", "--all", "--by", "duty officer", "--reason", "the gate camera is needed", "--hours", "2")


@dataclass
class Site:
    """A gateway with one segment, cut off from its controller."""

    gateway: Namespace
    folder: Path

    @property
    def places(self) -> Places:
        return Places(self.folder / "state")

    def words(self, *arguments: str) -> tuple[str, ...]:
        options = ("--state", str(self.places.state), "--config", str(self.folder / "agent.toml"))
        return (str(Path(sys.executable).with_name("bartizan-agent")), *options, *arguments)

    async def do(self, *arguments: str) -> Finished:
        return await command(self.gateway, *self.words(*arguments))

    async def status(self) -> dict[str, Any]:
        return msgspec.json.decode((await self.do("status", "--json")).out, type=dict[str, Any])

    async def answer(self, *arguments: str) -> dict[str, Any]:
        """What a command that succeeds tells programs."""
        done = await self.do(*arguments, "--json")
        assert (done.code, done.err) == (0, "")
        return msgspec.json.decode(done.out, type=dict[str, Any])

    def is_contained(self) -> bool:
        return "table inet bartizan" in self.gateway.run("nft", "list", "tables")

    def told(self, kind: str) -> list[dict[str, str]]:
        """What waits for the controller."""
        with closing(sqlite3.connect(f"{self.places.store.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            rows = connection.execute("SELECT event FROM outbox ORDER BY boot_number, sequence").fetchall()
        return [each.detail for (row,) in rows if (each := codec.decode(row, Event)).kind == kind]

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Program]:
        """Run the agent until left, from when it answers."""
        program = Program("agent", self.gateway, self.words("run"), self.folder / "agent.log")
        await program.start()
        try:
            await until(program, self.places.wake.exists)
            yield program
        finally:
            await program.stop()


async def test_a_site_is_released_by_hand_and_contained_again(tmp_path: Path) -> None:
    """Neither the running agent nor a new start puts back what a person lifted; a person does."""
    with Namespace("gateway") as gateway, Namespace("segment") as segment:
        veth(gateway, "cam0", segment, "eth0")
        gateway.ip("address add 10.9.0.1/24 dev cam0", "link set cam0 up")
        site = Site(gateway, tmp_path)
        configure(site)
        async with site.agent() as agent:
            await until(agent, site.is_contained)
            released = await site.do(*RELEASE)
            assert (released.code, "The agent knows." in released.out) == (0, True), released
            await until(agent, lambda: len(site.told(events.CONTAINMENT_RELEASED)) == 1)
            assert not site.is_contained()
            status = await site.status()
            assert (status["healthy"], status["running"]) == (False, True)
            assert "lifted by duty officer until" in status["released"]
            first_released = (await site.answer("restore"))["released"]
            assert first_released["by"] == "duty officer"
        async with site.agent() as agent:
            await until(agent, lambda: len(site.told(events.AGENT_STARTED)) == 2)
            assert not site.is_contained()
            assert await site.answer("restore") == {"loaded": None, "released": first_released}
            assert await site.answer("contain") == {"released": None}
            await until(agent, site.is_contained)
            status = await site.status()
            assert (status["released"], status["drift"]) == ("", [])

        alone = await site.do(*RELEASE)
        assert "No agent is running; it will tell the controller when it starts." in alone.out
        assert not site.is_contained()
        undone = await site.do("contain", "--json")
        assert (undone.code, "no agent is running to put it back" in undone.err) == (1, True)
        assert msgspec.json.decode(undone.out)["exit_code"] == 1
        loaded = (await site.answer("restore"))["loaded"]
        assert loaded is not None
        assert site.is_contained()
        again = await site.answer(*RELEASE)
        assert (again["agent_knows"], again["released"]["reason"]) == (False, "the gate camera is needed")
        assert not site.is_contained()
        await site.do("contain")
        async with site.agent() as agent:
            await until(agent, lambda: len(site.told(events.CONTAINMENT_RELEASED)) == 3)
            await until(agent, site.is_contained)

    (first, *_) = site.told(events.CONTAINMENT_RELEASED)
    assert (first["by"], first["reason"]) == ("duty officer", "the gate camera is needed")


@pytest.mark.parametrize("lacks", ["--all", "--by", "--reason"])
async def test_nothing_is_released_without_saying_what_who_and_why(tmp_path: Path, lacks: str) -> None:
    at = RELEASE.index(lacks)
    rest = RELEASE[:at] + RELEASE[at + (1 if lacks == "--all" else 2) :]
    with Namespace("gateway") as gateway:
        refused = await Site(gateway, tmp_path).do(*rest)

    assert (refused.code, lacks in refused.err) == (2, True)
    assert not Places(tmp_path / "state").release.exists()


def configure(site: Site) -> None:
    """Write what enrolment would: a controller that is away, and one segment."""
    controller = ControllerSettings("127.0.0.1", "https://127.0.0.1:9", broker_port=9)
    settings = Settings(SiteId("school"), controller, (SegmentSettings("cam0"),))
    (site.folder / "agent.toml").write_text(render(settings), encoding="utf-8")


async def until(agent: Program, condition: Callable[[], bool]) -> None:
    """Wait for another program, which can set no event."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(agent.tail()) from None
