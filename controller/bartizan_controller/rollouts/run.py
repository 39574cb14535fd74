"""Steps rollouts for ever: when gateways report, when people decide, and when a plan says that time will tell."""

import asyncio

import structlog

from bartizan.errors import Unavailable
from bartizan.firmware.model import Image
from bartizan.ids import ImageId
from bartizan_controller.parts import Parts
from bartizan_controller.rollouts import execute

GATHER_SECONDS = 0.05
"""What is reported within so short a time is planned once."""
RETRY_SECONDS = 5.0
LONGEST_SLEEP_SECONDS = 60.0

log = structlog.get_logger()


async def run_rollouts(parts: Parts) -> None:
    """Keep every open rollout going until cancelled."""
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
    now = parts.clock()

    def images() -> dict[ImageId, Image]:
        return {image.id: image for image in parts.publication.catalogue.images}

    try:
        # A fleet's answers ring a hundred times a second, and hardly ever speak of a rollout.
        if not await parts.database.read(execute.has_work):
            return LONGEST_SLEEP_SECONDS
        wake_at = await parts.database.write(lambda c: execute.step(c, parts.sign, images, now=now))
    except Unavailable as error:
        log.warning("rollouts wait for the database", reason=str(error))
        return RETRY_SECONDS
    parts.link.wake()
    return LONGEST_SLEEP_SECONDS if wake_at is None else min(max(wake_at - now, 0.0), LONGEST_SLEEP_SECONDS)
