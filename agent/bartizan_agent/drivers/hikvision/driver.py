"""Hikvision: what is asked in each phase."""

import msgspec

from bartizan.identity.model import Evidence, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.contract import (
    CameraSession,
    CameraState,
    Channel,
    Driver,
    Failure,
    ImageFile,
    Progress,
    Tier,
)
from bartizan_agent.drivers.family import Family, load_families
from bartizan_agent.drivers.hikvision import messages


class Hikvision(Driver):
    """ISAPI. See README.md in this folder."""

    name = "hikvision"
    makers = ("hikvision",)
    tier = Tier.UPDATES
    source = Source.ISAPI
    default_login = Credential("admin", "12345")
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Its `bootTime` is of its own clock, which it may set: uptime tells a restart more surely."""
        state = await session.send(messages.device_info())
        if isinstance(state, Failure):
            return state
        status = await reading.optional(session, messages.status())
        clock = status.clock if status is not None else None
        return msgspec.structs.replace(
            state,
            read_at=session.now(),
            up_seconds=status.up_seconds if status is not None else None,
            time_offset=clock - session.now() if clock is not None else None,
        )

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Stream and picture are missing while the encoder starts."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        return msgspec.structs.replace(
            state,
            stream=await reading.optional_stream(session, messages.MAIN_STREAM),
            picture=await reading.optional(session, messages.snapshot()),
        )

    async def channels(self, session: CameraSession) -> tuple[Channel, ...] | Failure | None:
        """See `Driver`."""
        return await session.send(messages.input_channels())

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await reading.all_said(session, messages.settings())

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`."""
        return await session.send(messages.configuration())

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`."""
        return await session.send(messages.update_firmware(image, family))

    async def progress(self, session: CameraSession) -> Progress | Failure:
        """See `Driver`."""
        return await session.send(messages.upgrade_status())

    async def restart(self, session: CameraSession) -> Failure | None:
        """See `Driver`. The guide's last step, after the image is written."""
        return await session.send(messages.reboot())
