"""Stepping what goes on by itself: when gateways report, when people decide, and when time alone will tell."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from bartizan.errors import Unavailable
from bartizan_controller.parts import Parts

RETRY_SECONDS = 5.0
LONGEST_SLEEP_SECONDS = 60.0

log = structlog.get_logger()


class Stepped(NamedTuple):
    """Work of which a step is made whenever something was heard."""

    name: str
    has_work: Callable[[Connection], bool]
    """Asked first, for reading: a fleet's answers ring a hundred times a second, and hardly ever speak of this."""
    step: Callable[[Connection, float], float | None]
    """Makes one, given the Unix time; returns when to make the next at the latest, or None if only news will tell."""
    gather_seconds: float
    """What is reported within so short a time is judged together."""
    breath_seconds: float = 0.0
    """Between two steps that have more to do, so that what gateways say is committed in between."""


async def keep_stepping(parts: Parts, work: Stepped) -> None:
    """Keep it going until cancelled."""
    while True:
        heard = parts.news.listen()
        seconds = await _step(parts, work)
        try:
            async with asyncio.timeout(seconds):
                await heard.wait()
        except TimeoutError:
            continue
        await asyncio.sleep(work.gather_seconds)


async def _step(parts: Parts, work: Stepped) -> float:
    """Step once; return after how many seconds to step again at the latest."""
    now = parts.clock()
    try:
        if not await parts.database.read(work.has_work):
            return LONGEST_SLEEP_SECONDS
        wake_at = await parts.database.write(lambda c: work.step(c, now))
    except Unavailable as error:
        log.warning("the database is waited for", work=work.name, reason=str(error))
        return RETRY_SECONDS
    parts.link.wake()
    if wake_at is None:
        return LONGEST_SLEEP_SECONDS
    return min(max(wake_at - now, work.breath_seconds), LONGEST_SLEEP_SECONDS)
