"""Route netlink messages as bytes (linux/rtnetlink.h): dumps of links, addresses and neighbours, and their changes."""

import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address

import msgspec

from bartizan.ids import Address, Mac

RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH = 18, 22, 30
RTMGRP_LINK, RTMGRP_NEIGH, RTMGRP_IPV4_IFADDR = 0x1, 0x4, 0x10
"""Multicast groups of changes (linux/rtnetlink.h)."""

_NLMSG_DONE, _NLMSG_ERROR = 3, 2
_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWNEIGH, _RTM_DELNEIGH = 16, 17, 20, 21, 28, 29
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ADDRESS = struct.Struct("=BBBBI")
_LINK = struct.Struct("=BxHiII")
_NDA_DST, _NDA_LLADDR = 1, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_FAMILIES = (socket.AF_INET, socket.AF_INET6)

INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
UP, LOOPBACK = 0x1, 0x8


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


class Done(msgspec.Struct, frozen=True):
    """The end of a dump. `error` is an errno, 0 if it is complete."""

    error: int = 0


Message = Neighbour | InterfaceAddress | Link | Done


def dump_request(kind: int, sequence: int) -> bytes:
    """Return a request for everything of one kind, of both address families."""
    body = struct.pack("=B15x", socket.AF_UNSPEC)
    return _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, sequence, 0) + body


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
    if kind in {_RTM_NEWADDR, _RTM_DELADDR} and len(body) >= _ADDRESS.size:
        return _interface_address(body)
    if kind in {_RTM_NEWLINK, _RTM_DELLINK} and len(body) >= _LINK.size:
        return _link(body)
    return None


def _neighbour(body: bytes, *, deleted: bool) -> Neighbour | None:
    family, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = _attributes(body[_NEIGHBOUR.size :])
    if family not in _FAMILIES or _NDA_DST not in found:
        return None
    address = _address(found[_NDA_DST])
    return Neighbour(index, address, _mac(found.get(_NDA_LLADDR, b"")), state, deleted) if address else None


def _interface_address(body: bytes) -> InterfaceAddress | None:
    family, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    found = _attributes(body[_ADDRESS.size :])
    address = _address(found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b"")))
    return InterfaceAddress(index, address, prefix_length) if family in _FAMILIES and address else None


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = _attributes(body[_LINK.size :])
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\x00").decode("utf-8", "replace")
    return Link(index, name, flags, _mac(found.get(_IFLA_ADDRESS, b"")))


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
