"""The socket on which copies of packets arrive. It is read at its own pace, however many there are.

After each read it is left alone for `PAUSE_SECONDS`: what comes meanwhile waits in the kernel, in a bounded queue, and
what finds no room there is lost and counted. A site on which nothing is dropped wakes nobody.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress

from bartizan.containment.listening import GROUP, NAME_OCTETS
from bartizan_agent.hearing.messages import Copied, Setup, packets, refusal, setup

PAUSE_SECONDS = 10.0
DATAGRAMS_AT_ONCE = 64
QUEUE_OCTETS = 512 * 1024
_NETLINK_NETFILTER = 12
_SO_RCVBUFFORCE = 33
_DATAGRAM_OCTETS = 65536
_ANSWER_SECONDS = 2.0
_SETUP = Setup(octets=NAME_OCTETS, at_once=50, within_seconds=1.0)


class CannotHear(Exception):
    """This kernel copies no packets, or another program already listens to the group."""


def open_listener(group: int = GROUP) -> socket.socket:
    """Return the socket of the group's only listener, in the network namespace of this thread.

    Raises:
        CannotHear: The kernel refuses.
    """
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        opened.bind((0, 0))
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, QUEUE_OCTETS)
        opened.settimeout(_ANSWER_SECONDS)
        for request in setup(group, _SETUP):
            opened.send(request)
            _check(_answer(opened), group)
    except OSError as error:
        opened.close()
        raise CannotHear(f"nfnetlink_log cannot be spoken to: {os.strerror(error.errno or 0)}") from error
    except CannotHear:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def drain(listener: socket.socket) -> list[Copied]:
    """Return what has arrived, of `DATAGRAMS_AT_ONCE` datagrams at most."""
    found: list[Copied] = []
    for _ in range(DATAGRAMS_AT_ONCE):
        try:
            found += packets(listener.recv(_DATAGRAM_OCTETS))
        except BlockingIOError:
            break
        except OSError as error:
            # The queue was full: numbers say how many were lost.
            if error.errno != errno.ENOBUFS:
                raise
    return found


async def listen(take: Callable[[list[Copied]], None], group: int = GROUP) -> None:
    """Hand over what is copied, for ever.

    Raises:
        CannotHear: As for `open_listener`.
    """
    with closing(open_listener(group)) as listener:
        while True:
            await _readable(listener)
            take(drain(listener))
            await asyncio.sleep(PAUSE_SECONDS)


def _answer(opened: socket.socket) -> int:
    while True:
        code = refusal(opened.recv(_DATAGRAM_OCTETS))
        if code is not None:
            return code


def _check(code: int, group: int) -> None:
    if code in (errno.EBUSY, errno.EPERM):
        raise CannotHear(f"another program listens to NFLOG group {group}, or this one may not (CAP_NET_ADMIN)")
    if code:
        raise CannotHear(f"the kernel refuses to copy packets: {os.strerror(code)}")


async def _readable(listener: socket.socket) -> None:
    ready, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(listener, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listener)
