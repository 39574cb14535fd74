"""The static half of the packet filter: chains and the sets they look into, the same for every ruleset.

Nothing here depends on which devices exist; they are elements of the sets (`bartizan.containment.elements`).

**How a packet is judged.** One base chain on the forward hook of family `inet`, before connection marks, flow
offloading and every other filter. Up to three judgements, each of which may only drop; a packet passes if none does,
so the tightest holds:

1. from a camera interface, by its source MAC; a MAC unknown on this interface gets the segment's default as well as
   the level it is known at elsewhere;
2. from anywhere, by its source address, if that is a device's;
3. to a camera interface, by its destination address, or by the segment's default if that is no device's.

A sender whose interface, MAC and address are all one device's and nobody else's is *recognised*: its first two
judgements are the same and are made once. That is the way of nearly every packet of a camera.

So a device that takes another's address or MAC, moves to another segment, or comes back under a new MAC with an old
address gains nothing. Packets between two camera segments pass only if both ends allow it.

**What each level lets pass**, in both directions alike:

    watch          everything
    block-egress   its recorders, and the estate's networks but for DNS (53, 853) and NTP (123), the gateway's to serve
    isolate        its recorders
    quarantine     nothing

Each level lets through a subset of the one before. What the gateway itself sends and receives passes the output and
input hooks, not this one: it stays reachable at every level.

**Why it holds.** Judgement is stateless: there is no established-accept and connection tracking is not asked, so a
flow in progress is cut by its next packet and no conntrack entry keeps one alive. Our verdicts only drop, but for one
accept, of the gateway's own way to its controller; that ends no other table's chains. Source and destination address
stand in every fragment; ports do not, so a later fragment towards the estate passes `block-egress`, useless without
its first, and a first one that ends before its ports is refused there. Multicast and broadcast destinations are no
peer's address: refused from `block-egress` on, and held to the segment's default when they leave to a camera segment.
A tunnel is judged by its outer addresses; one that ends at the gateway itself comes out on an interface that is no
camera's, where only the last two judgements apply. ICMP errors of routers on the way are judged like the rest, so
clamp the MSS where the path to a recorder has a small MTU.

**The way to the controller** is let through where a judgement would drop it, but only once it was seen to be cut
(`bartizan.containment.management`): TCP between one own address and one port of the controller, nothing else.

**What it cannot hold**: frames between two devices of one switch, which never reach the gateway, and flows that
another table's flowtable takes past the forward hook; the enforcer looks for those.

A full evidence set never opens the filter: recording and dropping are separate rules. One device lists so many new
destinations an hour and no more; what is not listed is counted as such, so that a list that is cut short says so.
"""

from typing import NamedTuple

from bartizan.containment.level import Level
from bartizan.containment.words import (
    Chain,
    Count,
    Field,
    InSet,
    Layout,
    LookUp,
    NoneOf,
    Often,
    OneOf,
    Record,
    Rule,
    Set,
    Statement,
    Verdict,
)

FAMILY = "inet"
TABLE = "bartizan"
PRIORITY = -160  # mangle - 10: before whatever marks, queues, offloads or filters


_RETURN = Verdict("return")
_TO_RECEIVER = Verdict("goto", "receiver")


class Role(NamedTuple):
    """Whose level is looked at in a judgement, and where in the packet its peer stands."""

    name: str
    found: str
    """`jump` if other judgements follow where its level was found, else `goto`."""
    peer4: Field
    peer6: Field
    peer_port: Field
    pairs: tuple[tuple[tuple[Field, Field], str], ...] = ()
    """(peer, self) fields and the set of its own recorders to find them in."""
    passed: Verdict = _RETURN
    refused: Verdict = Verdict("goto", "refuse")


EVIDENCE_SIZE = 4096  # destinations; what it takes to read them counts against the agent's memory
TOTALS_SIZE = 65536
DESTINATIONS_AT_ONCE, DESTINATIONS_AN_HOUR = 200, 12
"""How many new destinations of one device are listed; a device that tries everything must leave room for others."""
UNLISTED = "unlisted"
"""The set in which packets are counted, by MAC, whose destinations are not listed: there were too many."""
SPARED = "spared"
"""The set in which packets of the management path are counted that would have been dropped."""

SETS = (
    Set("segments", ("ifname",)),
    Set("unknown_senders", ("ifname",), verdicts=True),
    Set("unknown_receivers", ("ifname",), verdicts=True),
    Set("estate4", ("ipv4_addr",), interval=True),
    Set("estate6", ("ipv6_addr",), interval=True),
    Set("recorders4", ("ipv4_addr",)),
    Set("recorders6", ("ipv6_addr",)),
    Set("known_macs", ("ifname", "ether_addr")),
    Set("recognised4", ("ifname", "ether_addr", "ipv4_addr"), verdicts=True),
    Set("recognised6", ("ifname", "ether_addr", "ipv6_addr"), verdicts=True),
    Set("held_macs", ("ether_addr",), verdicts=True),
    Set("held_senders4", ("ipv4_addr",), verdicts=True),
    Set("held_senders6", ("ipv6_addr",), verdicts=True),
    Set("held_receivers4", ("ipv4_addr",), verdicts=True),
    Set("held_receivers6", ("ipv6_addr",), verdicts=True),
    Set("recorders_of_macs4", ("ipv4_addr", "ether_addr")),
    Set("recorders_of_macs6", ("ipv6_addr", "ether_addr")),
    Set("recorders_of4", ("ipv4_addr", "ipv4_addr")),
    Set("recorders_of6", ("ipv6_addr", "ipv6_addr")),
    Set("tried4", ("ipv4_addr", "ether_addr", "inet_proto", "inet_service"), size=EVIDENCE_SIZE, days=1),
    Set("tried6", ("ipv6_addr", "ether_addr", "inet_proto", "inet_service"), size=EVIDENCE_SIZE, days=1),
    Set("tried_portless4", ("ipv4_addr", "ether_addr", "inet_proto"), size=EVIDENCE_SIZE, days=1),
    Set("tried_portless6", ("ipv6_addr", "ether_addr", "inet_proto"), size=EVIDENCE_SIZE, days=1),
    Set("sprayers", ("ether_addr",), size=EVIDENCE_SIZE, days=1, counts=False),
    Set(UNLISTED, ("ether_addr",), size=EVIDENCE_SIZE, days=30),
    Set("management4", ("ipv4_addr", "ipv4_addr", "inet_service")),
    Set("management6", ("ipv6_addr", "ipv6_addr", "inet_service")),
    Set(SPARED, ("inet_proto",), size=16, days=1),
    Set("dropped_from", ("ether_addr",), size=TOTALS_SIZE, days=30),
    Set("dropped_to4", ("ipv4_addr",), size=TOTALS_SIZE, days=30),
    Set("dropped_to6", ("ipv6_addr",), size=TOTALS_SIZE, days=30),
)

F = Field
_OF_SENDER = (((F.TO4, F.FROM4), "recorders_of4"), ((F.TO6, F.FROM6), "recorders_of6"))
_OF_RECEIVER = (((F.FROM4, F.TO4), "recorders_of4"), ((F.FROM6, F.TO6), "recorders_of6"))
_OF_MAC = (((F.TO4, F.FROM_MAC), "recorders_of_macs4"), ((F.TO6, F.FROM_MAC), "recorders_of_macs6"))
RECOGNISED = Role("recognised", "goto", F.TO4, F.TO6, F.TO_PORT, _OF_SENDER, passed=_TO_RECEIVER)
MAC = Role("mac", "jump", F.TO4, F.TO6, F.TO_PORT, _OF_MAC)
SENDER = Role("sender", "jump", F.TO4, F.TO6, F.TO_PORT, _OF_SENDER)
UNKNOWN_SENDER = Role("unknown_sender", "goto", F.TO4, F.TO6, F.TO_PORT)
RECEIVER = Role(
    "receiver", "goto", F.FROM4, F.FROM6, F.FROM_PORT, _OF_RECEIVER, refused=Verdict("goto", "refuse_receiver")
)
UNKNOWN_RECEIVER = Role("unknown_receiver", "goto", F.FROM4, F.FROM6, F.FROM_PORT)
ROLES = (RECOGNISED, MAC, SENDER, UNKNOWN_SENDER, RECEIVER, UNKNOWN_RECEIVER)

WITH_PORTS = ("tcp", "udp")
SERVED_BY_GATEWAY = (53, 123, 853)


def verdict(role: Role, level: Level) -> Verdict:
    """Return what a map says of a device at `level` in the part of `role`."""
    if level is Level.QUARANTINE:
        return Verdict(role.found, role.refused.chain)
    return Verdict(role.found, f"{role.name}_{level.value.replace('-', '_')}")


def chains_of(role: Role) -> tuple[Chain, ...]:
    """One chain for each level that lets anything through."""
    return (
        Chain(verdict(role, Level.WATCH).chain, ((Count(), role.passed),)),
        Chain(verdict(role, Level.BLOCK_EGRESS).chain, (*_recorders(role), *_estate(role), (role.refused,))),
        Chain(verdict(role, Level.ISOLATE).chain, (*_recorders(role), (role.refused,))),
    )


def _recorders(role: Role) -> tuple[Rule, ...]:
    """Let the role's own and the declared recorders through."""
    declared: tuple[tuple[tuple[Field, ...], str], ...] = (((role.peer4,), "recorders4"), ((role.peer6,), "recorders6"))
    return tuple((InSet(fields, name), role.passed) for fields, name in (*role.pairs, *declared))


def _estate(role: Role) -> tuple[Rule, ...]:
    """Let the estate's networks through, but for what the gateway serves.

    Each word must be readable to let a packet through: a first fragment that ends before its ports matches none.
    """
    return tuple(
        (*words, InSet((peer,), name), role.passed)
        for peer, name, offset in ((role.peer4, "estate4", F.OFFSET4), (role.peer6, "estate6", F.OFFSET6))
        for words in (
            (OneOf(F.PROTOCOL, WITH_PORTS), NoneOf(role.peer_port, SERVED_BY_GATEWAY)),
            (NoneOf(F.PROTOCOL, WITH_PORTS),),
            (NoneOf(offset, (0,)),),
        )
    )


_WITH_PORTS, _PORTLESS = OneOf(F.PROTOCOL, WITH_PORTS), NoneOf(F.PROTOCOL, WITH_PORTS)
_TRIED: tuple[tuple[Statement, str, tuple[Field, ...]], ...] = (
    (_WITH_PORTS, "tried4", (F.TO4, F.FROM_MAC, F.PROTOCOL, F.TO_PORT)),
    (_WITH_PORTS, "tried6", (F.TO6, F.FROM_MAC, F.PROTOCOL, F.TO_PORT)),
    (_PORTLESS, "tried_portless4", (F.TO4, F.FROM_MAC, F.PROTOCOL)),
    (_PORTLESS, "tried_portless6", (F.TO6, F.FROM_MAC, F.PROTOCOL)),
    (NoneOf(F.OFFSET4, (0,)), "tried_portless4", (F.TO4, F.FROM_MAC, F.PROTOCOL)),
    (NoneOf(F.OFFSET6, (0,)), "tried_portless6", (F.TO6, F.FROM_MAC, F.PROTOCOL)),
)
_OF_IP = NoneOf(F.PROTOCOL, (255,))
"""255 is reserved: any packet of IP has another, and ARP has none."""
_UNLISTED = Verdict("goto", UNLISTED)

CHAINS = (
    Chain(
        "judge",
        (
            (LookUp((F.FROM_INTERFACE, F.FROM_MAC, F.FROM4), "recognised4"),),
            (LookUp((F.FROM_INTERFACE, F.FROM_MAC, F.FROM6), "recognised6"),),
            (InSet((F.FROM_INTERFACE,), "segments"), Verdict("jump", "from_segment")),
            (LookUp((F.FROM4,), "held_senders4"),),
            (LookUp((F.FROM6,), "held_senders6"),),
            (_TO_RECEIVER,),
        ),
        base=True,
    ),
    Chain(
        "from_segment",
        (
            (LookUp((F.FROM_MAC,), "held_macs"),),
            (InSet((F.FROM_INTERFACE, F.FROM_MAC), "known_macs"), _RETURN),
            (LookUp((F.FROM_INTERFACE,), "unknown_senders"),),
        ),
    ),
    Chain(
        "receiver",
        (
            (InSet((F.TO_INTERFACE,), "segments", negated=True), _RETURN),
            (LookUp((F.TO4,), "held_receivers4"),),
            (LookUp((F.TO6,), "held_receivers6"),),
            (LookUp((F.TO_INTERFACE,), "unknown_receivers"),),
        ),
    ),
    *(chain for role in ROLES for chain in chains_of(role)),
    Chain(
        "refuse_receiver",
        (
            (Verdict("jump", "spare"),),
            (Record("dropped_to4", (F.TO4,)),),
            (Record("dropped_to6", (F.TO6,)),),
            (Verdict("goto", "refused"),),
        ),
    ),
    Chain("refuse", ((Verdict("jump", "spare"),), (Verdict("goto", "refused"),))),
    Chain(
        "spare",
        tuple(
            (OneOf(F.PROTOCOL, ("tcp",)), InSet(fields, name), Verdict("goto", "let_through"))
            for fields, name in (
                ((F.FROM4, F.TO4, F.TO_PORT), "management4"),
                ((F.TO4, F.FROM4, F.FROM_PORT), "management4"),
                ((F.FROM6, F.TO6, F.TO_PORT), "management6"),
                ((F.TO6, F.FROM6, F.FROM_PORT), "management6"),
            )
        ),
    ),
    Chain("let_through", ((Record(SPARED, (F.PROTOCOL,)),), (Verdict("accept"),))),
    Chain(
        "refused",
        (
            (InSet((F.FROM_INTERFACE,), "segments"), Verdict("jump", "record")),
            (Verdict("drop"),),
        ),
    ),
    Chain(
        "record",
        (
            (InSet((F.FROM_INTERFACE, F.FROM_MAC), "known_macs"), Record("dropped_from", (F.FROM_MAC,))),
            # A look into a set counts the packet in what it finds there; one for what is not there counts nothing.
            *((which, InSet(key, name, negated=True), Verdict("goto", "fresh")) for which, name, key in _TRIED),
            (Verdict("goto", "listed"),),
        ),
    ),
    Chain(
        "fresh",
        (
            (_OF_IP, Often("sprayers", (F.FROM_MAC,), DESTINATIONS_AN_HOUR, DESTINATIONS_AT_ONCE), _UNLISTED),
            (Verdict("goto", "listed"),),
        ),
    ),
    Chain("listed", (*((which, Record(name, key), _RETURN) for which, name, key in _TRIED), (_UNLISTED,))),
    Chain(UNLISTED, ((_OF_IP, Record(UNLISTED, (F.FROM_MAC,))),)),
)

ROUTED = Layout(FAMILY, PRIORITY, SETS, CHAINS)
"""The table of a gateway that routes."""
