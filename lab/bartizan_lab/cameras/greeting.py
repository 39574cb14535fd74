"""TCP services of which only the first octets matter to an inventory: SDK ports and printer queues."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bartizan_lab.cameras.connection import begin, closing
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.network import Network

_RUBBISH_OCTETS = 64
_IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class GreetingService:
    """Accepts connections, says `greeting`, and listens without another word."""

    port: int
    greeting: bytes
    faults: AbstractSet[Fault]

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Listen until the block ends. Conversations are tasks of `tasks` and end with it."""

        def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            begin(tasks, writer, self._greet(reader, writer))

        server = await asyncio.start_server(greet, sock=network.tcp_listener(self.port))
        try:
            yield
        finally:
            server.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            if Fault.RUBBISH in self.faults:
                writer.write(os.urandom(_RUBBISH_OCTETS))
            elif Fault.SILENT not in self.faults:
                writer.write(self.greeting)
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_IDLE_SECONDS):
                    while await reader.read(4096):
                        pass
