"""ONVIF: what is asked in each phase."""

import asyncio

import msgspec

from bartizan.identity.model import Evidence, Source
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.contract import (
    Act,
    CameraSession,
    CameraState,
    Driver,
    Failure,
    ImageFile,
    Picture,
    Stream,
    Tier,
)
from bartizan_agent.drivers.family import Family, load_families
from bartizan_agent.drivers.onvif import messages, security

LONGEST_DELAY_SECONDS = 120.0
"""A camera that wants to be waited for longer before its image comes is not believed."""


class Onvif(Driver):
    """The ONVIF device service. See README.md in this folder."""

    name = "onvif"
    makers = ("sony", "panasonic", "vivotek", "pelco", "avigilon", "mobotix", "milesight")
    tier = Tier.UPDATES
    source = Source.ONVIF
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. A camera that does not tell its time can still be logged in to, by digest."""
        clock = await _clock(session)
        if isinstance(clock, Failure):
            return clock
        state = await session.send(messages.device_information(_token(session, clock)))
        if isinstance(state, Failure):
            return state
        now = session.now()
        return msgspec.structs.replace(state, read_at=now, time_offset=None if clock is None else clock - now)

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        clock = None if state.time_offset is None else session.now() + state.time_offset
        stream, picture = await self._views(session, clock)
        return msgspec.structs.replace(state, stream=stream, picture=picture)

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        clock = await session.send(messages.date_and_time())
        if isinstance(clock, Failure):
            return ()
        service = await session.send(messages.media_service(_token(session, clock), session.host))
        asked = [messages.time_servers(_token(session, clock))]
        if not isinstance(service, Failure):
            asked.append(messages.resolution(_token(session, clock), service))
        return await reading.all_said(session, asked)

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`. Many cameras have no such address."""
        clock = await _clock(session)
        if isinstance(clock, Failure):
            return clock
        path = await session.send(messages.back_up_uri(_token(session, clock), session.host))
        if isinstance(path, Failure):
            return None if path.act is Act.NEVER else path
        return await session.send(messages.back_up(path))

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`. Announce, wait as long as the camera asks, and post."""
        clock = await _clock(session)
        if isinstance(clock, Failure):
            return clock
        upgrade = await session.send(messages.start_upgrade(_token(session, clock), session.host))
        if isinstance(upgrade, Failure):
            return upgrade
        if upgrade.delay_seconds > LONGEST_DELAY_SECONDS:
            return Failure(Act.NEVER, "rubbish", f"the camera wants its image {upgrade.delay_seconds:.0f} s later")
        await asyncio.sleep(upgrade.delay_seconds)
        return await session.send(messages.upload(upgrade, image, family))

    async def _views(self, session: CameraSession, camera_time: float | None) -> tuple[Stream | None, Picture | None]:
        """Return what the first media profile shows: by its stream and by its snapshot."""

        def token() -> str:
            return _token(session, camera_time)

        service = await session.send(messages.media_service(token(), session.host))
        if isinstance(service, Failure):
            return None, None
        profile = await session.send(messages.first_profile(token(), service))
        if isinstance(profile, Failure):
            return None, None
        streamed = await session.send(messages.stream_uri(token(), service, profile, session.host))
        pictured = await session.send(messages.snapshot_uri(token(), service, profile, session.host))
        stream, picture = None, None
        if not isinstance(streamed, Failure):
            stream = await reading.optional_stream(session, streamed)
        if not isinstance(pictured, Failure):
            picture = await reading.optional(session, messages.snapshot(pictured))
        return stream, picture


async def _clock(session: CameraSession) -> float | Failure | None:
    """Return the camera's time, Unix seconds; None where it has an answer and no time in it."""
    clock = await session.send(messages.date_and_time())
    return None if isinstance(clock, Failure) and clock.act is Act.NEVER else clock


def _token(session: CameraSession, camera_time: float | None) -> str:
    """Return a fresh login for one request; empty without a credential, or without the time that it is good for."""
    if session.credential is None or camera_time is None:
        return ""
    return security.header(session.credential, session.nonce(), camera_time)
