"""One request to a camera and what comes back: a body that is sent from its beginning, an answer read within bounds.

What a status means where the driver does not know better stands here too. Who is asked, when and as whom is
`bartizan_agent.camera_http`'s.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import httpx
import msgspec

from bartizan.errors import Malformed
from bartizan_agent.drivers.contract import Act, Body, Declined, Failure, ImageFile, Request

T = TypeVar("T")

CHUNK = 1024 * 1024  # octets; 64 KB chunks halve the rate of an upload
_SHOWN = 120  # characters of a camera's words that go into a reason


class Answer(msgspec.Struct, frozen=True):
    """What came back of one request."""

    status: int
    body: bytes
    challenges: tuple[str, ...]
    octets_sent: int


class Sending:
    """A request's body, iterable again from its beginning, that knows how much of it was handed over."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.octets = 0
        """Of images; of these the connection took all but the last chunk for certain."""

    def headers(self, content_type: str) -> dict[str, str]:
        """Return length and type. With a length, cameras get no chunked encoding, which many cannot read."""
        length = sum(part.length if isinstance(part, ImageFile) else len(part) for part in self._body)
        headers = {"Content-Length": str(length)} if self._body else {}
        return headers | ({"Content-Type": content_type} if content_type else {})

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.octets = 0
        for part in self._body:
            if isinstance(part, bytes):
                yield part
                continue
            with await asyncio.to_thread(part.path.open, "rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    self.octets += len(chunk)
                    yield chunk


def read_as(request: Request[T], answer: Answer) -> T | Failure:
    """Return what an answer says, or what its status or its rubbish means."""
    if not 200 <= answer.status < 300 and answer.status not in request.success:
        return request.explain(answer.status, answer.body) or _by_status(answer)
    try:
        return request.decode(answer.body)
    except Declined as declined:
        return declined.failure
    except Malformed as error:
        return Failure(Act.NEVER, "rubbish", str(error))


async def read(response: httpx.Response, request: Request[T]) -> tuple[bytes, Failure | None]:
    """Return the body of an answer as far as it came and is wanted, and why it is of no use, if so."""
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > request.limit:
                if request.beginning_is_enough:
                    break
                return b"", Failure(Act.NEVER, "too-large", f"an answer of more than {request.limit} octets")
    except httpx.TransportError:
        # Cameras announce more than they send. What came is read, unless only all of it will do.
        if request.whole or not body:
            return b"", Failure(Act.LATER, "broken-off", "the connection was broken off in the answer")
    return bytes(body[: request.limit]), None


def _by_status(answer: Answer) -> Failure:
    words = f"the camera answered {answer.status}"
    if 300 <= answer.status < 400:
        return Failure(Act.NEVER, "redirect", f"{words}: redirects are not followed")
    if answer.status in {401, 403}:
        return Failure(Act.CREDENTIALS, "forbidden", f"{words}: the user may not do this")
    if answer.status in {408, 425, 429} or answer.status >= 500:
        return Failure(Act.LATER, "not-ready", words)
    return Failure(Act.NEVER, "not-offered", f"{words}{_said(answer.body)}")


def _said(body: bytes) -> str:
    said = "".join(
        character if character.isprintable() else " " for character in body[:_SHOWN].decode("utf-8", "replace")
    )
    return f": {said.strip()}" if said.strip() else ""
