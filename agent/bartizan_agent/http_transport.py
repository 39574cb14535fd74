"""What carries httpx's requests here: h11 over one connection for each request.

httpx's own transport brings a pool of connections and, for that, httpcore and anyio: 3 MB. The agent uses every
connection once, so there is nothing to pool.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import h11
import httpx

from bartizan_agent.streams import Octets, Plain, Tls

HEAD_OCTETS = 100 * 1024
"""Of an answer's status and headers, at most."""
_PORTS = {"http": 80, "https": 443}


class OneConnectionEach(httpx.AsyncBaseTransport):
    """Opens a connection for each request and closes it with the answer.

    Args:
        context: Whom to trust over HTTPS; None: only HTTP is spoken.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the answer, whose body is still to come.

        Raises:
            httpx.ConnectError: There is no connection; `ConnectTimeout` if there was none in time.
            httpx.TransportError: It was cut, too slow, or speaks no HTTP.
        """
        seconds: dict[str, float | None] = request.extensions.get("timeout", {})
        sock = await _connected(request.url, seconds.get("connect"))
        try:
            octets = await self._opened(sock, request.url, seconds.get("connect"))
            conversation = _Conversation(octets, seconds)
            await conversation.send(request)
            head = await conversation.head()
        except BaseException:
            sock.close()
            raise
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=_Body(conversation, sock),
            extensions={
                "http_version": b"HTTP/" + head.http_version,
                "reason_phrase": head.reason,
                "network_stream": _Connection(octets),
            },
        )

    async def _opened(self, sock: socket.socket, url: httpx.URL, seconds: float | None) -> Octets:
        if url.scheme != "https":
            return Plain(sock)
        if self._context is None:
            raise httpx.UnsupportedProtocol("nobody was told whom to trust over HTTPS")
        octets = Tls(sock, self._context, url.raw_host.decode("ascii"))
        with _told_as(httpx.ConnectTimeout, httpx.ConnectError):
            async with asyncio.timeout(seconds):
                await octets.shake_hands()
        return octets


class _Connection:
    """What httpx tells of a connection (its extension `network_stream`)."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets

    def get_extra_info(self, info: str) -> Any:
        """Return the `ssl_object` where there is one; nothing else is known."""
        return self._octets.tls if info == "ssl_object" and isinstance(self._octets, Tls) else None


class _Conversation:
    """One request and its answer."""

    def __init__(self, octets: Octets, seconds: dict[str, float | None]) -> None:
        self._octets = octets
        self._read_seconds, self._write_seconds = seconds.get("read"), seconds.get("write")
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_OCTETS)

    async def send(self, request: httpx.Request) -> None:
        """Send all of a request, or as much as the other side wants of it: it may well answer before the end."""
        assert isinstance(request.stream, httpx.AsyncByteStream), "an asynchronous client makes such streams"
        target, headers = request.url.raw_path, request.headers.raw
        with _told_as_protocol_errors():
            try:
                await self._put(h11.Request(method=request.method, target=target, headers=headers))
                async for chunk in request.stream:
                    await self._put(h11.Data(chunk))
                await self._put(h11.EndOfMessage())
            except httpx.WriteError:
                pass

    async def head(self) -> h11.Response:
        """Return the answer's head."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the answer's body as it comes."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def _put(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            with _told_as(httpx.WriteTimeout, httpx.WriteError):
                async with asyncio.timeout(self._write_seconds):
                    await self._octets.write(data)

    async def _event(self) -> h11.Event:
        with _told_as_protocol_errors():
            while (event := self._http.next_event()) is h11.NEED_DATA:
                with _told_as(httpx.ReadTimeout, httpx.ReadError):
                    async with asyncio.timeout(self._read_seconds):
                        data = await self._octets.read()
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise httpx.RemoteProtocolError("the connection was closed without an answer")
                self._http.receive_data(data)
        if event is h11.PAUSED:
            raise httpx.RemoteProtocolError("the other side wants to speak another protocol")
        assert isinstance(event, h11.Event)
        return event


class _Body(httpx.AsyncByteStream):
    """An answer's body; the connection ends with it."""

    def __init__(self, conversation: _Conversation, sock: socket.socket) -> None:
        self._conversation = conversation
        self._sock = sock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._conversation.body():
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, whether or not all of it was read."""
        self._sock.close()


async def _connected(url: httpx.URL, seconds: float | None) -> socket.socket:
    with _told_as(httpx.ConnectTimeout, httpx.ConnectError):
        async with asyncio.timeout(seconds):
            return await _first_connected(url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])


async def _first_connected(host: str, port: int) -> socket.socket:
    """Return a socket connected to the first of a host's addresses that can be reached."""
    failed = OSError("the host has no address")
    for family, kind, protocol, _, place in await _places(host, port):
        with ExitStack() as undo:
            sock = socket.socket(family, kind, protocol)
            undo.callback(sock.close)
            sock.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(sock, place)
            except OSError as error:
                failed = error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            undo.pop_all()
            return sock
    raise failed


async def _places(host: str, port: int) -> list[Any]:
    try:
        # An address is its own place: nothing is asked, and no thread is needed for it.
        return socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


@contextmanager
def _told_as(late: type[httpx.TimeoutException], failed: type[httpx.NetworkError]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


@contextmanager
def _told_as_protocol_errors() -> Iterator[None]:
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
