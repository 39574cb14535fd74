"""Reading what every vendor writes in its own way: key=value lines, clocks, answers that not every model gives."""

from collections.abc import Iterable
from datetime import UTC, datetime

from bartizan.identity.model import Evidence, Fact, Source
from bartizan_agent.discovery.answer import say
from bartizan_agent.drivers.contract import Act, CameraSession, Failure, Request, Stream, T

WEIGHT = 95  # of 100: said by the device itself to somebody who logged in
_MOST_LINES = 5000
_LONGEST_NUMBER = 24  # characters
_A_CENTURY = 100 * 366 * 86400.0

Said = tuple[Evidence, ...]


def key_values(body: bytes) -> dict[str, str]:
    """Return `key=value` lines. Keys are kept as written; of repeated ones the first counts."""
    pairs: dict[str, str] = {}
    for line in body.decode("utf-8", "replace").splitlines()[:_MOST_LINES]:
        key, equals, value = line.partition("=")
        if equals:
            pairs.setdefault(key.strip(), value.strip())
    return pairs


def seconds(text: str) -> float | None:
    """Return a number of seconds, as of an uptime; None where it is none that can be true."""
    try:
        value = float(text[:_LONGEST_NUMBER])
    except ValueError:
        return None
    return value if 0.0 <= value < _A_CENTURY else None


def unix_seconds(text: str) -> float | None:
    """Return the time in an ISO 8601 text; None where it is none. Without a zone it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "T", 1))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def optional(session: CameraSession, request: Request[T]) -> T | None:
    """Return an answer that not every model gives; None for any failure to give it."""
    answer = await session.send(request)
    return None if isinstance(answer, Failure) else answer


async def optional_stream(session: CameraSession, path: str) -> Stream | None:
    """Return what the stream at `path` is; None while there is none."""
    stream = await session.describe_stream(path)
    return None if isinstance(stream, Failure) else stream


async def all_said(session: CameraSession, asked: Iterable[Request[Said]]) -> Said:
    """Return what the answers say together. A camera that is busy, or wants no more logins, is asked no further."""
    said: list[Evidence] = []
    for request in asked:
        answer = await session.send(request)
        if not isinstance(answer, Failure):
            said.extend(answer)
        elif answer.act is not Act.NEVER and answer.code != "forbidden":
            break
    return tuple(said)


def switch(fact: Fact, text: str, source: Source, detail: str) -> Said:
    """Return a switch as evidence; nothing where the camera writes neither yes nor no."""
    word = text.strip().lower()
    value = "on" if word in _ON else "off" if word in _OFF else ""
    return say(fact, value, source, WEIGHT, detail)


def size(width: str, height: str, source: Source, detail: str) -> Said:
    """Return a resolution as evidence."""
    is_size = width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6
    return say(Fact.RESOLUTION, f"{int(width)}x{int(height)}" if is_size else "", source, WEIGHT, detail)


_ON = frozenset({"true", "1", "yes", "on", "enable", "enabled"})
_OFF = frozenset({"false", "0", "no", "off", "disable", "disabled", "flase"})
