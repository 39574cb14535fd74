"""What a gateway should have read back from its kernel, against what it says it did. Pure.

An acknowledgement is not believed, and neither is a gateway's own idea of what is wanted: each device that it reported
is judged here again, by the published policy and the orders that it says it holds.
"""

from collections.abc import Iterable, Sequence

import msgspec

from bartizan.containment.level import Level
from bartizan.identity.model import Kind
from bartizan.ids import SiteId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import site_facts
from bartizan.policy.preview import Seen
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook
from bartizan.wire.up import Posture

TOLD_AT_MOST = 20


class ReadBack(msgspec.Struct, frozen=True):
    """What one gateway reported last."""

    site: SiteId
    posture: Posture
    """Without its devices."""
    devices: tuple[Seen, ...]
    at: float
    """When it was measured; Unix seconds."""


def differences(read_back: ReadBack, catalogue: Catalogue, books: Sequence[OrderBook]) -> tuple[str, ...]:
    """Return how a gateway that goes by `catalogue` holds its devices otherwise than it should, at most 20 ways.

    What it cannot enforce is no difference: it says so, and it was not held before either.
    """
    if read_back.posture.released:
        return (f"containment is {read_back.posture.released}",)
    evaluator = Evaluator(catalogue, site_facts(catalogue.sites, read_back.site), tuple(books))
    found = [
        f"{seen.device.id}: {how}"
        for seen in read_back.devices
        if (how := _difference(seen, evaluator.verdict(seen.device, read_back.at).level))
    ]
    return at_most(found)


def at_most(found: Sequence[str]) -> tuple[str, ...]:
    """Return the first 20 of them, and how many more there are."""
    if len(found) <= TOLD_AT_MOST:
        return tuple(found)
    return (*found[:TOLD_AT_MOST], f"and {len(found) - TOLD_AT_MOST} more")


def stream_drops(read_back: ReadBack, recorders: Iterable[str]) -> int:
    """Return how many packets of cameras to recorders of the site were dropped, where nothing demands that.

    Those of a device in quarantine, which reaches its gateway alone, are not counted.

    Args:
        read_back: What was reported.
        recorders: Addresses of recorders that the site's signed facts declare.
    """
    known = {
        address
        for seen in read_back.devices
        if seen.device.identity.kind is Kind.RECORDER
        for address in seen.device.addresses
    } | set(recorders)
    cameras = {
        mac
        for seen in read_back.devices
        if seen.device.identity.kind is not Kind.RECORDER
        and seen.posture is not None
        and seen.posture.wanted is not Level.QUARANTINE
        for mac in seen.device.macs
    }
    drops = read_back.posture.drops
    return sum(drop.packets for drop in drops if drop.mac in cameras and drop.destination in known)


def _difference(seen: Seen, expected: Level) -> str:
    posture = seen.posture
    if posture is None:
        return f"should be at {expected.value}; its gateway has not judged it"
    if posture.not_enforceable_because:
        return ""
    if posture.wanted is not expected:
        return f"should be at {expected.value}; its gateway wants {posture.wanted.value}"
    if posture.enforced is not expected:
        held = posture.enforced.value if posture.enforced else "nothing"
        return f"should be at {expected.value}; its kernel holds {held}"
    return ""
