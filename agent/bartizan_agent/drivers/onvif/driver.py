"""ONVIF: what is asked in each phase."""

import asyncio

import msgspec

from bartizan.identity.model import Source
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
        """See `Driver`."""
        clock = await session.send(messages.date_and_time())
        if isinstance(clock, Failure):
            return clock
        state = await session.send(messages.device_information(_token(session, clock)))
        if isinstance(state, Failure):
            return state
        return msgspec.structs.replace(state, read_at=session.now(), time_offset=clock - session.now())

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        stream, picture = await self._views(session, session.now() + (state.time_offset or 0.0))
        return msgspec.structs.replace(state, stream=stream, picture=picture)

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`. Many cameras have no such address."""
        clock = await session.send(messages.date_and_time())
        if isinstance(clock, Failure):
            return clock
        path = await session.send(messages.back_up_uri(_token(session, clock), session.host))
        if isinstance(path, Failure):
            return None if path.act is Act.NEVER else path
        return await session.send(messages.back_up(path))

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`. Announce, wait as long as the camera asks, and post."""
        clock = await session.send(messages.date_and_time())
        if isinstance(clock, Failure):
            return clock
        upgrade = await session.send(messages.start_upgrade(_token(session, clock), session.host))
        if isinstance(upgrade, Failure):
            return upgrade
        if upgrade.delay_seconds > LONGEST_DELAY_SECONDS:
            return Failure(Act.NEVER, "rubbish", f"the camera wants its image {upgrade.delay_seconds:.0f} s later")
        await asyncio.sleep(upgrade.delay_seconds)
        return await session.send(messages.upload(upgrade, image, family))

    async def _views(self, session: CameraSession, camera_time: float) -> tuple[Stream | None, Picture | None]:
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


def _token(session: CameraSession, camera_time: float) -> str:
    """Return a fresh login for one request; empty where the session has no credential."""
    if session.credential is None:
        return ""
    return security.header(session.credential, session.nonce(), camera_time)
