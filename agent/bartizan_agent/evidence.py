"""Evidence: what the kernel really enforces and counts, made into the site's report. Pure but for its memory.

A report is said at once when something of substance changed: a device, a level, a version. Counters alone make a new
one after a wait that doubles while nothing else happens, so that ten thousand cameras that keep calling home do not
become ten thousand reports an hour.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.containment.model import DeviceDrops
from bartizan.hardening.rules import standing
from bartizan.identity.model import Device
from bartizan.ids import Address, BootId, DeviceId, SiteId
from bartizan.policy.model import Verdict
from bartizan.wire.codec import report_digest
from bartizan.wire.up import DevicePosture, Posture, Report
from bartizan_agent.reconcile import Link
from bartizan_agent.switches.outcome import SwitchesEnforced

FIRST_WAIT_SECONDS = 5.0
NO_SWITCHES = SwitchesEnforced()
_MEND = "isolate the switch's ports, then set ports_isolated"
NAMED = 3
"""Neighbours named of a device that shares a switch with them; all of a large segment would be a large report."""


class Neighbours(NamedTuple):
    """Who else is on a switch."""

    named: tuple[DeviceId, ...]
    """The first few."""
    total: int

    def __str__(self) -> str:
        more = self.total - len(self.named)
        return ", ".join(self.named) + (f" and {more} others" if more else "")


def device_postures(
    devices: Iterable[Device],
    verdicts: Mapping[DeviceId, Verdict],
    enforced: Mapping[DeviceId, Level],
    drops: Iterable[DeviceDrops],
    limits: Mapping[DeviceId, str],
    switches: SwitchesEnforced = NO_SWITCHES,
) -> tuple[DevicePosture, ...]:
    """Return how each judged device is held. `limits` says why some are not held in full."""
    ports = switches.held()
    dropped = {one.device: one.sent + one.received for one in drops}
    return tuple(
        DevicePosture(
            device=device.id,
            wanted=verdicts[device.id].level,
            enforced=enforced.get(device.id),
            explanation=(verdicts[device.id].explanation,),
            dropped_packets=dropped.get(device.id, 0),
            enforceable=device.id not in limits,
            not_enforceable_because=limits.get(device.id, ""),
            harden={duty.value: standing(device.hardening, duty.value).value for duty in verdicts[device.id].harden},
            remove_by=verdicts[device.id].remove_by,
            switch=ports.get(device.id, ""),
        )
        for device in devices
        if device.id in verdicts
    )


def limits(
    devices: Iterable[Device],
    verdicts: Mapping[DeviceId, Verdict],
    links: Iterable[Link],
    recorders: Iterable[Address],
    bypasses: Iterable[str],
    switches: SwitchesEnforced = NO_SWITCHES,
) -> dict[DeviceId, str]:
    """Return why this gateway cannot hold some devices as wanted, whatever its packet filter says.

    Frames between two devices of one switch never reach the gateway, but a managed switch may keep one of them apart; a
    flowtable takes flows past its filter, and so may the way in which a segment is connected.
    """
    apart, shortfalls = switches.held().keys(), switches.shortfalls()
    links = tuple(links)
    past = {link.interface: link.around for link in links}
    isolated_ports = {link.interface for link in links if link.ports_isolated}
    around, declared = "; ".join(bypasses), frozenset(recorders)
    present = [device for device in devices if not device.lost and device.id in verdicts]
    strangers: dict[str, list[DeviceId]] = {}
    for device in sorted(present, key=attrgetter("id")):
        if declared.isdisjoint(device.addresses) and device.id not in apart:
            strangers.setdefault(device.interface, []).append(device.id)
    found: dict[DeviceId, str] = {}
    for device in present:
        level = verdicts[device.id].level
        others = _without(device.id, strangers.get(device.interface, []))
        reasons = "; ".join(filter(None, (around, past.get(device.interface, ""))))
        if reasons and level > Level.WATCH:
            found[device.id] = reasons
        elif (
            others.total
            and level >= Level.ISOLATE
            and device.interface not in isolated_ports
            and device.id not in apart
        ):
            found[device.id] = (
                f"it shares a switch behind {device.interface} with {others}, and frames between them do not"
                f" pass this gateway: {shortfalls.get(device.id) or _MEND}"
            )
    return found


def _without(device: DeviceId, ordered: Sequence[DeviceId]) -> Neighbours:
    place = bisect_left(ordered, device)
    is_among = ordered[place : place + 1] == [device]
    named = [each for each in ordered[: NAMED + 1] if each != device]
    return Neighbours(tuple(named[:NAMED]), len(ordered) - is_among)


def alike(some: Iterable[Device], others: Iterable[Device]) -> bool:
    """Return whether devices are the same but for when they were last seen."""
    return _timeless(some) == _timeless(others)


class Reporter:
    """Holds the present report, and decides when what is known makes a new one."""

    def __init__(self, site: SiteId, boot: BootId, *, longest_wait_seconds: float) -> None:
        self._site = site
        self._boot = boot
        self._longest_wait = longest_wait_seconds
        self._wait = 0.0
        self.present: Report | None = None

    def renew(self, devices: tuple[Device, ...], posture: Posture, at: float) -> bool:
        """Make a new report if it is time for one; return whether it was made. `at` is Unix seconds."""
        present = self.present
        if present is not None and (present.devices, present.posture) == (devices, posture):
            return False
        if present is not None and _substance(present.devices, present.posture) == _substance(devices, posture):
            if 0 <= at - present.taken_at < self._wait:
                return False
            self._wait = min(2 * self._wait, self._longest_wait)
        else:
            self._wait = min(FIRST_WAIT_SECONDS, self._longest_wait)
        self.present = Report(self._site, self._boot, at, report_digest(devices, posture), devices, posture)
        return True


def _substance(devices: tuple[Device, ...], posture: Posture) -> tuple[tuple[Device, ...], Posture]:
    """Return the same without what moves by itself."""
    postures = tuple(replace(device, dropped_packets=0) for device in posture.devices)
    return _timeless(devices), replace(posture, devices=postures, drops=(), names=())


def _timeless(devices: Iterable[Device]) -> tuple[Device, ...]:
    return tuple(replace(device, last_seen=0.0) for device in devices)
