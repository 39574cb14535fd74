"""Recorder and RTSP server: streams flow, wrong passwords do not, and gaps are noticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.network import HostNetwork
from bartizan_lab.recorder import Recorder, Stream
from bartizan_lab.rtsp.server import RtspServer

PROFILE = StreamProfile(paths=("/Streaming/Channels/101",), realm="IP Camera(12345)", server="")
PATH = "rtsp://127.0.3.2:5540/Streaming/Channels/101"


@contextlib.asynccontextmanager
async def running(*programs: RtspServer | Recorder) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(
                program.run(HostNetwork("127.0.3.2"), 5540) if isinstance(program, RtspServer) else program.run()
            )
            for program in programs
        ]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_stream_is_recorded_without_loss() -> None:
    """Packets arrive in order and are counted."""
    server = RtspServer(PROFILE, {"viewer": "secret"}.get, packet_seconds=0.005)
    recorder = Recorder(HostNetwork("127.0.3.3"), (Stream("gate", PATH, "viewer", "secret"),))
    async with running(server, recorder):
        await until(lambda: recorder.recordings["gate"].packets >= 20)

        assert recorder.is_receiving("gate")
        assert recorder.recordings["gate"].lost == 0
        assert recorder.recordings["gate"].problem == ""


async def test_a_wrong_password_is_refused_and_told_to_the_camera() -> None:
    """The camera's lock-out counts RTSP logins too."""
    refused: list[str] = []
    server = RtspServer(PROFILE, {"viewer": "secret"}.get, refused.append)
    recorder = Recorder(HostNetwork("127.0.3.3"), (Stream("gate", PATH, "viewer", "guess"),))
    async with running(server, recorder):
        await until(lambda: bool(recorder.recordings["gate"].problem))

    assert refused == ["127.0.3.3"]
    assert "the camera answered 401" in recorder.recordings["gate"].problem
    assert recorder.recordings["gate"].packets == 0


async def test_a_stranger_and_a_wrong_path_get_nothing() -> None:
    """An unknown user is 401, an unknown path is 404, and neither ends the server."""
    server = RtspServer(PROFILE, {"viewer": "secret"}.get, packet_seconds=0.005)
    recorder = Recorder(
        HostNetwork("127.0.3.3"),
        (
            Stream("stranger", PATH, "nobody", "secret"),
            Stream("elsewhere", "rtsp://127.0.3.2:5540/live", "viewer", "secret"),
            Stream("gate", PATH, "viewer", "secret"),
        ),
    )
    async with running(server, recorder):
        await until(
            lambda: (
                all(recorder.recordings[name].problem for name in ("stranger", "elsewhere"))
                and recorder.recordings["gate"].packets > 0
            )
        )

    assert "answered 401" in recorder.recordings["stranger"].problem
    assert "answered 404" in recorder.recordings["elsewhere"].problem
