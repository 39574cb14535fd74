"""What devices tried to reach and were kept from, and what it means that one tried nothing. Pure.

A gateway sums the packets that it drops by MAC and destination, as far back as it keeps them; one of before capability
4 tells the kernel's counters, which end. So what is kept is the sum of what reports add, and it is never more than what
was dropped. A gateway that does not measure for a while tells of the gap, once it measures again.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.ids import Address, DeviceId, Mac, address, mac
from bartizan.wire.up import DROPS_REPORTED

OF_A_DEVICE = 200
"""Destinations kept of a device at most: those that it tried last."""
OF_A_SITE = 20_000
PACKETS_AT_MOST = 2**62  # a database holds twice as much, so that a sum of two never fails
PROTOCOL_CHARACTERS = 16


class Owner(Protocol):
    """A device, as far as it is needed to say whose packets they are."""

    @property
    def id(self) -> DeviceId:
        """Its identifier."""

    @property
    def macs(self) -> tuple[Mac, ...]:
        """Those that it sends from."""


class Target(NamedTuple):
    """What a gateway counts dropped packets by."""

    mac: Mac
    destination: Address
    protocol: str
    port: int


class Running(NamedTuple):
    """A counter of the gateway that had not ended: whose it is, and how far it was."""

    device: DeviceId
    counter: int


class Rise(NamedTuple):
    """A counter that moved."""

    device: DeviceId
    target: Target
    packets: int
    """By how many."""
    counter: int
    first_at: float = 0.0
    last_at: float = 0.0
    """As the gateway says; 0 where it does not."""


class Movement(NamedTuple):
    """What a report changes of a site's attempts."""

    risen: tuple[Rise, ...]
    ended: tuple[tuple[DeviceId, Target], ...]


class Attempt(msgspec.Struct, frozen=True):
    """A destination that a device tried to reach and was kept from.

    Times are those at which the gateway found its counter moved; of one before capability 4, those of its reports.
    """

    mac: Mac
    """The one that it sent from."""
    destination: Address
    protocol: str
    port: int
    """0 where the protocol has none."""
    packets: int
    """Dropped since the first, at least."""
    first_at: float
    last_at: float


class Held(msgspec.Struct, frozen=True):
    """A time in which a device was held in the same way."""

    since: float
    until: float | None
    """Null: it still is."""
    level: Level | None
    """Null: nothing held it, or it was not there."""
    around: str = ""
    """Why part of what it sends does not pass the gateway, so that nobody drops or counts it."""


class Gap(msgspec.Struct, frozen=True):
    """A time for which a gateway cannot prove what it enforced."""

    since: float
    until: float
    because: str


class Known(msgspec.Struct, frozen=True):
    """What there is to judge a device's attempts by."""

    attempts: Sequence[Attempt] = ()
    held: Sequence[Held] = ()
    """Newest first."""
    connected: bool = True
    """Whether its gateway is there."""
    gaps: Sequence[Gap] = ()
    unlisted: int = 0
    """Packets that were dropped and counted without their destinations."""


class Outcome(enum.Enum):
    """What is known of a device's attempts. Only the first is a block that was seen to work."""

    DROPPED = "dropped"
    """It tried, and was kept from it."""
    UNATTEMPTED = "unattempted"
    """It tried nothing that its level forbids."""
    NOT_HELD = "not-held"
    """Nothing was dropped, but not all of the time was there anything to drop it."""
    NOT_MEASURED = "not-measured"
    """Nothing was dropped as far as is known, but its gateway is away, or did not measure all of the time."""


def movement(running: Mapping[Target, Running], devices: Iterable[Owner], drops: Sequence[DropCounter]) -> Movement:
    """Return what a report's counters add to those known to run. What names no address or MAC is left out."""
    owners = {owned: device.id for device in devices for owned in device.macs}
    told = {target: drop for drop in drops[:DROPS_REPORTED] if (target := _target(drop)) is not None}
    counted = {target: drop.packets for target, drop in told.items()}
    risen: list[Rise] = []
    of_device: Counter[DeviceId] = Counter()
    for target, packets in sorted(counted.items(), key=lambda one: -one[1]):
        owner, before = owners.get(target.mac), running.get(target)
        if owner is None or (before is not None and before.counter == packets):
            continue
        of_device[owner] += 1
        if of_device[owner] <= OF_A_DEVICE:
            added = packets - before.counter if before is not None and before.counter < packets else packets
            risen.append(Rise(owner, target, added, packets, told[target].first_at, told[target].last_at))
    # Where a report holds the busiest only, one that it leaves out may run on.
    over = set(running) - set(counted) if len(drops) < DROPS_REPORTED else set()
    over |= {rise.target for rise in risen if rise.target in running and running[rise.target].device != rise.device}
    return Movement(tuple(risen), tuple((running[target].device, target) for target in sorted(over)))


def outcome(known: Known, *, since: float) -> Outcome:
    """Return what is known of a device's attempts since a time."""
    if known.attempts or known.unlisted:
        return Outcome.DROPPED
    if not known.connected:
        return Outcome.NOT_MEASURED
    if not _is_held_throughout(known.held, since):
        return Outcome.NOT_HELD
    return Outcome.NOT_MEASURED if known.gaps else Outcome.UNATTEMPTED


def sentence(known: Known, *, since: float) -> str:
    """Return the same in words, with what nobody could have counted."""
    found = outcome(known, since=since)
    told = [_GAPS if found is Outcome.NOT_MEASURED and known.connected else _WORDS[found]]
    if known.unlisted:
        told.append(
            f"It tried more than is listed: {known.unlisted} packets to other destinations were dropped as well."
        )
    if found is Outcome.DROPPED and not known.connected:
        told.append("Its gateway is away: what it tried since then is told when the gateway is back.")
    if found is Outcome.DROPPED and not _is_held_throughout(known.held, since):
        told.append("For part of that time nothing held it, or `watch`: what it reached then was not counted.")
    if found is Outcome.DROPPED and known.gaps:
        told.append("For part of that time its gateway did not measure: what it tried then is not known.")
    if any(span.around for span in known.held):
        told.append("Part of what it sends does not pass the gateway, and is neither dropped nor counted.")
    return " ".join(told)


def spans(held: Iterable[Held]) -> tuple[Held, ...]:
    """Return times in which a device was held, newest first, with neighbours that are alike as one."""
    joined: list[Held] = []
    for span in held:
        later = joined[-1] if joined else None
        if later is not None and (later.level, later.around) == (span.level, span.around):
            joined[-1] = msgspec.structs.replace(later, since=span.since)
        else:
            joined.append(span)
    return tuple(joined)


_GAPS = (
    "Nothing was dropped as far as was measured, but for part of that time its gateway did not measure: what it tried"
    " then is not known."
)
_WORDS = {
    Outcome.DROPPED: "It tried to reach these and was kept from it: the packets were dropped.",
    Outcome.UNATTEMPTED: (
        "Nothing was tried: it was held all the time, and no packet of it had to be dropped. That is not the same as a"
        " block that was seen to work, for there was nothing to stop; `bartizan-agent self-test` on its gateway tries"
        " one."
    ),
    Outcome.NOT_HELD: (
        "Nothing was dropped, but for part of that time nothing held it, or `watch`, or nobody knew it. Whatever it"
        " tried then was let through and not counted: this says nothing of what it reached."
    ),
    Outcome.NOT_MEASURED: (
        "Nothing was dropped as far as is known, but its gateway is away: what it tried is told when the gateway is"
        " back."
    ),
}


def _target(drop: DropCounter) -> Target | None:
    """Return what was counted, or None where a gateway writes what no packet has."""
    spelled = drop.protocol.isascii() and drop.protocol.isalnum() and len(drop.protocol) <= PROTOCOL_CHARACTERS
    if not spelled or not 0 <= drop.port < 2**16 or not 0 < drop.packets < PACKETS_AT_MOST:
        return None
    try:
        return Target(mac(drop.mac), address(drop.destination), drop.protocol, drop.port)
    except ValueError:
        return None


def _is_held_throughout(held: Sequence[Held], since: float) -> bool:
    return bool(held) and held[-1].since <= since and all(span.level and span.level > Level.WATCH for span in held)
