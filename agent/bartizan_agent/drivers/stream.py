"""One DESCRIBE to a camera's RTSP server, logging in where it asks to. Connects, asks, reads, closes."""

import asyncio
import contextlib
from collections.abc import Callable

from bartizan.errors import Malformed
from bartizan_agent.drivers import digest, rtsp
from bartizan_agent.drivers.contract import Act, Failure, Stream

DESCRIBE_SECONDS = 8.0
"""For everything; encoders take up to five seconds to answer after a start."""

Answerer = Callable[[digest.Challenge, str, str], str | Failure]
"""Given challenge, method and URI, returns the `Authorization` value, or why none may be given."""


async def describe(host: str, port: int, path: str, answer_challenge: Answerer) -> Stream | Failure:
    """Return what the RTSP server says of the stream at `path`."""
    try:
        async with asyncio.timeout(DESCRIBE_SECONDS):
            return await _describe(host, port, path, answer_challenge)
    except TimeoutError:
        return Failure(Act.LATER, "timed-out", "RTSP: no answer in time")
    except OSError as error:
        return Failure(Act.LATER, "no-answer", f"RTSP: {error.strerror or 'connection broken off'}")
    except (Malformed, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        # A half-started encoder answers rubbish too: whoever waits for it sets the limit.
        reason = str(error) if isinstance(error, Malformed) else "the answer breaks off or has no end"
        return Failure(Act.LATER, "rubbish", f"RTSP: {reason}")


async def _describe(host: str, port: int, path: str, answer_challenge: Answerer) -> Stream | Failure:
    url = f"rtsp://{host}:{port}{path}"
    reader, writer = await asyncio.open_connection(host.strip("[]"), port, limit=rtsp.HEAD_LIMIT)
    try:
        answer, body = await _ask(reader, writer, rtsp.describe(url, 1))
        if answer.status == 401:
            challenge = digest.strongest(answer.all("www-authenticate"))
            if challenge is None:
                return Failure(Act.NEVER, "no-digest", "RTSP: the camera offers no digest login")
            authorization = answer_challenge(challenge, "DESCRIBE", url)
            if isinstance(authorization, Failure):
                return authorization
            answer, body = await _ask(reader, writer, rtsp.describe(url, 2, authorization))
        return _judged(answer, body)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[rtsp.Answer, bytes]:
    writer.write(request)
    await writer.drain()
    answer = rtsp.parse_head(await reader.readuntil(b"\r\n\r\n"))
    return answer, await reader.readexactly(answer.length)


def _judged(answer: rtsp.Answer, body: bytes) -> Stream | Failure:
    if answer.status == 200:
        return rtsp.stream(body)
    if answer.status == 401:
        return Failure(Act.CREDENTIALS, "login-refused", "RTSP: the camera refused the login")
    if answer.status in {404, 405}:
        return Failure(Act.NEVER, "no-stream", f"RTSP: the camera answered {answer.status} for its main stream")
    return Failure(Act.LATER, "not-ready", f"RTSP: the camera answered {answer.status}")
