"""News of this machine's own interfaces: that one came, went, was renamed, plugged in, or has another address."""

import asyncio
import errno
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bartizan_agent.discovery import rtnetlink

_GROUPS = rtnetlink.RTMGRP_LINK | rtnetlink.RTMGRP_IPV4_IFADDR | rtnetlink.RTMGRP_IPV6_IFADDR
PAUSE_SECONDS = 0.25  # a cable with a loose contact makes hundreds of changes
_READ = 16 * 1024  # octets; what is read is thrown away


class InterfaceNews:
    """A subscription to changes of interfaces and their addresses. The first is told of at once, however many follow.

    Args:
        tell: Called in the event loop, once for all that came together.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._resume: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._socket = rtnetlink.subscribed(_GROUPS)
        self._loop.add_reader(self._socket, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._resume:
            self._resume.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        try:
            while True:
                self._socket.recv(_READ)
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # there were more than there was room for: news all the same
                raise
        self._loop.remove_reader(self._socket)
        self._resume = self._loop.call_later(PAUSE_SECONDS, self._loop.add_reader, self._socket, self._read)
        self._tell()
