"""What is added to a table so that the agent hears what is dropped: packet headers, and names asked of the DNS.

Packets are copied to the agent by NFLOG (group `GROUP`), on the way to their drop only, and questions to the gateway's
own DNS on their way in. What passes is not touched. Three limits, in the kernel, bound it: so many packets of each MAC
an hour, so that a noisy device hides no other; so many MACs; so many packets a second in all.

Only headers are copied: 20 octets of TCP's, 8 of any other's, and of a later fragment nothing but that of IP. Of a
question to the DNS the question is, where names are wanted.

Nothing of it is stored for the next boot, and a kernel that cannot do it enforces without.
"""

import functools

from bartizan.containment.rules import DESTINATIONS_AN_HOUR, DESTINATIONS_AT_ONCE, EVIDENCE_SIZE
from bartizan.containment.words import (
    AtMost,
    Chain,
    Copy,
    Field,
    InSet,
    Layout,
    NoneOf,
    OneOf,
    Rule,
    Seldom,
    Set,
    Statement,
    Verdict,
)

GROUP = 2511
HEADER, NAME = "bartizan-header", "bartizan-name"
"""What copies are marked with."""
NAME_OCTETS = 320
"""IPv6 and UDP (48), the DNS' own header (12), the longest name (255), its type and class (4)."""
A_SECOND, AT_ONCE = 100, 200
"""Packets of all devices together."""
DNS = 53

F = Field
_OF_IP = OneOf(F.ETHERTYPE, ("ip", "ip6"))
_QUESTION = (OneOf(F.PROTOCOL, ("udp",)), OneOf(F.TO_PORT, (DNS,)))
_ASKED = Seldom("asked", (F.FROM_MAC,), an_hour=1200, at_once=100)
_HEARD = Seldom("heard", (F.FROM_MAC,), an_hour=120, at_once=20)
_HEARD_FIRST = Seldom("heard_first", (F.FROM_MAC,), DESTINATIONS_AN_HOUR, DESTINATIONS_AT_ONCE)
_TCP = OneOf(F.PROTOCOL, ("tcp",))
_HEADERS: tuple[tuple[str, tuple[Statement, ...], int], ...] = (
    ("ip", (NoneOf(F.OFFSET4, (0,)),), 20),
    ("ip", (_TCP,), 40),
    ("ip", (), 28),
    ("ip6", (NoneOf(F.OFFSET6, (0,)),), 48),
    ("ip6", (_TCP,), 60),
    ("ip6", (), 48),
)
"""Family, which packets, and octets of the headers of IP and of what it carries."""

LISTENING_SETS = tuple(
    Set(name, ("ether_addr",), size=EVIDENCE_SIZE, days=1, counts=False) for name in ("asked", "heard", "heard_first")
)


@functools.cache
def listening(layout: Layout, *, headers: bool, names: bool) -> Layout:
    """Return a table with what it takes to hear; the same where nothing is to be heard."""
    if not headers and not names:
        return layout
    first: tuple[Rule, ...] = ((*_QUESTION, _ASKED, Verdict("jump", "hear_name")),) if names else ()
    known: tuple[Rule, ...] = ((_OF_IP, _HEARD, Verdict("jump", "hear")),) if headers else ()
    fresh: tuple[Rule, ...] = ((_OF_IP, _HEARD_FIRST, Verdict("jump", "hear")),) if headers else ()
    chains = tuple(_with(chain, first, known, fresh) for chain in layout.chains)
    more = (*((_HEAR,) if headers else ()), *((_HEAR_NAME, _ASKED_HERE) if names else ()))
    return layout._replace(sets=(*layout.sets, *LISTENING_SETS), chains=(*chains, *more))


def _with(chain: Chain, first: tuple[Rule, ...], known: tuple[Rule, ...], fresh: tuple[Rule, ...]) -> Chain:
    """Put rules first, and before what the last rule says of packets to destinations that are known or fresh."""
    if chain.name == "record":
        return chain._replace(rules=(*first, *chain.rules[:-1], *known, chain.rules[-1]))
    if chain.name == "fresh":
        return chain._replace(rules=(*chain.rules[:-1], *fresh, chain.rules[-1]))
    return chain


_ENOUGH = (AtMost(A_SECOND, AT_ONCE), Verdict("return"))
_HEAR = Chain(
    "hear",
    (
        _ENOUGH,
        *(
            (
                OneOf(F.ETHERTYPE, (family,)),
                *which,
                Copy(GROUP, octets, HEADER),
                Verdict("return"),
            )
            for family, which, octets in _HEADERS
        ),
    ),
)
_HEAR_NAME = Chain("hear_name", (_ENOUGH, (Copy(GROUP, NAME_OCTETS, NAME),)))
_ASKED_HERE = Chain(
    "asked_here",
    ((InSet((F.FROM_INTERFACE,), "segments"), *_QUESTION, _ASKED, Verdict("goto", "hear_name")),),
    base=True,
    hook="input",
)
