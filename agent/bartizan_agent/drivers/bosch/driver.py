"""Bosch: who a camera is and whether it works, by ONVIF. Its own interface, RCP+, is not spoken."""

from bartizan.identity.model import Evidence, Source
from bartizan_agent.drivers.contract import CameraSession, CameraState, Driver, Failure, Tier
from bartizan_agent.drivers.family import load_families
from bartizan_agent.drivers.onvif.driver import Onvif

_ONVIF = Onvif()


class Bosch(Driver):
    """ONVIF, for reading alone. See README.md in this folder."""

    name = "bosch"
    makers = ("bosch",)
    tier = Tier.CONTAINS
    source = Source.ONVIF
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        return await _ONVIF.identify(session)

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        return await _ONVIF.settings(session)

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        return await _ONVIF.read_state(session)
