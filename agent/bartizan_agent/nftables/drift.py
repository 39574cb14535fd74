"""Noticing that somebody else changed the packet filter. No timers: the kernel wakes us once for each transaction."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable

from bartizan_agent.nftables.netlink import Change, receive

UNKNOWN = Change(0, 0, "")
"""Stands for changes that the kernel could not tell us of: its queue was full."""


async def foreign_changes(changes: socket.socket, verified: Callable[[], int]) -> AsyncGenerator[Change, None]:
    """Yield the newest of every run of changes that the enforcer has not seen to be harmless.

    A change is no drift if a later look at the table, or our own transaction, already covers its generation. What is
    yielded may have been about another table; reading ours tells.

    Args:
        changes: From `netlink.open_changes`; the caller closes it.
        verified: Gives the newest generation at which our table was known to be as applied.
    """
    while True:
        await _readable(changes)
        heard = receive(changes)
        if heard is None:
            yield UNKNOWN
        elif heard and heard[-1].generation > verified():
            yield heard[-1]


async def _readable(changes: socket.socket) -> None:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(changes, ready.set)
    try:
        await ready.wait()
    finally:
        # Otherwise the loop would spin while whoever hears of a change is busy with it.
        loop.remove_reader(changes)
