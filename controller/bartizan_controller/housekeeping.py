"""What has to be done from time to time, and when. All times are UTC."""

from collections.abc import Awaitable, Callable

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bartizan.errors import BartizanError
from bartizan_controller import orders
from bartizan_controller.parts import Parts
from bartizan_controller.standby import Watch
from bartizan_controller.store import events, gateways, tokens

CHECKPOINT_SECONDS = 5
STANDBY_SECONDS = 30
REFRESH_SECONDS = 3600
KEPT_SECONDS = 90 * 86400.0
"""How long used tokens and expired certificates are remembered."""

log = structlog.get_logger()

Job = Callable[[], Awaitable[object]]


def schedule(parts: Parts, renew_tls: Job) -> AsyncIOScheduler:
    """Return a scheduler with all jobs, not yet started."""
    standbys = Watch()
    # A job that is late still runs, and once is enough.
    scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None})
    for job, seconds in (
        (parts.database.checkpoint_when_idle, CHECKPOINT_SECONDS),
        (lambda: look_at_standbys(parts, standbys), STANDBY_SECONDS),
        (lambda: refresh_catalogue(parts), REFRESH_SECONDS),
        (lambda: renew_books(parts), REFRESH_SECONDS),
        (lambda: forget(parts), REFRESH_SECONDS),
        (renew_tls, REFRESH_SECONDS),
    ):
        scheduler.add_job(_careful(job), "interval", seconds=seconds)
    return scheduler


async def look_at_standbys(parts: Parts, standbys: Watch) -> None:
    """Tell once of each standby gateway that could not take over, and once when it can."""
    standing_by = parts.publication.standing_by
    if not standing_by:
        return
    told = await parts.database.read(lambda c: standbys.look(c, standing_by, parts.clock()))
    if told:
        await parts.database.write(lambda c: events.add(c, told))


async def refresh_catalogue(parts: Parts) -> None:
    """Sign snapshot and timestamp again before gateways would find them expired."""
    if await parts.publication.refresh(now=parts.clock()):
        log.info("catalogue refreshed", **parts.publication.versions)
        parts.link.wake()


async def renew_books(parts: Parts) -> None:
    """Sign order books again before they expire."""
    renewed = 0
    while count := await parts.database.write(lambda c: orders.renew(c, parts.sign, now=parts.clock())):
        renewed += count
    if renewed:
        log.info("order books renewed", books=renewed)
        parts.link.wake()


async def forget(parts: Parts) -> None:
    """Delete what is too old. The audit chain and the history of devices are kept."""
    now = parts.clock()
    before = now - parts.config.events_days * 86400
    while await parts.database.write(lambda c: events.forget(c, received_before=before)):
        pass
    await parts.database.write(lambda c: tokens.forget_enrolment_tokens(c, before=now - KEPT_SECONDS))
    await parts.database.write(lambda c: gateways.forget_certificates(c, expired_before=now - KEPT_SECONDS))


def _careful(job: Job) -> Job:
    async def run() -> None:
        try:
            await job()
        except BartizanError as error:
            log.warning("a job could not be done; it will be tried again", reason=str(error))

    return run
