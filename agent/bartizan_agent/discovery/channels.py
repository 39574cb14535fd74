"""The discovery protocols that are spoken by datagram: where each is asked and heard, and who reads its answers."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from bartizan_agent.discovery import (
    bosch,
    dhdiscover,
    eden,
    foscam,
    hanwha,
    mdns,
    nicevision,
    panasonic,
    sadp,
    sony,
    ssdp,
    ubiquiti,
    vision360,
    vivotek,
    vstarcam,
    ws_discovery,
)
from bartizan_agent.discovery.answer import Answer
from bartizan_agent.discovery.interfaces import Interface

BROADCAST = "255.255.255.255"


class Round(msgspec.Struct, frozen=True):
    """One asking of a protocol on an interface. Rounds repeat because datagrams get lost."""

    number: int
    """From 0."""
    uuid: UUID
    interface: Interface


class Channel(msgspec.Struct, frozen=True):
    """One protocol."""

    name: str
    port: int
    """Where devices are asked."""
    destinations: tuple[str, ...]
    """IPv4 groups, and broadcast, that are asked in turn: one a round. None: it is only overheard."""
    request: Callable[[Round], bytes]
    parse: Callable[[bytes], Answer]
    destinations_v6: tuple[str, ...] = ()
    answer_port: int = 0
    """Where answers come whoever asked, so that we ask from there; 0 where they come to the asker alone."""
    asks_directly: bool = False
    """Whether devices are known to answer a request to their own address, too."""

    def groups(self, *, v6: bool) -> tuple[str, ...]:
        """Return the groups to be joined to overhear it."""
        return self.destinations_v6 if v6 else tuple(x for x in self.destinations if x != BROADCAST)

    @property
    def overheard_port(self) -> int:
        """Where announcements, and answers to others, can be heard without asking; 0 if nowhere."""
        return self.answer_port or (self.port if self.groups(v6=False) else 0)


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
    request=lambda _: mdns.request(),
    parse=mdns.parse,
    answer_port=mdns.PORT,
)
_ALL = (
    Channel(
        name="SADP",
        port=sadp.PORT,
        destinations=(sadp.GROUP,),
        request=lambda asked: sadp.request(asked.uuid),
        parse=sadp.parse,
        answer_port=sadp.PORT,  # much firmware answers to the group
        asks_directly=True,
    ),
    Channel(
        name="WS-Discovery",
        port=ws_discovery.PORT,
        destinations=(ws_discovery.GROUP,),
        destinations_v6=(ws_discovery.GROUP_V6,),
        request=lambda asked: ws_discovery.request(
            asked.uuid, ws_discovery.TYPES[asked.number % len(ws_discovery.TYPES)]
        ),
        parse=ws_discovery.parse,
        asks_directly=True,
    ),
    Channel(
        name="DHDiscover",
        port=dhdiscover.PORT,
        destinations=(dhdiscover.GROUP, BROADCAST),
        request=lambda _: dhdiscover.request(),
        parse=dhdiscover.parse,
        asks_directly=True,
    ),
    Channel(
        name="DHDiscover (UDP 5050)",
        port=dhdiscover.OLD_PORT,
        destinations=(BROADCAST,),
        request=lambda _: dhdiscover.old_request(),
        parse=dhdiscover.parse_old,
    ),
    _MDNS,
    Channel(
        name="SSDP",
        port=ssdp.PORT,
        destinations=(ssdp.GROUP,),
        request=lambda _: ssdp.request(),
        parse=ssdp.parse,
    ),
    Channel(
        name="Hanwha",
        port=hanwha.PORT,
        destinations=(BROADCAST,),
        request=lambda _: hanwha.request(),
        parse=hanwha.parse,
        answer_port=hanwha.ANSWER_PORT,
    ),
    Channel(
        name="Bosch",
        port=bosch.PORT,
        destinations=(BROADCAST,),
        request=lambda asked: bosch.request(asked.uuid),
        parse=bosch.parse,
        answer_port=bosch.ANSWER_PORT,
    ),
    Channel(
        name="Vivotek",
        port=vivotek.PORT,
        destinations=(BROADCAST,),
        request=lambda asked: vivotek.request(asked.number),
        parse=vivotek.parse,
    ),
    Channel(
        name="Foscam",
        port=foscam.PORT,
        destinations=(BROADCAST,),
        request=lambda _: foscam.request(),
        parse=foscam.parse,
        answer_port=foscam.PORT,  # they answer by broadcast
    ),
    Channel(
        name="Sony",
        port=sony.PORT,
        destinations=(BROADCAST,),
        request=lambda _: sony.request(),
        parse=sony.parse,
    ),
    Channel(
        name="Panasonic",
        port=panasonic.PORT,
        destinations=(BROADCAST,),
        request=lambda asked: panasonic.request(asked.interface),
        parse=panasonic.parse,
        answer_port=panasonic.ANSWER_PORT,
    ),
    Channel(
        name="Panasonic (answers by broadcast)",
        port=panasonic.PORT,
        destinations=(),
        request=lambda asked: panasonic.request(asked.interface),
        parse=panasonic.parse,
        answer_port=panasonic.PORT,
    ),
    Channel(
        name="Ubiquiti",
        port=ubiquiti.PORT,
        destinations=(ubiquiti.GROUP, BROADCAST),
        request=lambda _: ubiquiti.request(),
        parse=ubiquiti.parse,
        answer_port=ubiquiti.PORT,  # they answer by broadcast, and announce themselves there
    ),
    Channel(
        name="360 Vision",
        port=vision360.PORT,
        destinations=(BROADCAST,),
        request=lambda _: vision360.request(),
        parse=vision360.parse,
        answer_port=vision360.PORT,
    ),
    Channel(
        name="VStarcam",
        port=vstarcam.PORT,
        destinations=(BROADCAST,),
        request=lambda _: vstarcam.request(),
        parse=vstarcam.parse,
        answer_port=vstarcam.ANSWER_PORT,
    ),
    Channel(
        name="NiceVision",
        port=nicevision.PORT,
        destinations=(BROADCAST,),
        request=lambda asked: nicevision.request(asked.number),
        parse=nicevision.parse,
        answer_port=nicevision.PORT,
    ),
    Channel(
        name="Eden Optima",
        port=eden.PORT,
        destinations=(BROADCAST,),
        request=lambda _: eden.request(),
        parse=eden.parse,
        answer_port=eden.PORT,
    ),
)
