"""Steps pushes for ever: when gateways report, when people publish or decide, and when a plan says it is time."""

import asyncio

import structlog

from bartizan.errors import Unavailable
from bartizan_controller.parts import Parts
from bartizan_controller.pushes import execute

GATHER_SECONDS = 0.5
"""What is reported within so short a time is judged together."""
BREATH_SECONDS = 0.1
"""Between two steps that have more to do, so that what gateways say is committed in between."""
RETRY_SECONDS = 5.0
LONGEST_SLEEP_SECONDS = 60.0

log = structlog.get_logger()


async def run_pushes(parts: Parts) -> None:
    """Keep every open push going until cancelled."""
    while True:
        heard = parts.news.listen()
        seconds = await _step(parts)
        try:
            async with asyncio.timeout(seconds):
                await heard.wait()
        except TimeoutError:
            continue
        await asyncio.sleep(GATHER_SECONDS)


async def _step(parts: Parts) -> float:
    """Step once; return after how many seconds to step again at the latest."""
    now, catalogue = parts.clock(), parts.publication.catalogue
    try:
        if not await parts.database.read(lambda c: execute.has_work(c, catalogue)):
            return LONGEST_SLEEP_SECONDS
        wake_at = await parts.database.write(lambda c: execute.step(c, parts.sign, catalogue, now=now))
    except Unavailable as error:
        log.warning("pushes wait for the database", reason=str(error))
        return RETRY_SECONDS
    parts.link.wake()
    return LONGEST_SLEEP_SECONDS if wake_at is None else min(max(wake_at - now, BREATH_SECONDS), LONGEST_SLEEP_SECONDS)
