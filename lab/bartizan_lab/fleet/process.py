"""One process of a fleet: `python -m bartizan_lab.fleet.process`. Told by one line of JSON, tells by lines of JSON.

It ends when its standard input does, and so never outlives who started it.
"""

import asyncio
import gc
import resource
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from bartizan.ids import BootId
from bartizan_lab.fleet.catalogue import SharedCatalogue
from bartizan_lab.fleet.gateway import Gateway
from bartizan_lab.fleet.roster import CA_FILE, read
from bartizan_lab.fleet.session import Manner, Session, tls_context

TELL_SECONDS = 0.1
FILES_BESIDE_SOCKETS = 64


class Assignment(msgspec.Struct, frozen=True):
    """What a process is told: which part of the roster it is, and where the broker is."""

    folder: str
    first: int
    count: int
    host: str
    port: int
    cameras: int
    """Of each gateway."""
    manner: Manner = Manner()


class State(msgspec.Struct, frozen=True):
    """How some gateways are, in numbers of gateways unless said otherwise."""

    gateways: int = 0
    connected: int = 0
    synchronised: int = 0
    """Whose hello the controller has answered, on the present connection."""
    pending: int = 0
    """Events that the controller has not acknowledged."""
    reported: int = 0
    """Whose present report the controller has acknowledged."""
    connections: int = 0
    """Made so far."""
    refused: int = 0
    """Messages that a gateway or the broker did not accept."""
    verified: int = 0
    """Catalogues that were verified; each counts for all gateways of a process."""
    orders: dict[int, int] = {}
    """Gateways by the generation of the estate's order book in force."""

    def __add__(self, other: "State") -> "State":
        """Return the state of both together."""
        numbers = {
            name: getattr(self, name) + getattr(other, name) for name in State.__struct_fields__ if name != "orders"
        }
        return State(**numbers, orders=dict(Counter(self.orders) + Counter(other.orders)))


class _Share:
    """The gateways of this process."""

    def __init__(self, told: Assignment, folder: Path) -> None:
        roster = read(Path(told.folder))
        members = roster.members[told.first : told.first + told.count]
        gate = asyncio.Semaphore(told.manner.handshakes_at_once)
        ca = (Path(told.folder) / CA_FILE).read_text(encoding="ascii")
        self._catalogue = SharedCatalogue(folder, roster.root)
        self._gateways = [
            Gateway(member, BootId(secrets.token_hex(8)), self._catalogue, cameras=told.cameras) for member in members
        ]
        self._sessions = [
            Session(
                gateway,
                (told.host, told.port),
                tls_context(Path(told.folder), gateway.site, ca),
                told.manner,
                gate,
            )
            for gateway in self._gateways
        ]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            living: list[asyncio.Task[None]] = [tasks.create_task(session.run()) for session in self._sessions]
            living.append(tasks.create_task(self._tell()))
            await asyncio.to_thread(sys.stdin.read)
            for task in living:
                task.cancel()

    def state(self) -> State:
        orders = Counter(gateway.accepted.generation if gateway.accepted else 0 for gateway in self._gateways)
        return State(
            gateways=len(self._gateways),
            connected=sum(session.connected for session in self._sessions),
            synchronised=sum(gateway.synchronised for gateway in self._gateways),
            pending=sum(gateway.pending for gateway in self._gateways),
            reported=sum(gateway.reported for gateway in self._gateways),
            connections=sum(session.connections for session in self._sessions),
            refused=sum(gateway.refused for gateway in self._gateways)
            + sum(session.refusals for session in self._sessions),
            verified=self._catalogue.verified,
            orders=dict(orders),
        )

    async def _tell(self) -> None:
        told = None
        while True:
            state = self.state()
            if state != told:
                sys.stdout.write(msgspec.json.encode(state).decode() + "\n")
                sys.stdout.flush()
                told = state
            if state.synchronised == state.gateways:
                # What stays for good need not be looked through again and again while time is measured.
                gc.freeze()
            await asyncio.sleep(TELL_SECONDS)


def main() -> None:
    """Run as told on standard input."""
    told = msgspec.json.decode(sys.stdin.readline(), type=Assignment)
    allow_sockets(told.count)
    with tempfile.TemporaryDirectory(prefix="bartizan-fleet-") as folder:
        asyncio.run(_Share(told, Path(folder)).run())


def allow_sockets(count: int) -> None:
    """Let this process have `count` sockets beside its other files.

    Raises:
        RuntimeError: The machine does not allow as many.
    """
    needed = count + FILES_BESIDE_SOCKETS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
    except ValueError as error:
        raise RuntimeError(f"{needed} open files are needed, {hard} allowed: raise `ulimit -n`") from error


if __name__ == "__main__":
    main()
