"""The two words of nfnetlink that libnftables does not speak: which generation the ruleset is, and that it changed.

The kernel counts the ruleset's generations, all tables of the network namespace together, and tells the new number
after every transaction of anybody (`NFT_MSG_NEWGEN`, linux/netfilter/nf_tables.h).
"""

import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from bartizan_agent import socket_filter

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_NFNLGRP_NFTABLES = 7
_SO_NETNS_COOKIE = 71
_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWGEN = _SUBSYSTEM | 15
_GETGEN = _SUBSYSTEM | 16
_REQUEST = 1
_GENERATION, _PROCESS, _PROCESS_NAME = 1, 2, 3  # NFTA_GEN_ID, NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME
_HEADERS = struct.Struct("=IHHII BBH")  # nlmsghdr, nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")
_MESSAGE_OCTETS = 8192
ANSWER_SECONDS = 2.0


class Change(NamedTuple):
    """The ruleset has a new generation, made by this thread of this program."""

    generation: int
    process: int
    name: str


class Generations:
    """Asks for the present generation, in the network namespace of the thread that made it."""

    def __init__(self) -> None:
        self._socket = _open()
        self._socket.settimeout(ANSWER_SECONDS)

    def now(self) -> int:
        """Return the ruleset's generation."""
        self._socket.send(_HEADERS.pack(_HEADERS.size, _GETGEN, _REQUEST, 0, 0, 0, 0, 0))
        return parse(self._socket.recv(_MESSAGE_OCTETS)).generation

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def kernel_and_namespace() -> str:
    """Return what names this boot of the kernel and the network namespace of this thread; no other has the same."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with _open() as asking:
        try:
            cookie = int.from_bytes(asking.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
        except OSError:  # before Linux 5.14
            cookie = Path("/proc/thread-self/ns/net").stat().st_ino
    return f"{boot}/{cookie}"


def open_changes() -> socket.socket:
    """Return a socket on which every change of the ruleset arrives as one message, and nothing else does.

    The group also carries each element, rule and chain; a filter in the kernel keeps them from filling the queue.
    """
    changes = _open()
    changes.setblocking(False)
    _let_through(changes, _NEWGEN)
    changes.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
    return changes


def receive(changes: socket.socket) -> list[Change] | None:
    """Return the changes that arrived since last time, or None if the kernel had to drop some."""
    found: list[Change] = []
    while True:
        try:
            found.append(parse(changes.recv(_MESSAGE_OCTETS)))
        except BlockingIOError:
            return found
        except OSError:
            # ENOBUFS: the queue was full. Whatever else it may be, nothing can be said of what was not heard.
            return None


def parse(message: bytes) -> Change:
    """Return what a `NFT_MSG_NEWGEN` says."""
    generation, process, name = 0, 0, ""
    offset = _HEADERS.size
    while offset + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        value = message[offset + _ATTRIBUTE.size : offset + length]
        if kind == _GENERATION:
            generation = int.from_bytes(value, "big")
        elif kind == _PROCESS:
            process = int.from_bytes(value, "big")
        elif kind == _PROCESS_NAME:
            name = value.rstrip(b"\0").decode(errors="replace")
        offset += max(length + 3 & ~3, _ATTRIBUTE.size)
    return Change(generation, process, name)


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    # Without a port of its own a socket hears no multicast.
    opened.bind((0, 0))
    return opened


def _let_through(changes: socket.socket, kind: int) -> None:
    socket_filter.attach(
        changes,
        (
            (0x28, 0, 0, 4),  # load the half-word at 4: nlmsg_type
            (0x15, 0, 1, socket_filter.swapped(kind, "H")),  # if it is this one, go on; else skip one
            (0x06, 0, 0, 0xFFFFFFFF),  # let all of it through
            (0x06, 0, 0, 0),  # let nothing through
        ),
    )
