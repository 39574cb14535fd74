"""The discovery protocols that are spoken by datagram: where each is asked and heard, and who reads its answers."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from bartizan_agent.discovery import dhdiscover, mdns, sadp, ssdp, ws_discovery
from bartizan_agent.discovery.answer import Answer

BROADCAST = "255.255.255.255"


class Channel(msgspec.Struct, frozen=True):
    """One protocol."""

    name: str
    port: int
    destinations: tuple[str, ...]
    """IPv4 groups, and broadcast, that are asked in turn: one a round."""
    request: Callable[[UUID, int], bytes]
    """The request of a round, numbered from 0; rounds repeat because datagrams get lost."""
    parse: Callable[[bytes], Answer]
    destinations_v6: tuple[str, ...] = ()
    answers_to_group: bool = False
    """Whether some devices answer to the group, or to the well-known port, so that we must ask from that port."""

    def groups(self, *, v6: bool) -> tuple[str, ...]:
        """Return the groups to be joined to overhear it."""
        return self.destinations_v6 if v6 else tuple(x for x in self.destinations if x != BROADCAST)


def channels() -> tuple[Channel, ...]:
    """Return the protocols that can be spoken here: mDNS only with zeroconf installed."""
    return tuple(channel for channel in _ALL if channel is not _MDNS or mdns.is_readable())


def left_out() -> tuple[str, ...]:
    """Return what cannot be spoken here, and why, in words for people."""
    return () if mdns.is_readable() else ("mDNS is left out: install bartizan-agent[mdns] to hear Axis cameras by it",)


_MDNS = Channel(
    name="mDNS",
    port=mdns.PORT,
    destinations=(mdns.GROUP,),
    destinations_v6=(mdns.GROUP_V6,),
    request=lambda _uuid, _round: mdns.request(),
    parse=mdns.parse,
    answers_to_group=True,
)
_ALL = (
    Channel(
        name="SADP",
        port=sadp.PORT,
        destinations=(sadp.GROUP,),
        request=lambda uuid, _round: sadp.request(uuid),
        parse=sadp.parse,
        answers_to_group=True,
    ),
    Channel(
        name="WS-Discovery",
        port=ws_discovery.PORT,
        destinations=(ws_discovery.GROUP,),
        destinations_v6=(ws_discovery.GROUP_V6,),
        request=lambda uuid, number: ws_discovery.request(uuid, ws_discovery.TYPES[number % len(ws_discovery.TYPES)]),
        parse=ws_discovery.parse,
    ),
    Channel(
        name="DHDiscover",
        port=dhdiscover.PORT,
        destinations=(dhdiscover.GROUP, BROADCAST),
        request=lambda _uuid, _round: dhdiscover.request(),
        parse=dhdiscover.parse,
    ),
    Channel(
        name="DHDiscover (UDP 5050)",
        port=dhdiscover.OLD_PORT,
        destinations=(BROADCAST,),
        request=lambda _uuid, _round: dhdiscover.old_request(),
        parse=dhdiscover.parse_old,
    ),
    _MDNS,
    Channel(
        name="SSDP",
        port=ssdp.PORT,
        destinations=(ssdp.GROUP,),
        request=lambda _uuid, _round: ssdp.request(),
        parse=ssdp.parse,
    ),
)
