"""Asset lists as NetBox's REST API gives them: `/api/dcim/devices/?limit=0`, or its pages' entries in one list."""

import msgspec

from bartizan_controller.assets.model import AssetList, Builder, Faults, Places

NOT_EXPECTED = frozenset({"planned", "inventory", "decommissioning"})
"""Statuses of what is not on the network yet, or no longer."""


class _Named(msgspec.Struct):
    name: str = ""
    slug: str = ""


class _Type(msgspec.Struct):
    model: str = ""
    manufacturer: _Named | None = None


class _Status(msgspec.Struct):
    value: str = ""


class _Address(msgspec.Struct):
    address: str = ""


class _Device(msgspec.Struct):
    name: str | None = None
    serial: str | None = None
    site: _Named | None = None
    device_type: _Type | None = None
    status: _Status | None = None
    primary_ip: _Address | None = None
    primary_ip4: _Address | None = None
    mac_address: str | None = None


class _Page(msgspec.Struct):
    results: list[_Device]
    next: str | None = None


def read_netbox(octets: bytes, places: Places) -> AssetList:
    """Return the assets of a list of NetBox devices; what is planned, in stock or being removed is left out.

    Raises:
        ValueError: With what is wrong with which entry.
    """
    faults, left_out = Faults(), dict[str, int]()
    builder = Builder(places, faults)
    for number, device in enumerate(_devices(octets), 1):
        status = device.status.value if device.status else ""
        if status in NOT_EXPECTED:
            left_out[status] = left_out.get(status, 0) + 1
        else:
            builder.add(f"entry {number} ({device.name or 'without a name'})", number, _fields(device))
    faults.finish()
    if not builder.assets:
        raise ValueError("the list has no device that is expected on the network")
    return AssetList(builder.assets, left_out)


def _devices(octets: bytes) -> list[_Device]:
    try:
        document = msgspec.json.decode(octets, type=_Page | list[_Device])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"this is no list of devices as NetBox exports it ({error})") from error
    if isinstance(document, list):
        return document
    if document.next:
        raise ValueError("this is one page of several: export all, with ?limit=0")
    return document.results


def _fields(device: _Device) -> dict[str, str]:
    site, kind = device.site or _Named(), device.device_type or _Type()
    address = device.primary_ip or device.primary_ip4 or _Address()
    return {
        "site": site.slug or site.name,
        "name": device.name or "",
        "serial": device.serial or "",
        "mac": device.mac_address or "",
        "address": address.address,
        "maker": (kind.manufacturer or _Named()).name,
        "model": kind.model,
    }
