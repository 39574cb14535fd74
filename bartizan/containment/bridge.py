"""The table of a gateway that is a transparent bridge: the routed table's judgements, made on frames.

A segment is a port of the bridge. Levels, sets and maps are the same (`bartizan.containment.rules`); what a link has
besides is added:

* **MACs at both ends.** A frame names its receiver by MAC, so that a device is held by it as well when it is sent to.
* **ARP** is judged like IPv4, by the addresses it speaks of. Nobody who is held may claim to be a router.
* **Neighbour discovery, DHCP**: at `block-egress` and `isolate` these pass between a device and the link's routers,
  and neighbour solicitations to the groups of the addresses that a device may reach; nothing else passes to a group.
* **Everything that is neither IPv4, IPv6 nor ARP** passes at `watch` alone. One VLAN tag around these changes nothing;
  behind two, or in another wrapping, nobody looks for them.

What the gateway's own addresses send and receive passes other hooks: it stays reachable at every level. Nothing asks
for connection tracking, which bridges need not have; flows in progress are cut by their next frame.

**What it cannot hold**: what does not cross the bridge (devices behind one port), and what this gateway routes besides;
the enforcer looks for the latter.
"""

import functools
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address

from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset
from bartizan.containment.rules import CHAINS, ROLES, SETS, Role, chains_of, verdict
from bartizan.containment.words import (
    Chain,
    Field,
    InSet,
    Layout,
    LookUp,
    OneOf,
    Rule,
    Set,
    Statement,
    Verdict,
)
from bartizan.ids import Address

FAMILY = "bridge"
PRIORITY = -210  # filter - 10

BROADCAST, ALL_ROUTERS, ALL_DHCP_AGENTS = Address("255.255.255.255"), Address("ff02::2"), Address("ff02::1:2")
_SOLICITED = int(IPv6Address("ff02::1:ff00:0"))  # RFC 4291 section 2.7.1
_SOLICITED_GROUPS = "ff02::1:ff00:0/104"
_NEIGHBOUR_SOLICITATION = 135
_DISCOVERY = (133, 134, _NEIGHBOUR_SOLICITATION, 136)
_OF_THE_LINK = ("fe80::/10", "ff02::1", ALL_ROUTERS, _SOLICITED_GROUPS)
_DHCP_PORTS = ((68, 67), (546, 547))
"""Of a client and of what answers it."""

F = Field
RECEIVER_MAC = Role(
    "receiver_mac",
    "jump",
    F.FROM4,
    F.FROM6,
    F.FROM_PORT,
    (((F.FROM4, F.TO_MAC), "recorders_of_macs4"), ((F.FROM6, F.TO_MAC), "recorders_of_macs6")),
    refused=Verdict("goto", "refuse_receiver"),
)
_ARP = {F.FROM4: F.ARP_FROM, F.TO4: F.ARP_TO}


def prepared(ruleset: Ruleset) -> Ruleset:
    """Return a ruleset in which every address comes with the group by which neighbours ask for it."""
    routers = (*ruleset.routers, BROADCAST, ALL_ROUTERS, ALL_DHCP_AGENTS) if ruleset.routers else ()
    return replace(
        ruleset,
        devices=tuple([_with_groups(device) for device in ruleset.devices]),
        segment_recorders=asked_for(ruleset.segment_recorders),
        routers=asked_for(routers),
    )


def solicited(address: Address) -> Address:
    """Return the group to which neighbours send when they ask for an IPv6 address."""
    return Address(str(IPv6Address(_SOLICITED | int(IPv6Address(address)) & 0xFFFFFF)))


@functools.lru_cache(maxsize=8192)
def _with_groups(device: ContainedDevice) -> ContainedDevice:
    addresses, recorders = asked_for(device.addresses), asked_for(device.recorders)
    return replace(device, addresses=addresses, recorders=recorders)


def asked_for(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return addresses, and the groups by which neighbours ask for those of IPv6."""
    addresses = tuple(addresses)
    groups = (solicited(address) for address in addresses if ":" in address and not address.startswith("ff"))
    return tuple(dict.fromkeys((*addresses, *groups)))


def _chains() -> Iterator[Chain]:
    levels = {verdict(role, level).chain: (role, level) for role in (*ROLES, RECEIVER_MAC) for level in Level}
    for chain in CHAINS:
        if chain.name in levels:
            yield _of_level(chain, *levels[chain.name])
        else:
            yield chain._replace(rules=tuple(_CHANGED.get(chain.name, _with_arp)(chain.rules)))
    for chain in chains_of(RECEIVER_MAC):
        yield _of_level(chain, *levels[chain.name])


def _of_level(chain: Chain, role: Role, level: Level) -> Chain:
    if level not in (Level.BLOCK_EGRESS, Level.ISOLATE):
        return chain
    *rules, refused = _with_arp(chain.rules)
    first = _outward(role, level) if role.peer4 is F.TO4 else ()
    estate = _estate(role) if level is Level.BLOCK_EGRESS else ()
    return chain._replace(rules=(*first, *rules, *estate, *_routers(role), refused))


def _outward(role: Role, level: Level) -> tuple[Rule, ...]:
    """Refuse whoever claims to be a router, and what goes to a group of neighbours but to ask for one."""
    asking, to_group = OneOf(F.ICMPV6_TYPE, (_NEIGHBOUR_SOLICITATION,)), OneOf(F.TO6, (_SOLICITED_GROUPS,))
    own = [(fields, name) for fields, name in role.pairs if name.endswith("6")]
    looks = [InSet(fields, name) for fields, name in (*own, ((F.TO6,), "recorders6"), ((F.TO6,), "routers6"))]
    return (
        (InSet((F.ARP_FROM,), "routers4"), role.refused),
        *((asking, look, role.passed) for look in (looks if level is Level.ISOLATE else (to_group,))),
        (to_group, role.refused),
    )


def _estate(role: Role) -> tuple[Rule, ...]:
    """Let the link itself be asked: what has a scope of the link does not leave the estate."""
    return (
        (InSet((_ARP[role.peer4],), "estate4"), role.passed),
        (OneOf(F.ICMPV6_TYPE, _DISCOVERY), OneOf(role.peer6, _OF_THE_LINK), role.passed),
    )


def _routers(role: Role) -> tuple[Rule, ...]:
    from_port, to_port = (1, 0) if role.peer4 is F.FROM4 else (0, 1)
    return (
        (InSet((_ARP[role.peer4],), "routers4"), role.passed),
        (OneOf(F.ICMPV6_TYPE, _DISCOVERY), InSet((role.peer6,), "routers6"), role.passed),
        *(
            (
                OneOf(F.PROTOCOL, ("udp",)),
                OneOf(F.FROM_PORT, (ports[from_port],)),
                OneOf(F.TO_PORT, (ports[to_port],)),
                InSet((peer,), name),
                role.passed,
            )
            for ports, peer, name in zip(_DHCP_PORTS, (role.peer4, role.peer6), ("routers4", "routers6"), strict=True)
        ),
    )


def _with_arp(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Yield rules, and after each that only looks IPv4 addresses up the same for ARP."""
    for rule in rules:
        yield rule
        for_arp = tuple(_for_arp(statement) for statement in rule)
        if for_arp != rule and all(isinstance(statement, InSet | LookUp | Verdict) for statement in rule):
            yield for_arp


def _for_arp(statement: Statement) -> Statement:
    if isinstance(statement, InSet | LookUp):
        return statement._replace(fields=tuple(_ARP.get(field, field) for field in statement.fields))
    return statement


def _receiver(rules: Iterable[Rule]) -> Iterator[Rule]:
    first, *rest = _with_arp(rules)
    yield first
    yield (LookUp((F.TO_MAC,), "held_receiver_macs"),)
    yield from rest


def _spare(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Let the way be found as well; that is not counted, for the gateway's neighbours ask for it anyway."""
    yield from rules
    found = Verdict("accept")
    for field in (F.ARP_FROM, F.ARP_TO):
        yield InSet((field,), "own4"), found
    for field in (F.FROM6, F.TO6):
        yield OneOf(F.ICMPV6_TYPE, _DISCOVERY), InSet((field,), "own6"), found


_CHANGED = {"receiver": _receiver, "spare": _spare}

_MORE_SETS = (
    Set("held_receiver_macs", ("ether_addr",), verdicts=True),
    Set("routers4", ("ipv4_addr",)),
    Set("routers6", ("ipv6_addr",)),
    Set("own4", ("ipv4_addr",)),
    Set("own6", ("ipv6_addr",)),
)

BRIDGED = Layout(FAMILY, PRIORITY, (*SETS, *_MORE_SETS), tuple(_chains()))
"""The table of a gateway that bridges."""
