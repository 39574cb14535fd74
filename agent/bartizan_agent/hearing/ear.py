"""Where copies of packets go: headers to the attempts, names to the names; how many were lost is counted."""

from collections.abc import Iterable

from bartizan.containment.listening import HEADER, NAME
from bartizan_agent.attempts import Attempts, Key
from bartizan_agent.hearing import headers
from bartizan_agent.hearing.messages import Copied
from bartizan_agent.names import Names


class Ear:
    """Takes what one listener hands over."""

    def __init__(self, attempts: Attempts, names: Names) -> None:
        self._attempts = attempts
        self._names = names
        self._number: int | None = None
        self.lost = 0
        """Packets that the kernel copied and had no room for."""

    def take(self, copies: Iterable[Copied], now: float) -> None:
        """Take copies, at this Unix time; one whose own time is of later, or missing, counts as of now."""
        for copied in copies:
            self._count(copied.number)
            if copied.mac is None:
                continue
            if copied.mark == NAME:
                name = headers.question(copied.packet)
                if name is not None:
                    self._names.hear(copied.mac, name, min(copied.at or now, now))
            elif copied.mark == HEADER:
                found = headers.header(copied.packet)
                if found is not None:
                    key = Key(copied.mac, found.destination, found.protocol, found.to_port)
                    self._attempts.hear(key, headers.words(found))
        self._names.write()

    def _count(self, number: int) -> None:
        if self._number is not None:
            self.lost += max(0, number - self._number - 1)
        self._number = number
