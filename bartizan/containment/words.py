"""The few words of nftables that our rules are made of, as values, which `nft_text` spells."""

import enum
from typing import NamedTuple

Key = tuple[str, ...]
"""An element of a set: one text for each part of its type."""


class Field(enum.Enum):
    """What is read of a packet, spelled as nft spells it."""

    FROM_INTERFACE = "iifname"
    TO_INTERFACE = "oifname"
    ETHERTYPE = "meta protocol"
    FROM_MAC = "ether saddr"
    TO_MAC = "ether daddr"
    ARP_FROM = "arp saddr ip"
    ARP_TO = "arp daddr ip"
    FROM4 = "ip saddr"
    TO4 = "ip daddr"
    FROM6 = "ip6 saddr"
    TO6 = "ip6 daddr"
    PROTOCOL = "meta l4proto"
    FROM_PORT = "th sport"
    TO_PORT = "th dport"
    OFFSET4 = "ip frag-off & 0x1fff"
    OFFSET6 = "frag frag-off"
    ICMPV6_TYPE = "icmpv6 type"


class Verdict(NamedTuple):
    """Where a packet goes next. `jump` comes back to the rule after, `goto` to where the chain was called from."""

    kind: str
    """`jump`, `goto`, `return`, `drop` or `accept`."""
    chain: str = ""


class InSet(NamedTuple):
    """Go on if these fields are an element of a named set, or, negated, if they are none."""

    fields: tuple[Field, ...]
    name: str
    negated: bool = False


class OneOf(NamedTuple):
    """Go on if the field is one of these values."""

    field: Field
    values: tuple[int | str, ...]


class NoneOf(NamedTuple):
    """Go on if the field could be read and is none of these values."""

    field: Field
    values: tuple[int | str, ...]


class LookUp(NamedTuple):
    """Do what the named map says of these fields; go on if it says nothing."""

    fields: tuple[Field, ...]
    name: str


class Record(NamedTuple):
    """Count the packet under these fields in a dynamic set; end the rule if the set is full."""

    name: str
    fields: tuple[Field, ...]


class Count(NamedTuple):
    """Count the packet."""


class Often(NamedTuple):
    """Go on if packets with these fields come more often than this; a dynamic set remembers. Not if that is full."""

    name: str
    fields: tuple[Field, ...]
    an_hour: int
    at_once: int
    """So many go uncounted before the hourly rate is looked at."""


class Seldom(NamedTuple):
    """Go on if packets with these fields come no more often than this; a dynamic set remembers. Not if that is full."""

    name: str
    fields: tuple[Field, ...]
    an_hour: int
    at_once: int


class AtMost(NamedTuple):
    """Go on if more packets than this came here."""

    a_second: int
    at_once: int


class Copy(NamedTuple):
    """Copy the packet's first octets, from the header of IP on, to whoever listens to an NFLOG group."""

    group: int
    octets: int
    mark: str


Statement = InSet | OneOf | NoneOf | LookUp | Record | Count | Often | Seldom | AtMost | Copy | Verdict
Rule = tuple[Statement, ...]


class Chain(NamedTuple):
    """A chain and its rules, top down. The base chain is the one the kernel calls."""

    name: str
    rules: tuple[Rule, ...]
    base: bool = False
    hook: str = "forward"
    """Of a base chain."""


class Set(NamedTuple):
    """A named set or verdict map."""

    name: str
    key: tuple[str, ...]
    """nft's names of the types that make an element's key."""
    verdicts: bool = False
    interval: bool = False
    size: int = 0
    """Elements at most, of a set that packets fill; 0 for one that only we fill."""
    days: int = 0
    """After how many days without a packet an element of such a set goes."""
    counts: bool = True
    """Whether such a set counts packets; else it remembers how often they came."""


class Layout(NamedTuple):
    """One table: where it hooks in, and all of it that is the same for every ruleset."""

    family: str
    priority: int
    sets: tuple[Set, ...]
    chains: tuple[Chain, ...]
