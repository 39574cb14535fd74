"""A network video recorder: pulls an RTSP stream from every camera it is told of, and knows when each last came."""

import asyncio
import contextlib
import itertools
import struct
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from bartizan_lab.network import Network
from bartizan_lab.rtsp.message import LIMIT, Message, digest_response, parameters, read_message

RECONNECT_SECONDS = 1.0
SILENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Stream:
    """One stream to record."""

    name: str
    url: str
    """`rtsp://address[:port]/path`."""
    username: str
    password: str


@dataclass
class Recording:
    """What has been received of one stream. Times are those of `time.monotonic`."""

    packets: int = 0
    octets: int = 0
    lost: int = 0
    """RTP packets missing by their sequence numbers, within connections."""
    connections: int = 0
    last_at: float = 0.0
    problem: str = ""


class Recorder:
    """Records until cancelled, and connects again whenever a stream ends."""

    def __init__(self, network: Network, streams: tuple[Stream, ...]) -> None:
        self._network = network
        self._streams = streams
        self.recordings = {stream.name: Recording() for stream in streams}

    async def run(self) -> None:
        """Record all streams at once."""
        async with asyncio.TaskGroup() as tasks:
            for stream in self._streams:
                tasks.create_task(self._record_for_ever(stream))

    def is_receiving(self, name: str, within_seconds: float = 2.0) -> bool:
        """Return whether a packet of that stream came lately."""
        recording = self.recordings[name]
        return recording.packets > 0 and time.monotonic() - recording.last_at <= within_seconds

    async def _record_for_ever(self, stream: Stream) -> None:
        recording = self.recordings[stream.name]
        while True:
            try:
                await self._record(stream, recording)
            except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
                recording.problem = f"{type(error).__name__}: {error}"
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _record(self, stream: Stream, recording: Recording) -> None:
        target = urlsplit(stream.url)
        sock = self._network.tcp_client()
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await asyncio.get_running_loop().sock_connect(sock, (target.hostname or "", target.port or 554))
                reader, writer = await asyncio.open_connection(sock=sock, limit=LIMIT)
        except BaseException:
            sock.close()
            raise
        try:
            await _play(reader, writer, stream)
            recording.connections += 1
            recording.problem = ""
            await _receive(reader, recording)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream) -> None:
    """Go through DESCRIBE, SETUP and PLAY, logging in with the one digest challenge."""
    challenge: dict[str, str] = {}
    sequence = itertools.count(1)
    transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}

    async def ask(method: str, uri: str, headers: dict[str, str]) -> Message:
        authorisation = {"Authorization": _authorisation(stream, challenge, method, uri)} if challenge else {}
        request = Message((method, uri, "RTSP/1.0"), {"CSeq": str(next(sequence)), **headers, **authorisation})
        writer.write(request.encode())
        async with asyncio.timeout(SILENCE_SECONDS):
            return await read_message(reader)

    answer = await ask("DESCRIBE", stream.url, {"Accept": "application/sdp"})
    if answer.status == 401:
        challenge = parameters(answer.headers.get("Www-Authenticate", ""))
        answer = await ask("DESCRIBE", stream.url, {"Accept": "application/sdp"})
    for method, uri, headers in (("SETUP", f"{stream.url}/trackID=1", transport), ("PLAY", stream.url, {})):
        if answer.status != 200:
            raise ValueError(f"{stream.name}: {method} not reached, the camera answered {answer.status}")
        answer = await ask(method, uri, headers)
    if answer.status != 200:
        raise ValueError(f"{stream.name}: PLAY was answered with {answer.status}")


async def _receive(reader: asyncio.StreamReader, recording: Recording) -> None:
    expected: int | None = None
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            marker, _, length = struct.unpack("!cBH", await reader.readexactly(4))
            if marker != b"$":
                raise ValueError("the stream is no longer interleaved RTP")
            packet = await reader.readexactly(length)
        number = int.from_bytes(packet[2:4], "big")
        if expected is not None:
            recording.lost += (number - expected) & 0xFFFF
        expected = (number + 1) & 0xFFFF
        recording.packets += 1
        recording.octets += length
        recording.last_at = time.monotonic()


def _authorisation(stream: Stream, challenge: dict[str, str], method: str, uri: str) -> str:
    realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
    response = digest_response(
        username=stream.username, password=stream.password, realm=realm, nonce=nonce, method=method, uri=uri
    )
    return f'Digest username="{stream.username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}"'
