"""Route netlink messages as bytes (linux/rtnetlink.h): dumps of links, addresses and neighbours, and their changes."""

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import msgspec

from bartizan.ids import Address, Mac

RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH = 18, 22, 26, 30
RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x4, 0x10, 0x100
"""Multicast groups of changes (linux/rtnetlink.h)."""

_NLMSG_DONE, _NLMSG_ERROR = 3, 2
_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWNEIGH, _RTM_DELNEIGH = 16, 17, 20, 21, 28, 29
_RTM_NEWROUTE = 24
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ADDRESS = struct.Struct("=BBBBI")
_LINK = struct.Struct("=BxHiII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")
_NDA_DST, _NDA_LLADDR = 1, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_SLAVE_KIND = 1, 3, 10, 18, 4
_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH = 4, 5, 9
AF_BRIDGE = 7
_FAMILIES = (socket.AF_INET, socket.AF_INET6)

INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
UP, LOOPBACK, RUNNING = 0x1, 0x8, 0x40


class Neighbour(msgspec.Struct, frozen=True):
    """One entry of the kernel's neighbour table."""

    index: int
    """Of the interface."""
    address: Address
    mac: Mac | None
    state: int
    deleted: bool = False

    @property
    def has_answered(self) -> bool:
        """Whether the entry holds what the device once answered, if only long ago."""
        return not self.deleted and self.mac is not None and bool(self.state & (REACHABLE | STALE | DELAY | PROBE))


class InterfaceAddress(msgspec.Struct, frozen=True):
    """One address of this machine."""

    index: int
    address: Address
    prefix_length: int


class Link(msgspec.Struct, frozen=True):
    """One interface of this machine."""

    index: int
    name: str
    flags: int
    mac: Mac | None
    bridge: int = 0
    """Number of the bridge that it is a port of; 0 if it is none."""


class Learned(msgspec.Struct, frozen=True):
    """A MAC that a bridge has seen, and the port by which it came."""

    index: int
    """Of the port."""
    mac: Mac


class Routes(msgspec.Struct, frozen=True):
    """A route's next hops, as (interface, address); those that are on the link have none."""

    hops: tuple[tuple[int, Address], ...]


class Done(msgspec.Struct, frozen=True):
    """The end of a dump. `error` is an errno, 0 if it is complete."""

    error: int = 0


Message = Neighbour | InterfaceAddress | Link | Learned | Routes | Done


def dump_request(kind: int, sequence: int, family: int = socket.AF_UNSPEC) -> bytes:
    """Return a request for everything of one kind, of both address families unless one is named."""
    body = struct.pack("=B15x", family)
    return _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, sequence, 0) + body


def subscribed(groups: int, *, buffer_octets: int | None = None) -> socket.socket:
    """Return a non-blocking socket on which the kernel tells of changes.

    Args:
        groups: Of which: multicast groups, joined by `|`.
        buffer_octets: What may wait to be read, where the default is too little.

    Raises:
        OSError: The kernel refuses, which it does not do unless it is confined.
    """
    kinds = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_NETLINK, kinds, socket.NETLINK_ROUTE)
    try:
        if buffer_octets is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_octets)
        sock.bind((0, groups))
    except BaseException:
        sock.close()
        raise
    return sock


def messages(data: bytes) -> Iterator[Message]:
    """Yield the messages in what the kernel sent that are of interest here; a cut-off one ends it."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        message = _message(kind, data[offset + _HEADER.size : offset + length])
        if message is not None:
            yield message
        offset += _aligned(length)


def _message(kind: int, body: bytes) -> Message | None:
    if kind == _NLMSG_DONE:
        return Done()
    if kind == _NLMSG_ERROR:
        return Done(-struct.unpack_from("=i", body)[0] if len(body) >= 4 else 1)
    if kind in {_RTM_NEWNEIGH, _RTM_DELNEIGH} and len(body) >= _NEIGHBOUR.size:
        return _neighbour(body, deleted=kind == _RTM_DELNEIGH)
    if kind in _PARSERS:
        size, parse = _PARSERS[kind]
        return parse(body) if len(body) >= size else None
    return None


def _neighbour(body: bytes, *, deleted: bool) -> Neighbour | Learned | None:
    family, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = _attributes(body[_NEIGHBOUR.size :])
    if family == AF_BRIDGE:
        mac = None if deleted else _mac(found.get(_NDA_LLADDR, b""))
        return Learned(index, mac) if mac else None
    if family not in _FAMILIES or _NDA_DST not in found:
        return None
    address = _address(found[_NDA_DST])
    return Neighbour(index, address, _mac(found.get(_NDA_LLADDR, b"")), state, deleted) if address else None


def _routes(body: bytes) -> Routes:
    found = _attributes(body[_ROUTE.size :])
    hops = [(found.get(_RTA_OIF, b""), found.get(_RTA_GATEWAY, b"")), *_hops(found.get(_RTA_MULTIPATH, b""))]
    parsed = ((int.from_bytes(index, sys.byteorder), _address(octets)) for index, octets in hops)
    return Routes(tuple((index, address) for index, address in parsed if index and address))


def _hops(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + _NEXT_HOP.size <= len(data):
        length, _, _, index = _NEXT_HOP.unpack_from(data, offset)
        if length < _NEXT_HOP.size:
            return
        found = _attributes(data[offset + _NEXT_HOP.size : offset + length])
        yield index.to_bytes(4, sys.byteorder), found.get(_RTA_GATEWAY, b"")
        offset += _aligned(length)


def _interface_address(body: bytes) -> InterfaceAddress | None:
    family, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    found = _attributes(body[_ADDRESS.size :])
    address = _address(found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b"")))
    return InterfaceAddress(index, address, prefix_length) if family in _FAMILIES and address else None


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = _attributes(body[_LINK.size :])
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\x00").decode("utf-8", "replace")
    kind = _attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_SLAVE_KIND, b"")
    master = int.from_bytes(found.get(_IFLA_MASTER, b""), sys.byteorder) if kind.rstrip(b"\0") == b"bridge" else 0
    return Link(index, name, flags, _mac(found.get(_IFLA_ADDRESS, b"")), master)


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _address(octets: bytes) -> Address | None:
    return Address(str(ip_address(octets))) if len(octets) in {4, 16} else None


def _mac(octets: bytes) -> Mac | None:
    return Mac(octets.hex(":")) if len(octets) == 6 and any(octets) else None


_PARSERS: dict[int, tuple[int, Callable[[bytes], Message | None]]] = {
    **dict.fromkeys((_RTM_NEWADDR, _RTM_DELADDR), (_ADDRESS.size, _interface_address)),
    **dict.fromkeys((_RTM_NEWLINK, _RTM_DELLINK), (_LINK.size, _link)),
    _RTM_NEWROUTE: (_ROUTE.size, _routes),
}
