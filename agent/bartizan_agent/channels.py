"""Which devices of the site a recorder records, by what it says of its channels. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from bartizan.identity.model import Device, RecorderChannel
from bartizan.ids import Address, DeviceId, address, mac
from bartizan_agent.drivers.contract import Channel, Failure
from bartizan_agent.roster import Learn

_LONGEST_SERIAL = 80  # characters
_NO_MAC = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})


class Told(NamedTuple):
    """Who is told what devices say once they are logged in to."""

    learn: Learn
    tie: Callable[[DeviceId, tuple[Channel, ...]], None]
    """Told what a recorder says of its channels."""
    unread: Callable[[DeviceId, Failure | None], None] = lambda _device, _failure: None
    """Told why a device could not be asked; None once it could."""


class Recorded(NamedTuple):
    """A recorder's channels, held against the inventory."""

    channels: tuple[RecorderChannel, ...] = ()

    @property
    def cameras(self) -> tuple[DeviceId, ...]:
        """Known devices, in the order of the channels."""
        return tuple(dict.fromkeys(DeviceId(channel.camera) for channel in self.channels if channel.camera))

    @property
    def strangers(self) -> tuple[Address, ...]:
        """Addresses that no known device has: cameras behind the recorder's own ports, mostly."""
        places = (channel.address for channel in self.channels if not channel.camera)
        return tuple(dict.fromkeys(Address(place) for place in places if place))


def recorded(channels: Iterable[Channel], devices: Iterable[Device]) -> Recorded:
    """Return whom a recorder records.

    A serial number names a camera more surely than a MAC, which a repair may change, and that more surely than an
    address, which somebody else may have taken over. An address that is none says nothing.
    """
    by_serial: dict[str, DeviceId] = {}
    by_mac: dict[str, DeviceId] = {}
    by_address: dict[str, DeviceId] = {}
    for device in devices:
        if device.identity.serial:
            by_serial.setdefault(device.identity.serial.upper(), device.id)
        by_mac |= {card: by_mac.get(card, device.id) for card in device.macs}
        by_address |= {place: by_address.get(place, device.id) for place in device.addresses}

    def tied(channel: Channel) -> RecorderChannel:
        place, card, serial = _place(channel.address), _mac(channel.mac), channel.serial.strip()[:_LONGEST_SERIAL]
        ways = (
            ("serial", by_serial.get(serial.upper())),
            ("MAC", by_mac.get(card)),
            ("address", by_address.get(place)),
        )
        way, camera = next(((way, camera) for way, camera in ways if camera is not None), ("", ""))
        return RecorderChannel(channel.number, camera, way, place, serial, card)

    return Recorded(tuple(tied(channel) for channel in channels))


def _place(text: str) -> str:
    try:
        place = address(text)
    except ValueError:
        return ""
    return "" if place in {"0.0.0.0", "::"} else place


def _mac(text: str) -> str:
    try:
        card = mac(text)
    except ValueError:
        return ""
    return "" if card in _NO_MAC else card
