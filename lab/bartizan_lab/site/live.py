"""An estate that lives: its cameras answer, its recorders record, its clouds are called, all in one event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field

from bartizan.ids import SiteId
from bartizan_lab.cameras import make
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.state import CloudAddress, Setting, Timings
from bartizan_lab.cloud import Cloud
from bartizan_lab.recorder import Recorder, Stream
from bartizan_lab.rtsp.server import RtspServer
from bartizan_lab.site import plan
from bartizan_lab.site.network import EstateNetwork, SiteNetwork
from bartizan_lab.site.plan import CameraPlan, SitePlan

CLOUD_PORT = 8666
SERVER_PORT = 445
"""On the department's own server: what a camera on the loose would try first."""

CLOUD = (
    CloudAddress(plan.INTERNET, CLOUD_PORT),
    CloudAddress(plan.INTERNET6, CLOUD_PORT),
    CloudAddress(plan.CORE_SERVER, SERVER_PORT),
)


@dataclass
class LiveSite:
    """One site's moving parts."""

    network: SiteNetwork
    cameras: dict[str, Camera] = field(default_factory=dict)
    recorder: Recorder | None = None

    @property
    def plan(self) -> SitePlan:
        """What it was built from."""
        return self.network.plan


class LiveEstate:
    """All moving parts. Make it with `live`."""

    def __init__(self, network: EstateNetwork, tasks: asyncio.TaskGroup, timings: Timings) -> None:
        self.network = network
        self.cloud = Cloud(network.internet_network(), tcp_ports=(CLOUD_PORT,), udp_ports=(CLOUD_PORT,))
        self.server = Cloud(network.server_network(), tcp_ports=(SERVER_PORT,), udp_ports=(SERVER_PORT,))
        self.sites: dict[SiteId, LiveSite] = {}
        self._tasks = tasks
        self._timings = timings
        self._running: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Start everything, and return when every camera is up."""
        for sink in (self.cloud, self.server):
            self._keep(sink.run())
        for network in self.network.sites:
            site = self.sites[network.plan.id] = LiveSite(network)
            for camera in network.plan.cameras:
                self._start(site, camera)
        for site in self.sites.values():
            for running in site.cameras.values():
                await running.wait_until_up()
            site.recorder = Recorder(site.network.recorder_network(), _streams(site))
            self._keep(site.recorder.run())

    async def plug_in(self, site: SiteId, camera: CameraPlan) -> Camera:
        """Put a new camera on a site's segment; return when it is up. Nobody has told anybody of it."""
        live_site = self.sites[site]
        live_site.network.plug_in(camera)
        started = self._start(live_site, camera)
        await started.wait_until_up()
        return started

    def end(self) -> None:
        """Stop everything."""
        for task in self._running:
            task.cancel()

    def _start(self, site: LiveSite, camera: CameraPlan) -> Camera:
        device = make(
            camera.kind,
            number=100 * site.plan.number + camera.number,
            mac=camera.mac,
            setting=Setting(timings=self._timings, cloud=CLOUD),
            **camera.facts,
        )
        if device.streams is not None:
            device.attach(RtspServer(device.streams, device.authorise))
        site.cameras[camera.name] = device
        self._keep(device.run(site.network.camera_network(camera)))
        return device

    def _keep(self, life: Coroutine[object, object, None]) -> None:
        self._running.append(self._tasks.create_task(life))


@contextlib.asynccontextmanager
async def live(sites: tuple[SitePlan, ...], timings: Timings | None = None) -> AsyncIterator[LiveEstate]:
    """Build an estate in namespaces and let it live for the block."""
    with EstateNetwork(sites) as network:
        async with asyncio.TaskGroup() as tasks:
            estate = LiveEstate(network, tasks, timings or Timings())
            try:
                await estate.begin()
                yield estate
            finally:
                estate.end()


def _streams(site: LiveSite) -> tuple[Stream, ...]:
    return tuple(
        Stream(camera.name, f"rtsp://{site.plan.camera(camera.number)}{device.streams.paths[0]}", *user)
        for camera in site.plan.cameras
        if (device := site.cameras[camera.name]).streams is not None
        for user in list(device.state.users.items())[:1]
    )
