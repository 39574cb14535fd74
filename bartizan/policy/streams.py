"""Which video streams a recorder would lose when levels change, as far as it is known who records whom.

That is known only where a recorder was asked for its channels. A recorder that the site's signed facts declare keeps
its cameras at `isolate`; nothing reaches a camera at `quarantine`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Kind
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.model import SiteFacts

Channels = Mapping[DeviceId, Iterable[DeviceId]]
"""The cameras of the same site that each recorder says it records."""


class LostStream(msgspec.Struct, frozen=True):
    """A camera that a recorder records today and would not any more."""

    site: SiteId
    recorder: DeviceId
    camera: DeviceId
    because: str


class Reach(NamedTuple):
    """How the devices of a site are held, and which recorders its signed facts declare."""

    levels: Mapping[DeviceId, Level]
    facts: SiteFacts


def lost_streams(
    devices: Mapping[DeviceId, Device], channels: Channels, before: Reach, after: Reach
) -> list[LostStream]:
    """Return the streams that pass before and do not pass after."""
    return [
        LostStream(after.facts.id, recorder, camera, obstacle)
        for recorder, cameras in channels.items()
        if recorder in devices
        for camera in cameras
        if camera in devices
        and not _obstacle(devices[recorder], camera, before)
        and (obstacle := _obstacle(devices[recorder], camera, after))
    ]


def without_recorder(devices: Mapping[DeviceId, Device], channels: Channels, before: Reach, after: Reach) -> int:
    """Return how many devices come to be isolated where nobody knows who records them, and no recorder is declared.

    What is known to be neither camera nor recorder is not counted.
    """
    if after.facts.recorders:
        return 0
    known = {camera for cameras in channels.values() for camera in cameras} | channels.keys()
    unknown = (each.id for each in devices.values() if each.id not in known and each.identity.kind is not Kind.OTHER)
    return sum(_cut_off(unknown, before, after))


def _cut_off(devices: Iterable[DeviceId], before: Reach, after: Reach) -> Iterator[bool]:
    return (before.levels[each] < Level.ISOLATE <= after.levels[each] for each in devices)


def _obstacle(recorder: Device, camera: DeviceId, reach: Reach) -> str:
    """Return why a recorder cannot reach a camera across the gateway; empty if it can."""
    ends = (("the camera", reach.levels[camera]), ("the recorder", reach.levels[recorder.id]))
    for name, level in ends:
        if level is Level.QUARANTINE:
            return f"{name} is quarantined: it reaches its gateway alone"
    is_declared = not set(reach.facts.recorders).isdisjoint(recorder.addresses)
    for name, level in ends:
        if level is Level.ISOLATE and not is_declared:
            return f"{name} is isolated, and the site's signed facts do not declare the recorder"
    return ""
