"""Recorder and RTSP server: streams flow, wrong passwords do not, and gaps are noticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from bartizan_lab.cameras.access import Access, LockOut
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.network import HostNetwork
from bartizan_lab.recorder import Recorder, Recording, Stream
from bartizan_lab.rtsp.server import RtspServer

PROFILE = StreamProfile(paths=("/Streaming/Channels/101",), realm="IP Camera(12345)", server="")
CAMERA, RECORDER = HostNetwork("127.0.3.2"), HostNetwork("127.0.3.3")
URL = "rtsp://127.0.3.2/Streaming/Channels/101"


class Site:
    """A camera's access control and RTSP server, and a recorder that pulls from it."""

    def __init__(self, *streams: Stream) -> None:
        self.access = Access({"viewer": "secret"}, LockOut(5, 60.0), now=lambda: 0.0, secret=b"s")
        self.server = RtspServer(PROFILE, self.access.judge, packet_seconds=0.005)
        self.recorder = Recorder(RECORDER, streams)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[dict[str, Recording]]:
        async with asyncio.TaskGroup() as tasks, self.server.open(CAMERA, tasks):
            recording = tasks.create_task(self.recorder.run())
            try:
                yield self.recorder.recordings
            finally:
                recording.cancel()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_stream_is_recorded_without_loss() -> None:
    """Packets arrive in order and are counted."""
    site = Site(Stream("gate", URL, "viewer", "secret"))
    async with site.running() as recordings:
        await until(lambda: recordings["gate"].packets >= 20)

        assert site.recorder.is_receiving("gate")
        assert recordings["gate"].lost == 0
        assert recordings["gate"].problem == ""


async def test_a_wrong_password_counts_towards_the_lock_out() -> None:
    """The camera's lock-out counts RTSP logins too."""
    site = Site(Stream("gate", URL, "viewer", "guess"))
    async with site.running() as recordings:
        await until(lambda: bool(recordings["gate"].problem))

        assert "the camera answered 401" in recordings["gate"].problem
        assert recordings["gate"].packets == 0
        assert site.access.failures("127.0.3.3") == 1


async def test_a_stranger_and_a_wrong_path_get_nothing() -> None:
    """An unknown user is 401, an unknown path is 404, and neither ends the server."""
    site = Site(
        Stream("stranger", URL, "nobody", "secret"),
        Stream("elsewhere", "rtsp://127.0.3.2/live", "viewer", "secret"),
        Stream("gate", URL, "viewer", "secret"),
    )
    async with site.running() as recordings:
        await until(
            lambda: (
                bool(recordings["stranger"].problem and recordings["elsewhere"].problem)
                and recordings["gate"].packets > 0
            )
        )

        assert "answered 401" in recordings["stranger"].problem
        assert "answered 404" in recordings["elsewhere"].problem


async def test_a_stream_that_ends_is_pulled_again() -> None:
    """A camera that reboots is recorded again as soon as it is back."""
    site = Site(Stream("gate", URL, "viewer", "secret"))
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(site.recorder.run())
        for connections in (1, 2):
            async with site.server.open(CAMERA, tasks):
                await until(lambda: site.recorder.recordings["gate"].connections == connections)  # noqa: B023 - awaited here
        recording.cancel()
