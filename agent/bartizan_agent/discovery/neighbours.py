"""The kernel's neighbour table, followed as it changes: who is on the link is learned without asking anybody."""

import asyncio
import enum
import errno
import math
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Self

from bartizan.ids import Address, Mac
from bartizan_agent import socket_filter
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.interfaces import dump
from bartizan_agent.discovery.rtnetlink import Neighbour

_BUFFER = 4 * 1024 * 1024  # octets; a segment of 1,000 devices that comes up at once is about 300 KB
_READ = 64 * 1024
_READS_AT_ONCE = 64  # between two turns of the event loop
_READS_TO_CATCH_UP = 4096  # several tables full; a segment that changes faster is followed later
_ENTRIES = 65536  # remembered; the kernel itself keeps far fewer
_LOAD_INTERFACE = (0x20, 0, 0, 20)  # the word at 20: ndm_ifindex, behind the message's header and the family
_LET_NOTHING, _LET_ALL = (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)
_TIDIED_UP = 4096  # remembered; devices change their private IPv6 addresses every day


class News(enum.Enum):
    """What a change of the table means."""

    APPEARED = "appeared"
    """It answered, and was not there before, or had another MAC."""
    CONFIRMED = "confirmed"
    """It was there, and has just answered again."""
    GONE = "gone"
    """It no longer answers."""


Tell = Callable[[Neighbour, News], None]


class Table:
    """The table as last told, by interface and address. Pure: the kernel's words go in, news come out."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, Address], Neighbour] = {}
        self._tidied_up: dict[tuple[int, Address], Neighbour] = {}

    def begin_again(self) -> None:
        """Take everything for tidied up, before it is learned anew what is there."""
        for key in tuple(self._entries):
            self._tidy_up(key)

    def learn(self, entry: Neighbour) -> News | None:
        """Take in a change, and return what is new about it. Ageing (reachable to stale) is no news.

        An entry that the kernel tidied up has not appeared when it is back, only answered again: above 128 entries the
        kernel keeps none that is not in use.
        """
        key = (entry.index, entry.address)
        before = self._entries.get(key)
        known = before if before and before.has_answered else self._tidied_up.get(key)
        if entry.deleted:
            self._tidy_up(key)
            return None
        if not entry.has_answered and not entry.state & rtnetlink.FAILED:
            return None  # it is being asked
        if before is not None or len(self._entries) < _ENTRIES:
            self._entries[key] = entry
        self._tidied_up.pop(key, None)
        if not entry.has_answered:
            return News.GONE if known else None
        if known is None or known.mac != entry.mac:
            return News.APPEARED
        has_aged = known is before and (known.state & rtnetlink.REACHABLE or not entry.state & rtnetlink.REACHABLE)
        return None if has_aged else News.CONFIRMED

    def mac_of(self, index: int, address: Address) -> Mac | None:
        """Return the MAC behind an address on an interface."""
        entry = self._entries.get((index, address))
        return entry.mac if entry and entry.has_answered else None

    def entries(self) -> tuple[Neighbour, ...]:
        """Return what has answered at some time."""
        return tuple(entry for entry in self._entries.values() if entry.has_answered)

    def _tidy_up(self, key: tuple[int, Address]) -> None:
        entry = self._entries.pop(key, None)
        if entry and entry.has_answered:
            self._tidied_up[key] = entry
            if len(self._tidied_up) > _TIDIED_UP:
                del self._tidied_up[next(iter(self._tidied_up))]


class Neighbours:
    """A subscription to the neighbour table of some interfaces, with the table as it stands.

    Args:
        indexes: The interfaces' numbers; the others' neighbours are ignored.
        tell: Called in the event loop with every change that is news.
        pause_seconds: After reading twice within so long, nothing is read for as long. Traffic of known cameras changes
            the table all the time; pausing makes many changes one wake-up, and still tells of a first change at once.
        table: What is known from before. None: nothing.
        go_on: Whether what became news since the table was last followed is told at the start.
    """

    def __init__(
        self,
        indexes: Collection[int],
        tell: Tell,
        *,
        pause_seconds: float = 0.0,
        table: Table | None = None,
        go_on: bool = False,
    ) -> None:
        self._indexes = frozenset(indexes)
        self._tell = tell
        self._pause_seconds = pause_seconds
        self._read_at = -math.inf
        self._resume: asyncio.TimerHandle | None = None
        self._tell_first = self._tell if go_on else _tell_nobody
        self.table = Table() if table is None else table

    def __enter__(self) -> Self:
        self._socket = rtnetlink.subscribed(rtnetlink.RTMGRP_NEIGH, buffer_octets=_BUFFER)
        try:
            self._let_ours_through()
            # Subscribed before dumped, so that no change falls between the two.
            self.table.begin_again()
            self._loop = asyncio.get_running_loop()
            self._learn(self._dump(), self._tell_first)
            self._loop.add_reader(self._socket.fileno(), self._read)
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._resume:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _dump(self) -> list[Neighbour]:
        return [
            entry
            for entry in dump(rtnetlink.RTM_GETNEIGH)
            if isinstance(entry, Neighbour) and entry.index in self._indexes
        ]

    @property
    def is_pausing(self) -> bool:
        """Whether changes wait to be read: there were several in a short time."""
        return self._resume is not None and self._loop.time() < self._resume.when()

    def catch_up(self) -> None:
        """Take in what the kernel has told until now, without waiting for a pause to end."""
        self._drain(_READS_TO_CATCH_UP)

    def _let_ours_through(self) -> None:
        """Have the kernel wake nobody for other interfaces: the way to the controller changes with every message."""
        if 0 < len(self._indexes) <= socket_filter.JUMP_AT_MOST - 1:
            last = len(self._indexes) - 1
            ours = [
                (0x15, last - place + 1, 0, socket_filter.swapped(index, "I"))
                for place, index in enumerate(self._indexes)
            ]
            socket_filter.attach(self._socket, (_LOAD_INTERFACE, *ours, _LET_NOTHING, _LET_ALL))

    def _read(self) -> None:
        now = self._loop.time()
        is_quiet, self._read_at = now - self._read_at >= self._pause_seconds, now
        # What is left is read in the next turn: a pause before that would let the table fall behind for minutes.
        if self._drain(_READS_AT_ONCE) and not is_quiet:
            descriptor = self._socket.fileno()
            self._loop.remove_reader(descriptor)
            self._resume = self._loop.call_later(self._pause_seconds, self._loop.add_reader, descriptor, self._read)

    def _drain(self, reads: int) -> bool:
        """Take in what can be read now; return whether that was all."""
        for _ in range(reads):
            try:
                data = self._socket.recv(_READ)
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._learn(self._dump())  # changes were lost: the table itself has them
                continue
            self._learn(entry for entry in rtnetlink.messages(data) if isinstance(entry, Neighbour))
        return False

    def _learn(self, entries: Iterable[Neighbour], tell: Tell | None = None) -> None:
        for entry in entries:
            news = self.table.learn(entry) if entry.index in self._indexes else None
            if news:
                (tell or self._tell)(entry, news)


def _tell_nobody(_entry: Neighbour, _news: News) -> None:
    pass
