"""What a gateway states of one device for one time: how it was held, what is proven of that, and what is not. Pure.

`compose` lays what was measured over what was asked. It claims the least that the facts allow: a time between two looks
in which the device was changed counts at the looser of both levels; what no look covers is a gap with its cause; and
the parts together are exactly the time that was asked about.
"""

import enum
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.ids import Address, DeviceId, Mac, SiteId

EVERYTHING = "everything"
BEFORE = "the gateway did not measure yet, or keeps nothing from then any more"
AFTER = "the gateway had not looked again when this was written"
LIMITS = (
    "It speaks of packets that cross this gateway: frames between devices of one switch never reach it.",
    "Another way out of the segment (a modem, a second router, a wireless network) does not pass it either.",
    "Devices are told apart by MAC and address. A device that takes another's is held as tightly as either of both.",
    "Times are those of this gateway's clock. Where that was set, a part ends.",
    "The gateway's own packets are not the device's: an update that the gateway brings is not counted.",
)


class Held(msgspec.Struct, frozen=True):
    """How the kernel held a device."""

    level: Level
    macs: tuple[Mac, ...]
    addresses: tuple[Address, ...]
    reach: tuple[str, ...] = ()
    """Networks and addresses that it could reach through the gateway; `everything` at `watch`."""
    around: str = ""
    """What takes packets past the packet filter; empty: nothing that is known."""


class Holding(msgspec.Struct, frozen=True):
    """From the first to the last look that found a device held like this. Unix seconds."""

    since: float
    until: float
    held: Held | None
    """None: nothing held it."""


class Measured(NamedTuple):
    """A time in which the whole table is proven to have been as applied, and why it is not one with the one before."""

    since: float
    until: float
    because: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part of the time that was asked about."""

    since: float
    until: float
    held: Held | None = None
    """None: nothing held it, or it is not known."""
    not_proven_because: str = ""
    """Empty: it is proven."""


class Verdict(enum.Enum):
    """What a statement amounts to."""

    PROVEN = "proven"
    """All of the time no packet could pass the gateway but to what `reach` names."""
    NOT_PROVEN = "not-proven"
    """For a part of the time that cannot be said."""
    NOT_HELD = "not-held"
    """For a part of the time it is proven that it could go anywhere, or past the gateway."""


class Statement(msgspec.Struct, frozen=True):
    """What a gateway signs. Times are Unix seconds by its clock."""

    format: int
    site: SiteId
    device: DeviceId
    since: float
    until: float
    made_at: float
    agent_version: str
    parts: tuple[Part, ...]
    """Oldest first; together they are the time from `since` to `until`."""
    dropped: tuple[DropCounter, ...] = ()
    """What it was kept from and tried at a time that touches this one: of 200 destinations at most, the last."""
    dropped_at_least: int = 0
    """Packets of those that were all dropped within this time."""
    unlisted: bool = False
    """Whether it ever tried more destinations than are listed; those packets were dropped as well."""
    limits: tuple[str, ...] = LIMITS
    """What the measurement cannot see."""


def compose(since: float, until: float, measured: Sequence[Measured], holdings: Sequence[Holding]) -> tuple[Part, ...]:
    """Return the parts of a time.

    Args:
        since: Of what is asked.
        until: Of what is asked; later than `since`.
        measured: Oldest first, none touching another.
        holdings: Of one device, oldest first, none touching another.
    """
    edges = [*((span.since, span.until) for span in measured), *((one.since, one.until) for one in holdings)]
    marks = sorted({since, until, *(edge for pair in edges for edge in pair if since < edge < until)})
    parts = (Part(begin, end, *_judge(begin, end, measured, holdings)) for begin, end in itertools.pairwise(marks))
    return tuple(_joined(parts))


def verdict(parts: Iterable[Part]) -> Verdict:
    """Return what parts amount to; the worst counts."""
    parts = tuple(parts)
    if any(not part.not_proven_because and not _is_closed(part.held) for part in parts):
        return Verdict.NOT_HELD
    return Verdict.NOT_PROVEN if not parts or any(part.not_proven_because for part in parts) else Verdict.PROVEN


def dropped_within(attempts: Iterable[DropCounter], since: float, until: float) -> tuple[tuple[DropCounter, ...], int]:
    """Return the attempts that touch a time, latest first, and the packets of those that lie within it."""
    touching = sorted((one for one in attempts if one.first_at <= until and one.last_at >= since), key=_newest_first)
    return tuple(touching), sum(one.packets for one in touching if since <= one.first_at and one.last_at <= until)


def _newest_first(one: DropCounter) -> tuple[float, str, str, int]:
    return -one.last_at, one.destination, one.protocol, one.port


def _judge(
    begin: float, end: float, measured: Sequence[Measured], holdings: Sequence[Holding]
) -> tuple[Held | None, str]:
    """Return how a device was held in a time without an edge in it, and why that is not proven."""
    if not any(span.since <= begin and end <= span.until for span in measured):
        following = next((span for span in measured if span.since >= end), None)
        if following is None:
            return None, AFTER if measured else BEFORE
        return None, following.because or BEFORE
    before = next((one for one in reversed(holdings) if one.since <= begin), None)
    after = next((one for one in holdings if one.until >= end), None)
    if before is not None and before is after:
        return before.held, ""
    return _looser(before.held if before else None, after.held if after else None), ""


def _looser(one: Held | None, other: Held | None) -> Held | None:
    """Return how a device was held at least while it was changed from one to the other, in one transaction."""
    if one is None or other is None:
        return None
    return Held(
        min(one.level, other.level),
        tuple(mac for mac in one.macs if mac in other.macs),
        tuple(address for address in one.addresses if address in other.addresses),
        tuple(dict.fromkeys((*one.reach, *other.reach))),
        "; ".join(dict.fromkeys(filter(None, (one.around, other.around)))),
    )


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    last: Part | None = None
    for part in parts:
        if last is not None and (last.held, last.not_proven_because) == (part.held, part.not_proven_because):
            last = msgspec.structs.replace(last, until=part.until)
        else:
            if last is not None:
                yield last
            last = part
    if last is not None:
        yield last


def _is_closed(held: Held | None) -> bool:
    return held is not None and held.level > Level.WATCH and not held.around
