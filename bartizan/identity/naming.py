"""What a device is called, so that it is the same device tomorrow at another address."""

import re

from bartizan.identity.model import Fact, Identity, Observation
from bartizan.ids import DeviceId, Mac, mac

TEXT_LIMIT = 128  # characters of a UUID: hostile devices say more
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_NO_DEVICE = frozenset({"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})


def stable_id(observation: Observation, identity: Identity) -> DeviceId:
    """Return a device's name: by its serial number, else its MAC address, else its UUID, else where it was seen.

    The maker is no part of it: what is thought of a device may change, its name must not. A device that tells its
    serial number only to those who log in is first known by its MAC address; who keeps an inventory joins the two.

    Raises:
        ValueError: There is nothing to name it by, not even an address.
    """
    if identity.serial:
        return DeviceId(f"serial:{_safe(identity.serial.upper())}")
    address = observation.mac or _told_mac(observation)
    if address is not None and address not in _NO_DEVICE:
        return DeviceId(f"mac:{address.replace(':', '')}")
    uuid = next((item.value for item in observation.evidence if item.fact is Fact.UUID and item.value), "")
    if uuid:
        return DeviceId(f"uuid:{_safe(uuid[:TEXT_LIMIT].lower().removeprefix('urn:uuid:'))}")
    if not observation.addresses:
        raise ValueError("an observation without serial number, MAC address, UUID and address is of no device")
    return DeviceId(f"address:{_safe(observation.interface)}:{_safe(observation.addresses[0])}")


def _told_mac(observation: Observation) -> Mac | None:
    """Return the MAC address that a device behind a router told of itself."""
    for item in sorted(observation.evidence, key=lambda item: -item.weight):
        if item.fact is Fact.MAC:
            try:
                return mac(item.value)
            except ValueError:
                continue
    return None


def _safe(text: str) -> str:
    """Escape what is awkward in a URL or a file name, so that different texts stay different."""
    return _UNSAFE.sub(
        lambda match: "".join(f"~{octet:02x}" for octet in match.group().encode(errors="backslashreplace")), text
    )
