"""Dahua: what is asked in each phase."""

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
    Progress,
    Tier,
)
from bartizan_agent.drivers.dahua import messages
from bartizan_agent.drivers.family import Family, load_families


class Dahua(Driver):
    """The CGI interface. See README.md in this folder."""

    name = "dahua"
    makers = ("dahua",)
    tier = Tier.UPDATES
    source = Source.DAHUA_CGI
    default_login = Credential("admin", "admin")
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        info = await _system_info(session)
        if isinstance(info, Failure):
            return info
        version = await session.send(messages.software_version())
        if isinstance(version, Failure):
            return version
        return msgspec.structs.replace(
            messages.camera_state(info, version),
            read_at=session.now(),
            up_seconds=await reading.optional(session, messages.up_time()),
        )

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        state = await self.identify(session)
        if isinstance(state, Failure):
            return state
        clock = await reading.optional(session, messages.current_time())
        return msgspec.structs.replace(
            state,
            manufacturer=(await reading.optional(session, messages.vendor())) or "",
            time_offset=clock - session.now() if clock is not None else None,
            stream=await reading.optional_stream(session, messages.MAIN_STREAM),
            picture=await reading.optional(session, messages.snapshot()),
        )

    async def channels(self, session: CameraSession) -> tuple[Channel, ...] | Failure | None:
        """See `Driver`."""
        return await session.send(messages.remote_devices())

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await reading.all_said(session, messages.settings())

    async def back_up(self, session: CameraSession) -> bytes | Failure | None:
        """See `Driver`. Not every firmware offers it."""
        configuration = await session.send(messages.configuration())
        if isinstance(configuration, Failure) and configuration.act is Act.NEVER:
            return None
        return configuration

    async def write(self, session: CameraSession, family: Family, image: ImageFile) -> Failure | None:
        """See `Driver`."""
        return await session.send(messages.upload_firmware(image, family))

    async def progress(self, session: CameraSession) -> Progress | Failure:
        """See `Driver`."""
        return await session.send(messages.upgrade_state())

    async def restart(self, session: CameraSession) -> Failure | None:
        """See `Driver`. Most restart by themselves once they have written."""
        return await session.send(messages.reboot())


async def _system_info(session: CameraSession) -> dict[str, str] | Failure:
    """Return getSystemInfo, with serial number and model from elsewhere where it has none that can be used."""
    info = await session.send(messages.system_info())
    if isinstance(info, Failure):
        return info
    if not info.get("serialNumber"):
        serial = await session.send(messages.serial_number())
        if isinstance(serial, Failure):
            return serial
        info = info | {"serialNumber": serial}
    if not info.get("deviceType") or info["deviceType"].isdecimal():
        info = info | {"deviceType": await reading.optional(session, messages.device_type()) or ""}
    return info
