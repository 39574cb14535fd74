"""Axis: what is asked in each phase."""

import msgspec

from bartizan.identity.model import Evidence, Source
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.axis import messages
from bartizan_agent.drivers.contract import Act, CameraSession, CameraState, Driver, Failure, ImageFile, Tier
from bartizan_agent.drivers.family import Family, load_families


class Axis(Driver):
    """VAPIX. See README.md in this folder."""

    name = "axis"
    makers = ("axis",)
    tier = Tier.UPDATES
    source = Source.VAPIX
    default_login = Credential("root", "pass")
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Whether it is set up at all is open to everybody, and spares it a login.

        Firmware of before 2017 has parameters alone.
        """
        ready = await reading.optional(session, messages.system_ready())
        if ready is not None and ready.factory_state:
            return Failure(Act.CREDENTIALS, "not-activated", "the camera is in factory state: it has no password yet")
        state = await session.send(messages.device_info())
        if isinstance(state, Failure) and state.act is Act.NEVER:
            state = await session.send(messages.legacy_info())
        if isinstance(state, Failure):
            return state
        return msgspec.structs.replace(
            state,
            read_at=session.now(),
            boot=ready.boot if ready is not None else "",
            up_seconds=ready.up_seconds if ready is not None else None,
        )

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Without firmware management nothing is certain about commitment, so that is a failure."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        management = await session.send(messages.management_status())
        if isinstance(management, Failure):
            return management
        clock = await reading.optional(session, messages.date_and_time())
        return msgspec.structs.replace(
            state,
            uncommitted=management.uncommitted,
            time_offset=clock - session.now() if clock is not None else None,
            stream=await reading.optional_stream(session, messages.MAIN_STREAM),
            picture=await reading.optional(session, messages.snapshot()),
        )

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await reading.all_said(session, messages.settings())

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`."""
        return await session.send(messages.parameters())

    async def prepare(self, session: CameraSession) -> Failure | None:
        """See `Driver`. A camera takes an image only while the one that runs is committed."""
        management = await session.send(messages.management_status())
        if isinstance(management, Failure):
            return management
        if management.uncommitted:
            return Failure(Act.NEVER, "uncommitted", f"firmware {management.active} was never committed; somebody must")
        return None

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`."""
        answer = await session.send(messages.upgrade(image, family))
        return answer if isinstance(answer, Failure) else None

    async def commit(self, session: CameraSession) -> Failure | None:
        """See `Driver`."""
        return await session.send(messages.commit())

    async def roll_back(self, session: CameraSession) -> Failure | None:
        """See `Driver`."""
        return await session.send(messages.roll_back())
