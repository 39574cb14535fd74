"""What the demonstration measures: at the controller what was reported, in the lab what really happened."""

import time
from datetime import date
from typing import Any, NamedTuple

from bartizan.ids import Mac
from bartizan_lab.cameras import Camera
from bartizan_lab.demo import estate
from bartizan_lab.demo.people import Claim, Workstation
from bartizan_lab.site.live import LiveEstate
from bartizan_lab.site.plan import CameraPlan, SitePlan

Json = dict[str, Any]


class Standing(NamedTuple):
    """What an update may change about a camera, as the camera itself has it."""

    firmware: str
    build: date
    serial: str
    boot_id: str
    users: dict[str, str]
    meddling: tuple[str, ...]


LISTED = ("hikvision", "dahua")
"""Who really built the kinds of camera that uk-hcws386 speaks of: the lab's own truth."""


class Measure:
    """Looks at an estate from both ends."""

    def __init__(self, live: LiveEstate, people: Workstation) -> None:
        self._live = live
        self._people = people

    async def devices(self) -> dict[Mac, Json]:
        """Return what the controller knows of each device, by MAC."""
        states = await self._people.ask("bartizan", "device", "list")
        return {Mac(mac): state for state in states for mac in state["device"]["macs"]}

    async def all_named(self) -> bool:
        """Return whether every device is known, and those of drivers with maker and firmware."""
        known = await self.devices()
        return all(_is_named(known.get(camera.mac), camera) for _, camera in _cameras())

    async def all_held(self) -> bool:
        """Return whether kernels hold what is wanted everywhere, and every listed maker's camera at some level."""
        known = await self.devices()
        listed = [known.get(camera.mac) for _, camera in _listed()]
        return all(is_held(state) for state in known.values()) and all(
            state is not None and state["posture"]["enforced"] not in (None, "watch") for state in listed
        )

    async def drops_are_reported(self) -> bool:
        """Return whether dropped packets were counted for every contained device."""
        known = await self.devices()
        return all(known[camera.mac]["posture"]["dropped_packets"] > 0 for _, camera in _listed())

    async def dropped(self) -> int:
        """Return how many packets of contained devices were reported as dropped."""
        known = await self.devices()
        return sum(known[camera.mac]["posture"]["dropped_packets"] for _, camera in _listed())

    async def is_known(self, mac: Mac) -> bool:
        """Return whether a device was reported."""
        return mac in await self.devices()

    async def is_reported_everywhere(self, kind: str) -> bool:
        """Return whether every site reported an event of that kind."""
        events = await self._people.ask("bartizan", "event", "list", "--kind", kind)
        return {event["site"] for event in events} >= {site.id for site in estate.SITES}

    async def all_acknowledge(self, versions: Json) -> bool:
        """Return whether every gateway said that it goes by these versions of the catalogue."""
        accepted = await self._people.ask("bartizan", "event", "list", "--kind", "catalogue.accepted")
        wanted = {f"{role}={version}" for role, version in versions.items()}
        said = {event["site"] for event in accepted if wanted <= set(event["detail"]["versions"].split())}
        return said >= {site.id for site in estate.SITES}

    async def failure_of(self, device: str) -> Json:
        """Return how a device's update failed, as its gateway reported it.

        Raises:
            Claim: It reported none, or several.
        """
        failed = await self._people.ask("bartizan", "event", "list", "--kind", "update.failed", "--device", device)
        if len(failed) != 1:
            raise Claim(f"{len(failed)} failed updates of {device} were reported")
        detail: Json = failed[0]["detail"]
        return detail

    def calls(self, addresses: list[str]) -> int:
        """Return how many calls of these addresses reached the internet."""
        return sum(self._live.cloud.received.total(address) for address in addresses)

    def core_calls(self, addresses: list[str]) -> int:
        """Return how many calls of these addresses reached the department's own server."""
        return sum(self._live.server.received.total(address) for address in addresses)

    async def all_have_called(self) -> bool:
        """Return whether every device has reached the internet."""
        return all(self.calls(_addresses(site, camera)) for site, camera in _cameras())

    def all_addresses(self) -> list[str]:
        """Return the addresses of every device, IPv4 and IPv6."""
        return [address for place in _cameras() for address in _addresses(*place)]

    def listed_addresses(self, *, only_sensitive: bool = False) -> list[str]:
        """Return the addresses of listed makers' cameras; all, or those of the sensitive site."""
        return [
            address
            for site, camera in _listed()
            if site.id == estate.TOWN_HALL or not only_sensitive
            for address in _addresses(site, camera)
        ]

    def last_call(self, mac: str) -> float | None:
        """Return how many seconds ago a device was last heard on the internet; None if never."""
        place = next(((site, camera) for site, camera in _cameras() if camera.mac == mac), None)
        if place is None:
            return None
        heard = self._live.cloud.received.last_at
        times = [heard[address] for address in _addresses(*place) if address in heard]
        return time.monotonic() - max(times) if times else None

    async def has_tried(self, camera: Camera) -> bool:
        """Return whether a camera has tried to call out a few times."""
        return camera.calls.tcp_attempts >= 3 and camera.calls.udp_attempts >= 3

    async def all_recorded(self) -> bool:
        """Return whether every recorder receives every stream."""
        recorders = [site.recorder for site in self._live.sites.values() if site.recorder]
        return all(recorder.is_receiving(name) for recorder in recorders for name in recorder.recordings)

    @property
    def streams(self) -> int:
        """How many streams there are to record."""
        return sum(len(site.recorder.recordings) for site in self._live.sites.values() if site.recorder)

    def standing_of(self, device: str) -> Standing:
        """Return how the lab's camera behind a device id stands."""
        state = self.camera_of(device).state
        users = dict(state.users)
        return Standing(state.firmware, state.build, state.serial, state.boot_id, users, tuple(state.meddling))

    def is_recorded(self, device: str) -> bool:
        """Return whether a recorder receives a camera's stream."""
        serial = self.camera_of(device).state.serial
        return any(
            site.recorder is not None and site.recorder.is_receiving(name)
            for site in self._live.sites.values()
            for name, camera in site.cameras.items()
            if camera.state.serial == serial
        )

    def camera_of(self, device: str) -> Camera:
        """Return the lab's camera behind a device id.

        Raises:
            Claim: There is none with that serial number.
        """
        for site in self._live.sites.values():
            for camera in site.cameras.values():
                if camera.state.serial.lower() in device.lower():
                    return camera
        raise Claim(f"no camera of the lab has the serial number in {device!r}")


def _cameras() -> list[tuple[SitePlan, CameraPlan]]:
    return [(site, camera) for site in estate.SITES for camera in site.cameras]


def _listed() -> list[tuple[SitePlan, CameraPlan]]:
    return [(site, camera) for site, camera in _cameras() if _lineage(camera) in LISTED]


def _lineage(camera: CameraPlan) -> str:
    return camera.kind.partition("-")[0]


def _addresses(site: SitePlan, camera: CameraPlan) -> list[str]:
    return [str(site.camera(camera.number)), f"{site.prefix6(1)}::{10 + camera.number:x}"]


def _is_named(state: Json | None, camera: CameraPlan) -> bool:
    if state is None:
        return False
    identity = state["device"]["identity"]
    if _lineage(camera) not in (*LISTED, "axis"):
        return True
    return identity["maker"] == _lineage(camera) and bool(identity["firmware"])


def is_held(state: Json) -> bool:
    """Return whether the kernel holds a device at the level that is wanted. The demo's cameras share a switch."""
    posture = state["posture"]
    return posture is not None and posture["wanted"] == posture["enforced"]
