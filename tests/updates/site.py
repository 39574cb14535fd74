"""A small site on loopback: emulated cameras with real ports, a server of images, and a real updater."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from bartizan.firmware.model import Image
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, ImageId, OrderId, RolloutId
from bartizan.trust.credentials import Credential
from bartizan.trust.orders import Install
from bartizan_agent import camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Driver
from bartizan_agent.images import ImageCache
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.store import open_store
from bartizan_agent.updates import journal
from bartizan_agent.updates.engine import Settings, Updater
from bartizan_agent.updates.model import Assignment, Limits
from bartizan_lab.cameras import images as made
from bartizan_lab.cameras import registry
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.state import Setting, Timings
from bartizan_lab.network import HostNetwork
from bartizan_lab.rtsp.server import RtspServer
from tests.updates.image_server import ImageServer

SCHEMAS = (login_budget.SCHEMA, camera_certificates.SCHEMA, journal.SCHEMA)
SECONDS = 60.0
"""For any wait in a test: longer than any camera is given."""

HURRIED = Limits(
    fetch_pause=0.05,
    pause=0.05,
    poll_seconds=0.05,
    settle_seconds=0.6,
    commit_pause=0.05,
    look_again_seconds=0.1,
    fault_pause=0.05,
)
"""With real limits a test would last as long as an update."""
TIMINGS = Timings(
    reboot_seconds=0.25, shutdown_seconds=0.05, flash_seconds=0.2, settle_seconds=0.05, minute_seconds=5.0
)

NEW_BUILD = date(2026, 3, 1)
MAKERS = {
    "hikvision": "hikvision",
    "hikvision-nvr": "hikvision",
    "hikvision-oem": "hikvision",
    "dahua": "dahua",
    "dahua-oem": "dahua",
    "axis": "axis",
    "hanwha": "hanwha",
    "uniview": "uniview",
    "uniview-old": "uniview",
    "uniview-nvr": "uniview",
    "lineage": "tvt",
    "onvif": "vivotek",
}


class WallClock:
    """The machine's clock, as an agent's."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Told:
    """What the updater told."""

    events: list[tuple[str, DeviceId, dict[str, str]]] = field(default_factory=list)

    def __call__(self, kind: str, device: DeviceId, detail: dict[str, str]) -> None:
        self.events.append((kind, device, detail))

    def ended(self, device: DeviceId) -> list[dict[str, str]]:
        return [detail for kind, of, detail in self.events if of == device and kind != "update.step"]

    def code(self, device: DeviceId) -> str:
        """The end of the device's only update, and its cause."""
        (detail,) = self.ended(device)
        return f"{detail['end']}: {detail['code']}" if "end" in detail else detail["code"]

    def states(self, device: DeviceId) -> list[str]:
        """The phases it went through, repetitions left out."""
        told = [detail["state"] for kind, of, detail in self.events if of == device and kind == "update.step"]
        return [state for before, state in zip(["", *told], told, strict=False) if before != state]


def hurried(worst_case_seconds: float) -> tuple[Driver, ...]:
    """The real drivers, with families whose cameras come back sooner."""

    def families(driver: Driver) -> tuple[Any, ...]:
        return tuple(
            msgspec.structs.replace(
                family,
                worst_case_seconds=worst_case_seconds,
                rolls_back_by_itself_seconds=min(1.0, family.rolls_back_by_itself_seconds),
            )
            for family in driver.families
        )

    return tuple(type(type(driver).__name__, (type(driver),), {"families": families(driver)})() for driver in DRIVERS)


@dataclass
class EmulatedCamera:
    """One camera of the site, and the image that is meant for it."""

    kind: str
    camera: Camera
    network: HostNetwork
    image: Image
    content: bytes

    @property
    def device(self) -> Device:
        state = self.camera.state
        identity = Identity(
            maker=MAKERS[self.kind],
            model=state.model,
            serial=state.serial,
            kind=Kind.RECORDER if self.kind.endswith("nvr") else Kind.CAMERA,
        )
        return Device(DeviceId(self.kind), identity, "lo", addresses=(Address(self.network.address),))

    def assignment(self, **changes: Any) -> Assignment:
        device = self.device
        ((user, password),) = self.camera.state.users.items()
        install = Install(OrderId("order-1"), RolloutId("spring"), device.id, self.image.id)
        tags = changes.pop("tags", ())
        return Assignment(
            msgspec.structs.replace(install, **changes), self.image, device, Credential(user, password), tags
        )


def emulate(kind: str, number: int, **facts: Any) -> EmulatedCamera:
    """Return a camera of that kind at an address of its own, and a newer image for it."""
    camera = registry.make(kind, setting=Setting(timings=TIMINGS), number=number, **facts)
    traits: Any = getattr(camera, "traits", None)
    model = camera.state.model
    match MAKERS[kind]:
        case "hikvision":
            packed = made.HikvisionImage(
                traits.platform, "V5.8.1", NEW_BUILD, traits.language, traits.device_class, traits.oem_code
            )
            name, version, content = "digicap.dav", "V5.8.1 build 260301", packed.pack()
        case "dahua":
            name = "DH_IPC.bin"
            version = "2.880.00IB005.0.R" if kind == "dahua-oem" else "2.880.0000000.5.R"
            content = made.DahuaImage(traits.family, version, NEW_BUILD).pack()
        case "axis":
            name, version = "P3265-V_12_1_5.bin", "12.1.5"
            content = made.SealedImage(made.AXIS_IMAGE, model, version, NEW_BUILD).pack()
        case "hanwha":
            name, version = "qnv-8080r_2.22.02.img", "2.22.02_20260301_R101"
            content = made.SealedImage(made.HANWHA_IMAGE, model, version, NEW_BUILD).pack()
        case "uniview":
            name, version = "update.bin", f"{camera.state.firmware[:-6]}260301"
            content = made.SealedImage(made.UNIVIEW_IMAGE, model, version, NEW_BUILD).pack()
        case _:
            name, version = "nc-200.img", "1.3.0"
            content = made.SealedImage(made.ONVIF_IMAGE, model, version, NEW_BUILD).pack()
    image = Image(
        id=ImageId(f"sha256:{hashlib.sha256(content).hexdigest()}"),
        file_name=name,
        length=len(content),
        maker=MAKERS[kind],
        models=(model,),
        version=version,
        build_date=NEW_BUILD.isoformat() if MAKERS[kind] in {"hikvision", "dahua"} else "",
    )
    return EmulatedCamera(kind, camera, HostNetwork(f"127.77.{number}.2"), image, content)


@dataclass
class Site:
    """The site while it runs."""

    cameras: dict[str, EmulatedCamera]
    server: ImageServer
    updater: Updater
    told: Told
    folder: Path

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, within the limit of all waits."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                await asyncio.sleep(0.01)  # a real camera process on the other side gives no signal

    async def until_ended(self) -> None:
        """Wait until every camera's update has ended."""
        await self.until(lambda: all(self.told.ended(camera.device.id) for camera in self.cameras.values()))

    def codes(self) -> dict[str, str]:
        """How each camera's update ended."""
        return {kind: self.told.code(camera.device.id) for kind, camera in self.cameras.items()}


@contextlib.asynccontextmanager
async def running_site(
    folder: Path, cameras: Iterable[EmulatedCamera], *, worst_case_seconds: float = 30.0, at_once: int = 8
) -> AsyncIterator[Site]:
    """Run cameras, image server and updater while the block lasts. Nothing is assigned yet."""
    by_kind = {camera.kind: camera for camera in cameras}
    server = ImageServer({camera.image.id.removeprefix("sha256:"): camera.content for camera in by_kind.values()})
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(server.serving())
        for one in by_kind.values():
            assert one.camera.streams is not None
            one.camera.attach(RtspServer(one.camera.streams, one.camera.authorise))
            await stack.enter_async_context(one.camera.serve(one.network))
            one.camera.state.booted_at -= 86400  # up for a day, so that a restart shows in whole seconds
        clock, told = WallClock(), Told()
        connection = open_store(folder / "store.db", SCHEMAS)
        stack.callback(connection.close)
        budget = LoginBudget(connection, clock.now, restart_pauses=(0.3, 0.3))
        updater = Updater(
            connection,
            hurried(worst_case_seconds),
            CameraHttp(budget, connection, clock=clock.now).open,
            ImageCache(folder / "images", server.url, tls=None, limit=1 << 30, reserve=0),
            clock=clock,
            emit=told,
            settings=Settings(folder / "backups", at_once=at_once, limits=HURRIED),
        )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running = tasks.create_task(updater.run())
        yield Site(by_kind, server, updater, told, folder)
        running.cancel()
