"""Putting an HTTP answer on the wire, properly or in one of the ways of `Fault`."""

import asyncio
import os
from collections.abc import Set as AbstractSet
from dataclasses import replace

from bartizan_lab.cameras.faults import XML_BOMB, Fault
from bartizan_lab.cameras.web import XML, Response

ELSEWHERE = "http://elsewhere.invalid/"
"""Where the redirect fault points: a name that never resolves (RFC 6761)."""
_MISSING_OCTETS = 4096
_ENDLESS_CHUNK = b"<more/>" * 512
_DRIBBLE_PIECES = 10
_RUBBISH_OCTETS = 777


def disguised(response: Response, faults: AbstractSet[Fault]) -> Response:
    """Return the answer with another content, where a fault calls for one."""
    if Fault.REDIRECT in faults:
        return Response(302, headers=(("Location", ELSEWHERE),))
    if Fault.XML_BOMB in faults:
        return replace(response, status=200, body=XML_BOMB, content_type=XML)
    return response


def is_faulty(faults: AbstractSet[Fault]) -> bool:
    """Return whether `deliver_badly` has to put the answer on the wire, and the connection then ends."""
    return not faults.isdisjoint(_DELIVERIES)


async def deliver_badly(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    response: Response,
    faults: AbstractSet[Fault],
    *,
    slow_seconds: float,
) -> None:
    """Deliver as the first of the faults that concerns delivery says.

    Raises:
        ConnectionError: The client left, which is how an endless answer ends.
    """
    reader, writer = streams
    fault = next(fault for fault in _DELIVERIES if fault in faults)
    match fault:
        case Fault.SILENT:
            await _until_gone(reader)
        case Fault.RUBBISH:
            writer.write(os.urandom(_RUBBISH_OCTETS))
        case Fault.ENDLESS_BODY:
            writer.write(_head(response, None))
            while True:
                writer.write(_ENDLESS_CHUNK)
                await writer.drain()
        case Fault.WRONG_CONTENT_LENGTH:
            writer.write(_head(response, len(response.body) + _MISSING_OCTETS) + response.body)
        case Fault.ABSURD_CONTENT_LENGTH:
            writer.write(_head(response, -1) + response.body)
        case Fault.HALF_CLOSE:
            writer.write(_head(response, len(response.body)) + response.body[: len(response.body) // 2])
            writer.write_eof()
            await _until_gone(reader)
        case _:
            await _dribble(writer, _head(response, len(response.body)) + response.body, slow_seconds)
    await writer.drain()


_DELIVERIES = (
    Fault.SILENT,
    Fault.RUBBISH,
    Fault.ENDLESS_BODY,
    Fault.WRONG_CONTENT_LENGTH,
    Fault.ABSURD_CONTENT_LENGTH,
    Fault.HALF_CLOSE,
    Fault.SLOW,
)
"""The faults of delivery; where several are on, the first one shows."""


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def _dribble(writer: asyncio.StreamWriter, octets: bytes, seconds: float) -> None:
    size = -(-len(octets) // _DRIBBLE_PIECES)
    for start in range(0, len(octets), size):
        await asyncio.sleep(seconds / _DRIBBLE_PIECES)
        writer.write(octets[start : start + size])
        await writer.drain()


def _head(response: Response, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {response.phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines += [f"Content-Type: {response.content_type}", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode("latin-1")
