"""Recording a device: listening at the transport while its driver reads it, and scrubbing what was heard."""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import httpx
import msgspec

from bartizan.errors import BartizanError, Malformed
from bartizan.identity.model import Device
from bartizan.trust.credentials import Credential
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.drivers.contract import CameraSession, CameraState, Driver, Failure, Picture, Stream
from bartizan_agent.drivers.jpeg import picture
from bartizan_agent.recordings.model import Description, Exchange, Of, Recording, encode
from bartizan_agent.recordings.replay import read_again
from bartizan_agent.recordings.scrub import Known, Scrubber, without_login
from bartizan_agent.recordings.session import SessionAround

_HEADERS = ("server", "content-type")


class NotRecorded(BartizanError):
    """There is no recording: the device was not read, or what it said cannot be told without telling which it is."""


async def record(http: CameraHttp, driver: Driver, device: Device, credential: Credential | None, of: Of) -> Recording:
    """Read a device with its driver, under the login budget of `http`, and return what was said, scrubbed.

    Args:
        http: Lent for this; nobody else may use it meanwhile.
        driver: Of the device's maker.
        device: Whom to read, at its first address.
        credential: What to log in with.
        of: What the device is.

    Raises:
        NotRecorded: The device was not read, or the recording would tell which device it is.
    """
    capture = Capture(http.transport)
    http.transport = capture
    async with http.open(device, credential) as session:
        listening = Listening(session)
        state = await driver.read_state(listening)
    if isinstance(state, Failure):
        raise NotRecorded(f"{device.id} was not read: {state.reason} ({state.code})")
    known = Known(
        state.serial,
        state.model,
        state.firmware,
        device.addresses[0],
        device.macs,
        credential.password if credential is not None else "",
    )
    recording, secrets = _scrubbed(capture, listening.streams, known, driver, of, at=round(state.read_at, 1))
    again = await read_again(recording, driver)
    if isinstance(again, Failure):
        raise NotRecorded(f"what is left of the answers cannot be read: {again.reason} ({again.code})")
    recording = msgspec.structs.replace(recording, state=again)
    _must_not_tell(recording, secrets)
    return recording


class Heard(NamedTuple):
    """One exchange as it was."""

    method: str
    target: str
    asked: bytes
    status: int
    headers: httpx.Headers
    body: bytearray


class Capture(httpx.AsyncBaseTransport):
    """A transport that remembers what passes through it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.heard: list[Heard] = []
        self.scheme = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        asked = await request.aread()
        answer = await self._inner.handle_async_request(request)
        heard = Heard(
            request.method, request.url.raw_path.decode(), asked, answer.status_code, answer.headers, bytearray()
        )
        self.heard.append(heard)
        self.scheme = request.url.scheme
        stream = answer.stream
        assert isinstance(stream, httpx.AsyncByteStream), "an asynchronous transport answers with such streams"
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=_Tee(stream, heard.body), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """See `httpx.AsyncBaseTransport`."""
        await self._inner.aclose()


class _Tee(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, body: bytearray) -> None:
        self._inner = inner
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._body += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class Listening(SessionAround):
    """Remembers what RTSP said: that does not pass through the transport."""

    def __init__(self, inner: CameraSession) -> None:
        super().__init__(inner)
        self.streams: list[Description] = []

    async def describe_stream(self, path: str) -> Stream | Failure:
        """See `CameraSession`."""
        said = await super().describe_stream(path)
        if isinstance(said, Failure):
            self.streams.append(Description(path, failure=said))
        else:
            self.streams.append(Description(path, stream=said))
        return said


def _scrubbed(
    capture: Capture, streams: Iterable[Description], known: Known, driver: Driver, of: Of, *, at: float
) -> tuple[Recording, frozenset[str]]:
    bodies = [_text(bytes(heard.body)) for heard in capture.heard]
    scrubber = Scrubber(known, (text for text in bodies if text is not None))
    recording = Recording(
        of=of,
        driver=driver.name,
        scheme=capture.scheme,
        at=at,
        state=CameraState("", "", ""),
        exchanges=tuple(_exchange(heard, body, scrubber) for heard, body in zip(capture.heard, bodies, strict=True)),
        streams=tuple(_described(said, scrubber) for said in streams),
    )
    return recording, scrubber.secrets


def _exchange(heard: Heard, text: str | None, scrubber: Scrubber) -> Exchange:
    headers = [(name, scrubber.text(heard.headers[name])) for name in _HEADERS if name in heard.headers]
    headers += [("www-authenticate", scrubber.challenge(value)) for value in heard.headers.get_list("www-authenticate")]
    shown = _picture(bytes(heard.body))
    return Exchange(
        method=heard.method,
        target=scrubber.text(heard.target),
        status=heard.status,
        headers=tuple(headers),
        asked=scrubber.text(without_login(heard.asked.decode("utf-8", "replace"))),
        body=scrubber.text(text) if text is not None else "",
        picture=shown,
        left_out=len(heard.body) if text is None and shown is None else 0,
    )


def _described(said: Description, scrubber: Scrubber) -> Description:
    failure = said.failure
    if failure is not None:
        failure = msgspec.structs.replace(failure, reason=scrubber.text(failure.reason))
    return msgspec.structs.replace(said, path=scrubber.text(said.path), failure=failure)


def _text(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if "\0" not in text else None


def _picture(body: bytes) -> Picture | None:
    try:
        return picture(body)
    except Malformed:
        return None


def _must_not_tell(recording: Recording, secrets: frozenset[str]) -> None:
    text = encode(recording).lower()
    left = [secret for secret in secrets if secret in text]
    if left:
        raise NotRecorded(f"{len(left)} of what tells this device cannot be taken out of its answers")
