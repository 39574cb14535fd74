"""Which device is which asset: by serial number, then MAC, then address within a site. Nothing is guessed. Pure.

What names of both sides contradict is not the same unit: a camera with another serial number at the expected address
has replaced the expected one. Where several devices fit one asset, or several assets one device, all are shown.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bartizan.ids import DeviceId, SiteId
from bartizan_controller.assets.model import Asset


class Key(enum.Enum):
    """What a device and an asset have in common, strongest first."""

    SERIAL = "serial"
    MAC = "mac"
    ADDRESS = "address"


class Result(enum.Enum):
    """How an asset or a device came out."""

    FOUND = "found"
    ELSEWHERE = "elsewhere"
    """Found, but at another site than expected."""
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    UNEXPECTED = "unexpected"


class KnownDevice(msgspec.Struct, frozen=True):
    """What is known of a device, as far as it matters here."""

    site: SiteId
    device: DeviceId
    lost: bool = False
    last_seen: float = 0.0


class Candidate(NamedTuple):
    """A device that has a name in common with an asset."""

    asset: int
    """Its place among the assets."""
    device: KnownDevice
    by: Key
    contradicted: bool = False
    """For an address: whether both have a serial number or MAC, and not the same."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one asset, or of a device that no list has."""

    result: Result
    asset: Asset | None = None
    devices: tuple[KnownDevice, ...] = ()
    by: Key | None = None
    note: str = ""


def reconcile(assets: Sequence[Asset], candidates: Iterable[Candidate]) -> tuple[Outcome, ...]:
    """Return what became of each asset, in their order."""
    of: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        of.setdefault(candidate.asset, []).append(candidate)
    outcomes = [_judge(asset, of.get(index, ())) for index, asset in enumerate(assets)]
    claims: dict[KnownDevice, list[Asset]] = {}
    for asset, outcome in zip(assets, outcomes, strict=True):
        if outcome.by is not None and outcome.result is not Result.AMBIGUOUS:
            claims.setdefault(outcome.devices[0], []).append(asset)
    return tuple(_alone(outcome, claims) for outcome in outcomes)


def _judge(asset: Asset, candidates: Sequence[Candidate]) -> Outcome:
    fitting = {key: {each.device for each in candidates if each.by is key and not each.contradicted} for key in Key}
    serial, by_mac = fitting[Key.SERIAL], fitting[Key.MAC]
    if serial and by_mac and not serial & by_mac:
        note = "its serial number is one device's, its MAC another's"
        return Outcome(Result.AMBIGUOUS, asset, _sorted(serial | by_mac), note=note)
    for key, devices in (
        (Key.SERIAL, serial & by_mac or serial),
        (Key.MAC, by_mac),
        (Key.ADDRESS, fitting[Key.ADDRESS]),
    ):
        if devices:
            return _chosen(asset, key, devices)
    others = _sorted({each.device for each in candidates if each.contradicted})
    note = f"at its address is another device: {', '.join(each.device for each in others)}" if others else ""
    return Outcome(Result.MISSING, asset, note=note)


def _chosen(asset: Asset, key: Key, devices: set[KnownDevice]) -> Outcome:
    # A device that was moved is still known where it was, as lost.
    there = {each for each in devices if not each.lost}
    fitting = _sorted(there or devices)
    if len(fitting) > 1:
        return Outcome(Result.AMBIGUOUS, asset, fitting, key, f"several devices have its {key.value}")
    (device,) = fitting
    if device.lost:
        return Outcome(Result.MISSING, asset, fitting, key, "it is known, and not seen any more")
    if device.site != asset.site:
        return Outcome(Result.ELSEWHERE, asset, fitting, key, f"it is at {device.site}")
    return Outcome(Result.FOUND, asset, fitting, key)


def _alone(outcome: Outcome, claims: Mapping[KnownDevice, Sequence[Asset]]) -> Outcome:
    if outcome.by is None or outcome.result is Result.AMBIGUOUS:
        return outcome
    claimants = claims[outcome.devices[0]]
    if len(claimants) == 1:
        return outcome
    others = ", ".join(each.name or f"entry {each.line}" for each in claimants if each != outcome.asset)
    return msgspec.structs.replace(outcome, result=Result.AMBIGUOUS, note=f"it could be {others} as well")


def _sorted(devices: set[KnownDevice]) -> tuple[KnownDevice, ...]:
    return tuple(sorted(devices, key=lambda each: (each.site, each.device)))
