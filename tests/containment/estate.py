"""A site of any size for tests that look at the whole table, and shorthand for changing it."""

import msgspec

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network


def estate(size: int, level: Level = Level.ISOLATE) -> Ruleset:
    """Return a ruleset with two segments and `size` dual-stack devices, each with a recorder of its own."""
    return Ruleset(
        segments=(Segment("cam0", Level.ISOLATE), Segment("cam1", Level.BLOCK_EGRESS)),
        estate_networks=(Network("10.0.0.0/8"), Network("fd00::/8")),
        devices=tuple(camera(number, level) for number in range(size)),
        segment_recorders=(Address("10.1.0.6"),),
    )


def camera(number: int, level: Level = Level.ISOLATE) -> ContainedDevice:
    """Return the device of that number."""
    return ContainedDevice(
        id=DeviceId(f"camera-{number}"),
        interface="cam0" if number % 2 == 0 else "cam1",
        level=level,
        macs=(Mac(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"),),
        addresses=(Address(f"10.9.{number >> 8}.{number & 255}"), Address(f"fd00:9::{number + 1:x}")),
        recorders=(Address("10.1.0.5"),),
    )


def with_level(ruleset: Ruleset, number: int, level: Level) -> Ruleset:
    """Return the ruleset with one device at another level."""
    devices = list(ruleset.devices)
    devices[number] = msgspec.structs.replace(devices[number], level=level)
    return msgspec.structs.replace(ruleset, devices=tuple(devices))
