"""The short-lived process that speaks to switches: a job on standard input, what came of it on standard output.

It holds the lock of whoever sets switches, so that one begun by a new agent waits for one that an old agent left. What
it did it leaves as events in the spool, which nobody's death loses. While containment is released it gives everything
back, whatever its job says.
"""

import asyncio
import enum
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from bartizan.containment.model import Ruleset
from bartizan.errors import BartizanError, Unavailable
from bartizan.wire import codec
from bartizan_agent import release
from bartizan_agent.discovery.interfaces import interfaces
from bartizan_agent.durable import replace_file
from bartizan_agent.notes import Note
from bartizan_agent.places import Places
from bartizan_agent.switches.client import Session
from bartizan_agent.switches.enforcer import Switches
from bartizan_agent.switches.journal import Book, alone
from bartizan_agent.switches.outcome import Seen, SwitchesEnforced
from bartizan_agent.switches.settings import SwitchSettings, read_secret

NOTHING = Ruleset((), (), ())


class Task(enum.Enum):
    """What is to be done."""

    APPLY = "apply"
    READ = "read"
    REMOVE_ALL = "remove-all"


class Job(msgspec.Struct, frozen=True):
    """What a process is told."""

    task: Task
    switches: tuple[SwitchSettings, ...]
    ruleset: Ruleset = NOTHING


class Answer(msgspec.Struct, frozen=True):
    """What it answers. `problem` says why nothing could be done at all; empty if something was."""

    enforced: SwitchesEnforced = SwitchesEnforced()
    problem: str = ""


def perform(job: Job, places: Places) -> SwitchesEnforced:
    """Do a job; wait for whoever does one now.

    Raises:
        JournalDamaged: How ports were before cannot be read.
        Unavailable: The disk takes no journal; nothing was set.
    """

    def tell(note: Note) -> None:
        with suppress(Unavailable):  # the switch is set all the same
            release.leave(places, note)

    with alone(places.switches_lock):
        switches = Switches(
            job.switches,
            Book(places.switches),
            opener=lambda settings: Session(settings, read_secret(settings)),
            own_macs=[each.mac for each in interfaces() if each.mac],
            now=time.time,
            tell=tell,
        )
        enforced = asyncio.run(_do(job, switches, is_released=release.standing(places, time.time()) is not None))
        with suppress(Unavailable):
            replace_file(places.switches_seen, codec.encode(Seen(time.time(), enforced)))
    return enforced


async def _do(job: Job, switches: Switches, *, is_released: bool) -> SwitchesEnforced:
    if job.task is Task.READ:
        return await switches.read(NOTHING if is_released else job.ruleset)
    if job.task is Task.REMOVE_ALL or is_released:
        return await switches.remove_all()
    return await switches.apply(job.ruleset)


def main() -> None:
    """Do the job of standard input; answer on standard output."""
    job = codec.decode(sys.stdin.buffer.read(), Job)
    try:
        answer = Answer(perform(job, Places(Path(sys.argv[1]))))
    except BartizanError as error:
        answer = Answer(problem=str(error))
    sys.stdout.buffer.write(codec.encode(answer))


if __name__ == "__main__":
    main()
