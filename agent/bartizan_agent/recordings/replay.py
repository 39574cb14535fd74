"""A recorded device in place of a real one: at the transport, so that all of the session above it is the real one."""

import contextlib
from collections.abc import AsyncIterator

import httpx

from bartizan.ids import Address
from bartizan.trust.credentials import Credential
from bartizan_agent import camera_certificates, login_budget
from bartizan_agent.camera_http import CameraHttp, HttpSession
from bartizan_agent.drivers.contract import (
    Act,
    CameraSession,
    CameraState,
    Driver,
    Failure,
    Picture,
    Stream,
)
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.recordings.model import Exchange, Recording
from bartizan_agent.recordings.scrub import STAND_IN_ADDRESS, without_login
from bartizan_agent.recordings.session import SessionAround
from bartizan_agent.store import open_volatile

_CREDENTIAL = Credential("recorded", "recorded")
_NOT_ASKED = Failure(Act.NEVER, "no-stream", "RTSP: the recording has no such stream")


class Replay(httpx.AsyncBaseTransport):
    """Answers requests as the recorded device did, each in its turn; what was asked last is answered ever again."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._told: set[int] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`.

        Raises:
            LookupError: The recording has no such request: the driver has changed, so record again.
        """
        if request.url.scheme != self._recording.scheme:
            raise httpx.ConnectError("the recorded device had no such door")
        exchange = self._next(request.method, request.url.raw_path.decode(), (await request.aread()).decode())
        stream = httpx.ByteStream(_content(exchange))
        return httpx.Response(exchange.status, headers=list(exchange.headers), stream=stream)

    def _next(self, method: str, target: str, asked: str) -> Exchange:
        wanted = (method, target, without_login(asked))
        fitting = [
            number
            for number, exchange in enumerate(self._recording.exchanges)
            if (exchange.method, exchange.target, exchange.asked) == wanted
        ]
        if not fitting:
            raise LookupError(f"the recording has no {method} {target}: record the device again")
        number = next((number for number in fitting if number not in self._told), fitting[-1])
        self._told.add(number)
        return self._recording.exchanges[number]


class ReplayedSession(SessionAround):
    """A session with a recorded device: RTSP from the recording, and time stands still at its moment."""

    def __init__(self, inner: HttpSession, recording: Recording) -> None:
        super().__init__(inner)
        self._recording = recording

    async def describe_stream(self, path: str) -> Stream | Failure:
        """See `CameraSession`."""
        said = next((described for described in self._recording.streams if described.path == path), None)
        return (said.stream or said.failure or _NOT_ASKED) if said is not None else _NOT_ASKED

    def now(self) -> float:
        """See `CameraSession`."""
        return self._recording.at

    def nonce(self) -> bytes:
        """See `CameraSession`."""
        return bytes(16)


@contextlib.asynccontextmanager
async def replayed(recording: Recording) -> AsyncIterator[CameraSession]:
    """Open a session with the recorded device."""
    connection = open_volatile((login_budget.SCHEMA, camera_certificates.SCHEMA))
    with contextlib.closing(connection):
        budget = LoginBudget(connection, lambda: recording.at)
        http = CameraHttp(budget, connection, clock=lambda: recording.at, transport=Replay(recording))
        async with http.session("recorded", Address(STAND_IN_ADDRESS), _CREDENTIAL) as session:
            yield ReplayedSession(session, recording)


async def read_again(recording: Recording, driver: Driver) -> CameraState | Failure:
    """Return what a driver reads in a recording."""
    async with replayed(recording) as session:
        return await driver.read_state(session)


def _content(exchange: Exchange) -> bytes:
    if exchange.picture is not None:
        return _jpeg(exchange.picture)
    return exchange.body.encode()


def _jpeg(picture: Picture) -> bytes:
    """Return as much of a JPEG as tells its size."""
    size = picture.height.to_bytes(2, "big") + picture.width.to_bytes(2, "big")
    return b"\xff\xd8\xff\xc0\x00\x0b\x08" + size + b"\x01\x01\x11\x00\xff\xd9"
