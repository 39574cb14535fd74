"""The HTTP server of an emulated device: h11 over asyncio streams, so that every octet can be made to go wrong."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

import h11

from bartizan_lab.cameras.connection import begin, closing, peer_of
from bartizan_lab.cameras.delivery import deliver_badly, disguised, is_faulty
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.web import Dropped, Request, Response, WebSite
from bartizan_lab.network import Network

LARGEST_BODY = 256 << 20
"""Octets. Firmware images are tens of megabytes."""
_IDLE_SECONDS = 60.0
_READ_OCTETS = 1 << 18


@dataclass(frozen=True)
class HttpService:
    """Serves a `WebSite` on one port, with TLS if a context is given."""

    site: WebSite
    port: int
    server: str
    """The `Server` header; empty for none."""
    faults: AbstractSet[Fault]
    """Read at each answer: the device switches them while it runs."""
    slow_seconds: float
    clock: Callable[[], datetime]
    """The device's own, for the `Date` header."""
    tls: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Listen until the block ends. Conversations are tasks of `tasks` and end with it."""

        def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            begin(tasks, writer, self._converse(reader, writer))

        families = (socket.AF_INET, socket.AF_INET6) if network.address6 else (socket.AF_INET,)
        async with contextlib.AsyncExitStack() as servers:
            for family in families:
                sock = network.tcp_listener(self.port, family=family)
                servers.callback((await asyncio.start_server(converse, sock=sock, ssl=self.tls)).close)
            yield

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = _Conversation(reader, writer)
        # Whoever speaks no HTTP, falls silent or leaves gets no more of an answer from a camera either.
        gone = (h11.RemoteProtocolError, OSError)  # of TLS and of time as well
        async with closing(writer):
            with contextlib.suppress(*gone):
                while await self._exchange(conversation):
                    conversation.next_cycle()

    async def _exchange(self, conversation: "_Conversation") -> bool:
        """Take one request and answer it; return whether the connection may be used again."""
        request = await conversation.read_head()
        if request is None:
            return False
        refusal = self.site.admit(request)
        if refusal is None:
            answer = self.site.answer(replace(request, body=await conversation.read_body()))
        else:
            await conversation.skip_body()
            answer = refusal
        if isinstance(answer, Dropped):
            conversation.abort()
            return False
        return await self._deliver(conversation, answer)

    async def _deliver(self, conversation: "_Conversation", answer: Response) -> bool:
        answer = disguised(self._with_headers(answer), self.faults)
        if is_faulty(self.faults):
            streams = (conversation.reader, conversation.writer)
            await deliver_badly(streams, answer, self.faults, slow_seconds=self.slow_seconds)
            return False
        return await conversation.send(answer)

    def _with_headers(self, answer: Response) -> Response:
        always = [("Date", format_datetime(self.clock(), usegmt=True))]
        if self.server:
            always.append(("Server", self.server))
        return replace(answer, headers=(*always, *answer.headers))


class _Conversation:
    """One connection: requests out of h11, answers into it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._protocol = h11.Connection(h11.SERVER)
        self._method = ""

    @property
    def _may_refuse_early(self) -> bool:
        return self._protocol.they_are_waiting_for_100_continue

    def next_cycle(self) -> None:
        self._protocol.start_next_cycle()

    def abort(self) -> None:
        self.writer.transport.abort()

    async def read_head(self) -> Request | None:
        """Return the next request without its body, or None when the client is done.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or asks for something that is no URL.
        """
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        source = peer_of(self.writer)
        self._method = event.method.decode("latin-1")
        target = event.target.decode("latin-1")
        try:
            urlsplit(target)
        except ValueError as error:
            raise h11.RemoteProtocolError("the target is no URL") from error
        return Request(self._method, target, headers, source)

    async def read_body(self) -> bytes:
        """Return the body.

        Raises:
            h11.RemoteProtocolError: It is longer than `LARGEST_BODY`, or the client left in its middle.
        """
        if self._may_refuse_early:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self.writer.write(self._protocol.send(go_on) or b"")
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > LARGEST_BODY:
                raise h11.RemoteProtocolError("the body is larger than any firmware image")
        return bytes(body)

    async def skip_body(self) -> None:
        """Read the body and forget it; a client that waits for leave to send it is spared that (RFC 9110 10.1.1)."""
        if self._may_refuse_early:
            return
        while isinstance(await self._next_event(), h11.Data):
            pass

    async def send(self, answer: Response) -> bool:
        """Send an answer whole; return whether another request may follow."""
        headers = [*answer.headers, ("Content-Type", answer.content_type)]
        if not answer.spread_seconds:
            headers.append(("Content-Length", str(len(answer.body))))
        head = h11.Response(status_code=answer.status, headers=headers, reason=answer.phrase.encode())
        octets = self._protocol.send(head) or b""
        if answer.spread_seconds:
            self.writer.write(octets)
            await self._spread(answer)
            octets = b""
        elif self._method != "HEAD" and answer.body:
            octets += self._protocol.send(h11.Data(data=answer.body)) or b""
        self.writer.write(octets + (self._protocol.send(h11.EndOfMessage()) or b""))
        await self.writer.drain()
        return self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE

    async def _spread(self, answer: Response) -> None:
        lines = answer.body.splitlines(keepends=True)
        for line in lines:
            self.writer.write(self._protocol.send(h11.Data(data=line)) or b"")
            await self.writer.drain()
            await asyncio.sleep(answer.spread_seconds / len(lines))

    async def _next_event(self) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(_IDLE_SECONDS):
                self._protocol.receive_data(await self.reader.read(_READ_OCTETS))
        return event
