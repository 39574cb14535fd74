"""Records the emulated devices for the tests of the drivers: `python -m bartizan_lab.recordings` writes what differs.

Time stands still while they are recorded, so that the same emulators give the same recordings.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bartizan.identity.model import Device, Identity
from bartizan.ids import Address, DeviceId
from bartizan.trust.credentials import Credential
from bartizan_agent import camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Driver
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.recordings.capture import record
from bartizan_agent.recordings.model import Of, Recording, encode
from bartizan_agent.store import open_volatile
from bartizan_lab.cameras import registry
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.state import Setting, Timings
from bartizan_lab.network import HostNetwork
from bartizan_lab.rtsp.server import RtspServer

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "recordings"
AT = 1_767_268_800.0
"""1 January 2026, noon."""
_UP_SECONDS = 86_400.0


@dataclass(frozen=True)
class Subject:
    """One emulated device to record, with facts that differ from its kind's own."""

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def driver(self) -> Driver:
        """Return who reads it."""
        return next(driver for driver in DRIVERS if driver.name == self.kind.partition("-")[0])


SUBJECTS = (
    Subject("hikvision"),
    Subject("hikvision", {"model": "DS-2CD2032-I", "firmware": "V5.2.0", "build": "2014-07-21", "platform": ""}),
    Subject("hikvision-oem"),
    Subject("hikvision-nvr", {"channel_addresses": ("10.90.1.11", "10.90.1.12")}),
    Subject("dahua"),
    Subject(
        "dahua",
        {
            "model": "IPC-HFW2831T",
            "firmware": "2.840.0000000.6.R",
            "build": "2021-11-04",
            "family": "IPC-HX2XXX",
            "space_before_build": True,
        },
    ),
    Subject(
        "dahua",
        {
            "model": "IPC-HFW1230S",
            "firmware": "2.622.0000000.4.R",
            "build": "2018-07-02",
            "family": "IPC-HX1XXX",
            "sparse_system_info": True,
        },
    ),
    Subject("dahua-oem"),
    Subject("axis"),
    Subject("axis", {"model": "M1065-LW", "firmware": "9.80.1", "build": "2020-04-29"}),
    Subject("hanwha"),
    Subject("hanwha", {"model": "XNP-6320H", "firmware": "2.22.00", "build": "2024-02-01", "prefers_json": True}),
    Subject("hanwha-samsung"),
    Subject("uniview"),
    Subject("uniview-old"),
    Subject("uniview-nvr"),
    Subject("bosch"),
    Subject("bosch-old"),
    Subject("lineage-tvt"),
    Subject("lineage-xiongmai"),
    Subject("onvif"),
    Subject("onvif", {"model": "NC-100", "firmware": "1.0.7", "tells_time": False}),
)


async def recorded(subject: Subject, address: str) -> Recording:
    """Stand an emulated device up at a loopback address, and return its recording."""
    camera = registry.make(subject.kind, setting=Setting(Timings(settle_seconds=0.0), now=lambda: AT), **subject.facts)
    network = HostNetwork(address)
    ((user, password),) = camera.state.users.items()
    async with _standing(camera, network):
        connection = open_volatile((login_budget.SCHEMA, camera_certificates.SCHEMA))
        with contextlib.closing(connection):
            http = CameraHttp(LoginBudget(connection, lambda: AT), connection, clock=lambda: AT)
            device = Device(
                DeviceId("emulated"),
                Identity(model=camera.state.model),
                network.interface,
                (camera.state.mac,),
                (Address(address),),
            )
            return await record(http, subject.driver, device, Credential(user, password), Of.EMULATOR)


@contextlib.asynccontextmanager
async def _standing(camera: Camera, network: HostNetwork) -> AsyncIterator[None]:
    if camera.streams is not None:
        camera.attach(RtspServer(camera.streams, camera.authorise))
    async with camera.serve(network):
        camera.state.booted_at -= _UP_SECONDS
        yield


def path_of(recording: Recording) -> Path:
    """Return where a recording belongs."""
    return FOLDER / recording.driver / recording.file_name


async def main() -> None:
    """Record every subject and write what differs."""
    for number, subject in enumerate(SUBJECTS, start=1):
        recording = await recorded(subject, f"127.9.17.{number}")
        path, text = path_of(recording), encode(recording)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parents[1])}\n")


if __name__ == "__main__":
    asyncio.run(main())
