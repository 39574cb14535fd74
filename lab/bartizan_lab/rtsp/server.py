"""A camera's RTSP server: challenge, describe, and send RTP inside the connection until the peer has enough."""

import asyncio
import contextlib
import itertools
import secrets
import struct
from collections.abc import AsyncIterator, Callable

from bartizan_lab.cameras.access import Allowed, Attempt, Denied
from bartizan_lab.cameras.connection import begin, closing, peer_of
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.network import Network
from bartizan_lab.rtsp.message import LIMIT, Message, read_message

PORT = 554
PACKET_SECONDS = 0.1
"""A lab's cameras send ten packets a second: enough to see a gap, little enough for two cores."""
IDLE_SECONDS = 60.0

Authorise = Callable[[Attempt, str], Allowed | Denied]
"""Judges a login, given the realm: `Camera.authorise`, so that RTSP and HTTP share one lock-out."""


class RtspServer:
    """The RTSP side of one camera; a `bartizan_lab.cameras.camera.Service`.

    Args:
        profile: What the model offers.
        authorise: Judges each request that carries a login.
    """

    def __init__(self, profile: StreamProfile, authorise: Authorise, *, packet_seconds: float = PACKET_SECONDS) -> None:
        self._profile = profile
        self._authorise = authorise
        self._packet_seconds = packet_seconds
        self._session = secrets.token_hex(4)
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Serve while the block lasts; every stream ends with it."""

        def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            begin(tasks, writer, self._converse(reader, writer))

        server = await asyncio.start_server(converse, sock=network.tcp_listener(PORT), limit=LIMIT)
        try:
            yield
        finally:
            server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            self._writers.clear()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A peer that speaks badly, leaves or falls silent ends its own connection, nothing else.
        async with closing(writer):
            with contextlib.suppress(ValueError, EOFError, OSError, asyncio.LimitOverrunError):
                await self._answer_all(reader, writer)
            self._writers.discard(writer)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await read_message(reader)
            answer = self._answer(request, peer_of(writer))
            writer.write(answer.encode())
            await writer.drain()
            if request.first_line[0] == "PLAY" and answer.status == 200:
                await self._stream(reader, writer)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send packets until the peer closes or says anything at all (TEARDOWN, as a rule)."""
        for sequence in itertools.count():
            writer.write(_interleaved(sequence))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._packet_seconds):
                    await reader.read(1)
                    raise EOFError

    def _answer(self, request: Message, peer: str) -> Message:
        method, uri, _ = request.first_line
        if method == "OPTIONS":
            return self._reply(request, 200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"})
        judged = self._authorise(Attempt(method, request.headers.get("Authorization"), peer), self._profile.realm)
        if isinstance(judged, Denied):
            return self._reply(request, 401, {"Www-Authenticate": judged.challenge})
        if not any(path in uri for path in self._profile.paths):
            return self._reply(request, 404)
        return self._serve(request)

    def _serve(self, request: Message) -> Message:
        method, uri, _ = request.first_line
        match method:
            case "DESCRIBE":
                return self._reply(request, 200, {"Content-Type": "application/sdp", "Content-Base": uri}, self._sdp())
            case "SETUP" if "TCP" not in request.headers.get("Transport", ""):
                return self._reply(request, 461)
            case "SETUP":
                return self._reply(
                    request, 200, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": self._session}
                )
            case "PLAY" | "GET_PARAMETER" | "TEARDOWN":
                return self._reply(request, 200, {"Session": self._session})
            case _:
                return self._reply(request, 405)

    def _reply(
        self, request: Message, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Message:
        server = {"Server": self._profile.server} if self._profile.server else {}
        head = {"Cseq": request.headers.get("Cseq", "0"), **server, **(headers or {})}
        return Message(("RTSP/1.0", str(status), _REASONS[status]), head, body)

    def _sdp(self) -> bytes:
        profile = self._profile
        return "\r\n".join(
            (
                "v=0",
                "o=- 0 0 IN IP4 0.0.0.0",
                "s=Media Presentation",
                "t=0 0",
                "m=video 0 RTP/AVP 96",
                f"a=rtpmap:96 {profile.codec}/90000",
                f"a=framerate:{profile.frames_per_second}",
                f"a=x-dimensions:{profile.width},{profile.height}",
                "a=control:trackID=1",
                "",
            )
        ).encode()


_REASONS = {
    200: "OK",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    461: "Unsupported transport",
}

_FILLER = b"\x41" + bytes(199)


def _interleaved(sequence: int) -> bytes:
    """Return an RTP packet (RFC 3550) in RTSP's interleaved frame (RFC 2326, 10.12), channel 0."""
    rtp = struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, sequence * 9000 & 0xFFFFFFFF, 0xBA27) + _FILLER
    return struct.pack("!cBH", b"$", 0, len(rtp)) + rtp
