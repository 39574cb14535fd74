"""Has the switches set and looked at by a short-lived process, whenever something changed and once in a while."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from bartizan.containment.model import Ruleset
from bartizan.errors import Malformed
from bartizan.wire import codec
from bartizan_agent.places import Places
from bartizan_agent.switches.outcome import SwitchesEnforced
from bartizan_agent.switches.settings import SnmpVersion, SwitchSettings

MODULE = "bartizan_agent.switches.work"
SPARE_SECONDS = 30.0  # to start, and to wait for another one that is at it

log = logging.getLogger(__name__)


class _Answer(msgspec.Struct):
    enforced: SwitchesEnforced
    problem: str


class SwitchAttendant:
    """The agent's part of setting switches."""

    def __init__(self, switches: tuple[SwitchSettings, ...], places: Places, look_seconds: float) -> None:
        """Take up the switches.

        Args:
            switches: As configured.
            places: Of the state folder.
            look_seconds: Between two looks at switches on which nothing changes.
        """
        self._switches = switches
        self._places = places
        self._look_seconds = look_seconds
        self._wanted: Ruleset | None = None
        self._changed = asyncio.Event()
        self.enforced = SwitchesEnforced()
        """As last read back; empty before the first time."""

    def want(self, ruleset: Ruleset) -> None:
        """Take over what is to be held from now on."""
        if ruleset != self._wanted:
            self._wanted = ruleset
            self._changed.set()

    async def run(self, told: Callable[[], None]) -> None:
        """Set and look until cancelled; call `told` whenever something was read."""
        for each in self._switches:
            if each.snmp is SnmpVersion.V2C_IN_THE_CLEAR:
                log.warning("a switch is set by SNMPv2c: whoever hears it can set it too", extra={"switch": each.name})
        await self._changed.wait()
        while True:
            self._changed.clear()
            self.enforced = await self._apply(self._wanted)
            told()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._is_idle() else self._look_seconds):
                    await self._changed.wait()

    def _is_idle(self) -> bool:
        """Return whether no port is held, and none is to be."""
        levels = {device.level for device in self._wanted.devices} if self._wanted else set()
        acts = any(switch.acts(level) for switch in self._switches for level in levels)
        return not (acts or self.enforced.ports or self.enforced.failures)

    async def _apply(self, ruleset: Ruleset | None) -> SwitchesEnforced:
        seconds = 3 * max((each.round_seconds for each in self._switches), default=0.0) + SPARE_SECONDS
        job = codec.encode({"task": "apply", "switches": self._switches, "ruleset": ruleset})
        try:
            answer = codec.decode(await self._ask(job, seconds), _Answer)
            problem = answer.problem
        except TimeoutError:
            problem = f"nothing came of it within {seconds:g} s"
        except Malformed:
            problem = "the process that speaks to it ended without an answer: see the agent's log"
        else:
            if not problem:
                return answer.enforced
        log.error("the switches could not be set", extra={"reason": problem})
        return SwitchesEnforced(failures={each.name: problem for each in self._switches})

    async def _ask(self, job: bytes, seconds: float) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            MODULE,
            str(self._places.state),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate(job)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return said
