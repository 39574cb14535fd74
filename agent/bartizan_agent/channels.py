"""Which devices of the site a recorder records, by what it says of its channels. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import Address, DeviceId, address
from bartizan_agent.drivers.contract import Channel, Failure
from bartizan_agent.roster import Learn


class Told(NamedTuple):
    """Who is told what devices say once they are logged in to."""

    learn: Learn
    tie: Callable[[DeviceId, tuple[Channel, ...]], None]
    """Told what a recorder says of its channels."""
    unread: Callable[[DeviceId, Failure | None], None] = lambda _device, _failure: None
    """Told why a device could not be asked; None once it could."""


class Recorded(msgspec.Struct, frozen=True):
    """A recorder's channels, held against the inventory."""

    cameras: tuple[DeviceId, ...] = ()
    """Known devices, in the order of the channels."""
    strangers: tuple[Address, ...] = ()
    """Addresses that no known device has: cameras behind the recorder's own ports, mostly."""


def recorded(channels: Iterable[Channel], devices: Iterable[Device]) -> Recorded:
    """Return whom a recorder records.

    A serial number names a camera more surely than an address, which somebody else may have taken over. An address that
    is none, or a channel without one, says nothing.
    """
    by_serial: dict[str, DeviceId] = {}
    by_address: dict[str, DeviceId] = {}
    for device in devices:
        if device.identity.serial:
            by_serial.setdefault(device.identity.serial.upper(), device.id)
        by_address |= {place: by_address.get(place, device.id) for place in device.addresses}
    cameras: dict[DeviceId, None] = {}
    strangers: dict[Address, None] = {}
    for channel in channels:
        place = _place(channel.address)
        known = by_serial.get(channel.serial.upper()) or by_address.get(place)
        if known is not None:
            cameras[known] = None
        elif place:
            strangers[Address(place)] = None
    return Recorded(tuple(cameras), tuple(strangers))


def _place(text: str) -> str:
    try:
        place = address(text)
    except ValueError:
        return ""
    return "" if place in {"0.0.0.0", "::"} else place
