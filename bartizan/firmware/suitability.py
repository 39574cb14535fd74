"""Why an image must not go on a device. An empty answer is the only permission there is."""

import msgspec

from bartizan.firmware import patterns, versions
from bartizan.firmware.model import Image
from bartizan.firmware.versions import Ordering, Version
from bartizan.identity.model import Device, Identity


class Installed(msgspec.Struct, frozen=True):
    """What runs on a device, as it said just now or as the inventory holds it."""

    firmware: str
    build_date: str = ""
    """ISO 8601."""
    platform: str = ""
    """The firmware family key."""


def installed_by(identity: Identity) -> Installed:
    """Return what runs on a device as the inventory holds it."""
    return Installed(identity.firmware, identity.build_date, identity.platform)


def why_not(image: Image, device: Device, installed: Installed | None = None) -> tuple[str, ...]:
    """Return every reason why `image` must not go on `device`; nothing if it may.

    Args:
        image: A vetted image of the catalogue.
        device: The device as the inventory holds it.
        installed: What it runs by its own word just now; the inventory's word if left out.
    """
    running = installed or installed_by(device.identity)
    return (*_standing(image), *_wrong_device(image, device.identity, running), *_wrong_order(image, running))


def other_model(image: Image, identity: Identity) -> tuple[str, ...]:
    """Return why an image is not for a device of this kind, whatever that runs; nothing if it is."""
    return tuple(reason for reason in (_maker(image, identity), _model(image, identity)) if reason)


def _standing(image: Image) -> tuple[str, ...]:
    return (f"{image.file_name} was recalled",) if image.recalled else ()


def _wrong_device(image: Image, identity: Identity, running: Installed) -> tuple[str, ...]:
    platform = _platform(image, running)
    return (*other_model(image, identity), *((platform,) if platform else ()))


def _maker(image: Image, identity: Identity) -> str:
    if not identity.maker:
        return "the device's maker is unknown"
    if identity.maker != image.maker:
        return f"the image is for {image.maker}, the device was made by {identity.maker}"
    return ""


def _model(image: Image, identity: Identity) -> str:
    model = identity.model.strip()
    if not model:
        return "the device's model is unknown"
    if not any(patterns.wildcard(pattern)(model) for pattern in image.models):
        return f"the image is not for {model}, but for {', '.join(image.models) or 'no model'}"
    return ""


def _platform(image: Image, running: Installed) -> str:
    if not image.platforms:
        return ""
    if not running.platform:
        return f"the device's platform is unknown, and the image is for {', '.join(image.platforms)}"
    if running.platform.casefold() not in {platform.casefold() for platform in image.platforms}:
        return f"the image is for {', '.join(image.platforms)}, the device is {running.platform}"
    return ""


def _wrong_order(image: Image, running: Installed) -> tuple[str, ...]:
    present = versions.parse(image.maker, running.firmware, running.build_date)
    offered = versions.parse(image.maker, image.version, image.build_date)
    if present is None:
        return (f"what it runs ({running.firmware or 'unknown'}) cannot be read as a version of {image.maker}",)
    if offered is None:
        return (f"the image's version {image.version!r} cannot be read as one of {image.maker}",)
    reasons = (_direction(image, present, offered), _stepping_stone(image, present))
    return tuple(reason for reason in reasons if reason)


def _direction(image: Image, present: Version, offered: Version) -> str:
    match versions.order(image.maker, offered, present):
        case Ordering.NEWER:
            return ""
        case Ordering.SAME:
            return f"{image.version} is already installed"
        case Ordering.OLDER:
            return f"it would be a downgrade, from {_said(present)} to {_said(offered)}"
        case None:
            return f"whether {_said(offered)} is newer than {_said(present)} cannot be told"


def _stepping_stone(image: Image, present: Version) -> str:
    if not image.requires_version_at_least:
        return ""
    required = versions.parse(image.maker, image.requires_version_at_least)
    ordering = versions.order(image.maker, present, required) if required else None
    if ordering is None:
        return f"whether {_said(present)} is at least {image.requires_version_at_least} cannot be told"
    if ordering is Ordering.OLDER:
        return f"{image.requires_version_at_least} must be installed first"
    return ""


def _said(version: Version) -> str:
    """Name a version, with its build date where its own text does not tell it."""
    digits = version.build_date.replace("-", "")[2:]
    is_told = not digits or digits in version.raw or version.build_date in version.raw
    return version.raw if is_told else f"{version.raw} built {version.build_date}"
