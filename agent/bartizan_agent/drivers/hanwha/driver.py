"""Hanwha: what is asked in each phase."""

import msgspec

from bartizan.identity.model import Evidence, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.contract import Act, CameraSession, CameraState, Driver, Failure, ImageFile, Tier
from bartizan_agent.drivers.family import Family, load_families
from bartizan_agent.drivers.hanwha import messages


class Hanwha(Driver):
    """SUNAPI. See README.md in this folder."""

    name = "hanwha"
    makers = ("hanwha",)
    tier = Tier.UPDATES
    source = Source.SUNAPI
    default_login = Credential("admin", "4321")
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. It tells neither a boot identity nor an uptime: only its absence shows a restart."""
        state = await session.send(messages.device_info())
        if isinstance(state, Failure):
            return state
        clock = await reading.optional(session, messages.date())
        return msgspec.structs.replace(
            state, read_at=session.now(), time_offset=clock - session.now() if clock is not None else None
        )

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        return msgspec.structs.replace(
            state,
            stream=await reading.optional_stream(session, messages.MAIN_STREAM),
            picture=await reading.optional(session, messages.snapshot()),
        )

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await reading.all_said(session, messages.settings())

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`. Not every user and firmware may."""
        configuration = await session.send(messages.configuration())
        if isinstance(configuration, Failure) and configuration.act is Act.NEVER:
            return None
        return configuration

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`. Its answer lasts as long as the writing; it breaks off where the camera restarts first."""
        return await session.send(messages.update_firmware(image, family))
