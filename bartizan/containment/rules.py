"""The static half of the packet filter: chains and the sets they look into, the same for every ruleset.

Nothing here depends on which devices exist; they are elements of the sets (`bartizan.containment.elements`).

**How a packet is judged.** One base chain on the forward hook of family `inet`, before connection marks, flow
offloading and every other filter. Up to three judgements, each of which may only drop; a packet passes if none does,
so the tightest holds:

1. by who sent it: its source MAC, held wherever it shows up; a MAC unknown on the camera interface it arrives at
   gets that segment's default as well;
2. by its source address, if that is a device's, from whatever interface it comes;
3. by its destination address, if that is a device's, or else by the default of the camera interface it leaves to.

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
flow in progress is cut by its next packet and no conntrack entry keeps one alive. Our verdicts only drop: an accept
would end no other table's chains, and ours asks for none. Source and destination address stand in every fragment;
ports do not, so a later fragment towards the estate passes `block-egress`, useless without its first, and a first one
that ends before its ports is refused there. Multicast and broadcast destinations are no peer's address:
refused from `block-egress` on, and held to the segment's default when they leave to a camera segment. A tunnel is
judged by its outer addresses; one that ends at the gateway itself comes out on an interface that is no camera's,
where only judgements 2 and 3 apply. ICMP errors of routers on the way are judged like the rest, so clamp the MSS
where the path to a recorder has a small MTU.

**What it cannot hold**: frames between two devices of one switch, which never reach the gateway, and flows that
another table's flowtable takes past the forward hook; the enforcer looks for those.

A full evidence set never opens the filter: recording and dropping are separate rules.
"""

from typing import NamedTuple

from bartizan.containment.level import Level
from bartizan.containment.words import Chain, Count, Field, InSet, LookUp, NoneOf, OneOf, Record, Rule, Set, Verdict

FAMILY = "inet"
TABLE = "bartizan"
PRIORITY = -160  # mangle - 10: before whatever marks, queues, offloads or filters


class Role(NamedTuple):
    """Whose level is looked at in a judgement, and where in the packet its peer stands."""

    name: str
    comes_back: bool
    """Whether rules follow the map that finds this role's level."""
    peer4: Field
    peer6: Field
    peer_port: Field
    pairs: tuple[tuple[tuple[Field, Field], str], ...] = ()
    """(peer, self) fields and the set of its own recorders to find them in."""
    refusal: str = "refuse"


EVIDENCE_SIZE = 4096  # destinations; what it takes to read them counts against the agent's memory
TOTALS_SIZE = 65536

SETS = (
    Set("segments", ("ifname",)),
    Set("unknown_senders", ("ifname",), verdicts=True),
    Set("unknown_receivers", ("ifname",), verdicts=True),
    Set("estate4", ("ipv4_addr",), interval=True),
    Set("estate6", ("ipv6_addr",), interval=True),
    Set("recorders4", ("ipv4_addr",)),
    Set("recorders6", ("ipv6_addr",)),
    Set("known_macs", ("ifname", "ether_addr")),
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
    Set("dropped_from", ("ether_addr",), size=TOTALS_SIZE, days=30),
    Set("dropped_to4", ("ipv4_addr",), size=TOTALS_SIZE, days=30),
    Set("dropped_to6", ("ipv6_addr",), size=TOTALS_SIZE, days=30),
)

F = Field
ROLES = (
    Role(
        "mac", True, F.TO4, F.TO6, F.TO_PORT,
        (((F.TO4, F.FROM_MAC), "recorders_of_macs4"), ((F.TO6, F.FROM_MAC), "recorders_of_macs6")),
    ),
    Role(
        "sender", True, F.TO4, F.TO6, F.TO_PORT,
        (((F.TO4, F.FROM4), "recorders_of4"), ((F.TO6, F.FROM6), "recorders_of6")),
    ),
    Role(
        "receiver", False, F.FROM4, F.FROM6, F.FROM_PORT,
        (((F.FROM4, F.TO4), "recorders_of4"), ((F.FROM6, F.TO6), "recorders_of6")),
        refusal="refuse_receiver",
    ),
    Role("unknown_sender", False, F.TO4, F.TO6, F.TO_PORT),
    Role("unknown_receiver", False, F.FROM4, F.FROM6, F.FROM_PORT),
)  # fmt: skip

_RETURN = Verdict("return")
_WITH_PORTS = ("tcp", "udp")
_SERVED_BY_GATEWAY = (53, 123, 853)


def verdict(role: Role, level: Level) -> Verdict:
    """Return what a map says of a device at `level` in the part of `role`."""
    kind = "jump" if role.comes_back else "goto"
    match level:
        case Level.WATCH:
            return Verdict(kind, "watch")
        case Level.BLOCK_EGRESS:
            return Verdict(kind, f"{role.name}_block_egress")
        case Level.ISOLATE:
            return Verdict(kind, f"{role.name}_isolate")
        case Level.QUARANTINE:
            return Verdict(kind, role.refusal)


def _recorders(role: Role) -> tuple[Rule, ...]:
    """The rules that let a role's own and the declared recorders through."""
    declared: tuple[tuple[tuple[Field, ...], str], ...] = (((role.peer4,), "recorders4"), ((role.peer6,), "recorders6"))
    return tuple((InSet(fields, name), _RETURN) for fields, name in (*role.pairs, *declared))


def _block_egress(role: Role) -> Chain:
    # Each word must be readable to let a packet through: a first fragment that ends before its ports is refused.
    estate = ((role.peer4, "estate4", F.OFFSET4), (role.peer6, "estate6", F.OFFSET6))
    lets: tuple[Rule, ...] = tuple(
        (*words, InSet((peer,), name), _RETURN)
        for peer, name, offset in estate
        for words in (
            (OneOf(F.PROTOCOL, _WITH_PORTS), NoneOf(role.peer_port, _SERVED_BY_GATEWAY)),
            (NoneOf(F.PROTOCOL, _WITH_PORTS),),
            (NoneOf(offset, (0,)),),
        )
    )
    return Chain(f"{role.name}_block_egress", (*_recorders(role), *lets, (Verdict("goto", role.refusal),)))


def _isolate(role: Role) -> Chain:
    return Chain(f"{role.name}_isolate", (*_recorders(role), (Verdict("goto", role.refusal),)))


CHAINS = (
    Chain(
        "judge",
        (
            (InSet((F.FROM_INTERFACE,), "segments"), Verdict("jump", "from_segment")),
            (LookUp((F.FROM4,), "held_senders4"),),
            (LookUp((F.FROM6,), "held_senders6"),),
            (Verdict("jump", "to_receiver"),),
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
        "to_receiver",
        (
            (LookUp((F.TO4,), "held_receivers4"),),
            (LookUp((F.TO6,), "held_receivers6"),),
            (LookUp((F.TO_INTERFACE,), "unknown_receivers"),),
        ),
    ),
    Chain("watch", ((Count(),),)),
    *(chain for role in ROLES for chain in (_block_egress(role), _isolate(role))),
    Chain(
        "refuse_receiver",
        (
            (Record("dropped_to4", (F.TO4,)),),
            (Record("dropped_to6", (F.TO6,)),),
            (Verdict("goto", "refuse"),),
        ),
    ),
    Chain(
        "refuse",
        (
            (InSet((F.FROM_INTERFACE,), "segments"), Verdict("jump", "record")),
            (Verdict("drop"),),
        ),
    ),
    Chain(
        "record",
        (
            (InSet((F.FROM_INTERFACE, F.FROM_MAC), "known_macs"), Record("dropped_from", (F.FROM_MAC,))),
            (OneOf(F.PROTOCOL, _WITH_PORTS), Record("tried4", (F.TO4, F.FROM_MAC, F.PROTOCOL, F.TO_PORT))),
            (OneOf(F.PROTOCOL, _WITH_PORTS), Record("tried6", (F.TO6, F.FROM_MAC, F.PROTOCOL, F.TO_PORT))),
            (NoneOf(F.PROTOCOL, _WITH_PORTS), Record("tried_portless4", (F.TO4, F.FROM_MAC, F.PROTOCOL))),
            (NoneOf(F.PROTOCOL, _WITH_PORTS), Record("tried_portless6", (F.TO6, F.FROM_MAC, F.PROTOCOL))),
        ),
    ),
)
