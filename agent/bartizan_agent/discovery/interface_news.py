"""News of this machine's own interfaces: that one came, went, was renamed, plugged in, or has another address."""

import asyncio
import errno
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bartizan_agent.discovery import rtnetlink

_GROUPS = rtnetlink.RTMGRP_LINK | rtnetlink.RTMGRP_IPV4_IFADDR | rtnetlink.RTMGRP_IPV6_IFADDR
_READ = 16 * 1024  # octets; what is read is thrown away


class InterfaceNews:
    """A subscription to changes of interfaces and their addresses. They are rare, so each is told of at once.

    Args:
        tell: Called in the event loop, once for all that came together.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._socket = rtnetlink.subscribed(_GROUPS)
        self._loop.add_reader(self._socket, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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
        self._tell()
