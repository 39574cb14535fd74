"""Uniview: what is asked in each phase."""

import msgspec

from bartizan.identity.model import Evidence, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.contract import (
    Act,
    CameraSession,
    CameraState,
    Channel,
    Driver,
    Failure,
    ImageFile,
    Stream,
    Tier,
)
from bartizan_agent.drivers.family import Family, load_families
from bartizan_agent.drivers.onvif.messages import date_and_time
from bartizan_agent.drivers.uniview import messages


class Uniview(Driver):
    """LAPI. See README.md in this folder."""

    name = "uniview"
    makers = ("uniview",)
    tier = Tier.UPDATES
    source = Source.LAPI
    default_login = Credential("admin", "123456")
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Recorders and newer cameras have the one resource, older cameras only the other."""
        state = await session.send(messages.device_info())
        if isinstance(state, Failure) and state.act is Act.NEVER:
            state = await session.send(messages.device_basic_info())
        if isinstance(state, Failure):
            return state
        clock = await reading.optional(session, date_and_time())
        return msgspec.structs.replace(
            state, read_at=session.now(), time_offset=clock - session.now() if clock is not None else None
        )

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        return msgspec.structs.replace(
            state, stream=await _stream(session), picture=await reading.optional(session, messages.snapshot())
        )

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await reading.all_said(session, messages.settings())

    async def channels(self, session: CameraSession) -> tuple[Channel, ...] | Failure | None:
        """See `Driver`."""
        return await session.send(messages.channels())

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`. A task is begun first, to which the image then belongs."""
        task = await session.send(messages.begin_upgrade())
        if isinstance(task, Failure):
            return task
        return await session.send(messages.upload_firmware(task, image, family))


async def _stream(session: CameraSession) -> Stream | None:
    for path in messages.MAIN_STREAMS:
        stream = await session.describe_stream(path)
        if isinstance(stream, Stream):
            return stream
        if stream.code != "no-stream":
            break
    return None
