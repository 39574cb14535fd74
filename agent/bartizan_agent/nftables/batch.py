"""A difference between two rulesets as one nfnetlink batch (linux/netfilter/nf_tables.h), without libnftables.

libnftables asks the kernel for its tables, sets and chains before it sends anything, which costs as much as the change
itself. This sends elements only, and names the generation of the ruleset that it is for: if anybody changed anything
meanwhile, the kernel does nothing of it. Intervals are left to libnftables.
"""

import functools
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from bartizan.containment.nft_text import mark
from bartizan.containment.render import Difference
from bartizan.containment.rules import SETS, TABLE
from bartizan.containment.words import Key, Verdict

_BEGIN, _END = 0x10, 0x11  # NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_CHAIN, _DELETE_CHAIN, _NEW_ELEMENTS, _DELETE_ELEMENTS = 3, 5, 12, 14
_REQUEST, _ACKNOWLEDGE, _CREATE = 0x1, 0x4, 0x400
_INET = 1  # NFPROTO_INET
_NESTED = 0x8000
_ERROR = 2  # NLMSG_ERROR
_CODES = {"drop": 0, "accept": 1, "jump": -3 & 0xFFFFFFFF, "goto": -4 & 0xFFFFFFFF, "return": -5 & 0xFFFFFFFF}
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
_ELEMENTS_OF_MESSAGE = 256
"""An attribute holds 65,535 octets, and an element takes fewer than 150."""
_LAST = 1
"""Number of the message whose acknowledgement says that all of it is done; the others have 0."""
_NETLINK_NETFILTER = 12
_SO_SNDBUFFORCE = 32
_ANSWER_OCTETS = 64
_ROOM_OCTETS = 65536


class Batches:
    """Carries out differences, in the network namespace of the thread that made it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))

    def carry_out(self, change: Difference, generation: int) -> bool:
        """Carry out a difference, whole or not at all; return whether it was done.

        Args:
            change: What to do.
            generation: Of the ruleset; if it is another by now, nothing is done.
        """
        if not is_expressible(change):
            return False
        message = batch(change, generation)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * len(message) + _ROOM_OCTETS)
            self._socket.send(message)
        except OSError:
            return False
        # The kernel has answered by now. It may acknowledge the last message and yet say that all was undone.
        answers = set(self._answers())
        return True in answers and False not in answers

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _answers(self) -> Iterator[bool | None]:
        while True:
            try:
                yield is_done(self._socket.recv(_ANSWER_OCTETS, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return
            except OSError:
                # Answers were lost, so nobody knows: whoever asked reads the table.
                yield False


def is_expressible(change: Difference) -> bool:
    """Return whether this module can say all of a difference."""
    return not change.emptied


def batch(change: Difference, generation: int) -> bytes:
    """Return the messages that carry out a difference, if the ruleset is still of this generation."""
    before, after = (_text(3, mark(digest)) for digest in change.marks)
    table = _text(1, TABLE)
    wanted = _attribute(1, generation.to_bytes(4, "big"))  # NFNL_BATCH_GENID
    messages = [
        _message(_BEGIN, _REQUEST, 0, wanted, resource=_SUBSYSTEM),
        _nft(_DELETE_CHAIN, 0, table + before),
        *(message for name in change.come for message in _exchange(name, change)),
        _nft(_NEW_CHAIN, _CREATE | _ACKNOWLEDGE, table + after, number=_LAST),
        _message(_END, _REQUEST, 0, b"", resource=_SUBSYSTEM),
    ]
    return b"".join(messages)


def is_done(answer: bytes) -> bool | None:
    """Return what an answer of the kernel says of a batch: done, not done, or nothing."""
    length, kind, _, number, _ = _HEADER.unpack_from(answer)
    if kind != _ERROR or length < _HEADER.size + 4:
        return None
    if int.from_bytes(answer[_HEADER.size : _HEADER.size + 4], "little" if _LITTLE else "big", signed=True):
        return False
    return True if number == _LAST else None


def _exchange(name: str, change: Difference) -> Iterator[bytes]:
    spell = _SPELLED[name]
    head = _text(1, TABLE) + _text(2, name)
    gone = (_attribute(_NESTED | 1, spell(key)) for key in change.gone[name])
    come = (_attribute(_NESTED | 1, spell(key) + _data(verdict)) for key, verdict in change.come[name].items())
    for kind, flags, elements in ((_DELETE_ELEMENTS, 0, gone), (_NEW_ELEMENTS, _CREATE, come)):
        while some := b"".join(islice(elements, _ELEMENTS_OF_MESSAGE)):
            yield _nft(kind, flags, head + _attribute(_NESTED | 3, some))


@functools.cache
def _data(verdict: Verdict | None) -> bytes:
    if verdict is None:
        return b""
    code = _attribute(1, _CODES[verdict.kind].to_bytes(4, "big"))
    chain = _text(2, verdict.chain) if verdict.chain else b""
    return _attribute(_NESTED | 2, _attribute(_NESTED | 2, code + chain))


def _nft(kind: int, flags: int, attributes: bytes, *, number: int = 0) -> bytes:
    return _message(_SUBSYSTEM << 8 | kind, _REQUEST | flags, _INET, attributes, number=number)


def _message(kind: int, flags: int, family: int, attributes: bytes, *, number: int = 0, resource: int = 0) -> bytes:
    size = _HEADER.size + 4 + len(attributes)
    return _HEADER.pack(size, kind, flags, number, 0) + struct.pack(">BBH", family, 0, resource) + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) & 3)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _speller(types: Iterable[str]) -> Callable[[Key], bytes]:
    """Return how the key of an element is written: its parts one after the other, each padded to four octets."""
    parts = tuple(_PARTS[name] for name in types)
    if len(parts) == 1:
        return lambda key: _attribute(_NESTED | 1, _attribute(1, parts[0](key[0])))
    return lambda key: _attribute(_NESTED | 1, _attribute(1, b"".join(map(_padded, parts, key))))


def _padded(part: Callable[[str], bytes], text: str) -> bytes:
    octets = part(text)
    return octets + bytes(-len(octets) & 3)


_LITTLE = struct.pack("=H", 1) == b"\1\0"
_PARTS: Mapping[str, Callable[[str], bytes]] = {
    "ifname": lambda text: text.encode().ljust(16, b"\0"),  # IFNAMSIZ
    "ether_addr": lambda text: bytes.fromhex(text.replace(":", "")),
    "ipv4_addr": socket.inet_aton,
    "ipv6_addr": lambda text: socket.inet_pton(socket.AF_INET6, text),
    "inet_service": lambda text: int(text).to_bytes(2),
}
_SPELLED = {spec.name: _speller(spec.key) for spec in SETS if not spec.size and not spec.interval}
