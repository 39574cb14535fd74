"""The people of the demonstration: what they type, on a workstation in the core network, and what they get back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bartizan_lab.netns import Namespace
from bartizan_lab.programs import Finished, command


class Claim(AssertionError):
    """Something that the demonstration claims did not come true."""


class Workstation:
    """A machine with the `bartizan` command."""

    def __init__(self, namespace: Namespace, programs: Path, folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder
        self._programs = programs
        self._environment: Mapping[str, str] = {"BARTIZAN_PROFILE": str(folder / "profile.toml")}

    async def try_to(self, *arguments: str) -> Finished:
        """Type a command, whatever comes of it."""
        program, *rest = arguments
        return await command(
            self.namespace, str(self._programs / program), *rest, environment=self._environment, seconds=120.0
        )

    async def do(self, *arguments: str) -> str:
        """Type a command that has to succeed; return what it printed.

        Raises:
            Claim: It failed.
        """
        finished = await self.try_to(*arguments)
        if finished.code:
            raise Claim(f"{' '.join(arguments)} ended with {finished.code}: {finished.err or finished.out}")
        return finished.out

    async def ask(self, *arguments: str) -> Any:
        """Type a command with `--json`; return what it answered."""
        return msgspec.json.decode(await self.do(*arguments, "--json"))
