"""TVT and Xiongmai: who a unit is, by ONVIF where it has it. Nothing else is asked of these units.

TVT's `/queryDevInfo` tells much to everybody (CVE-2024-7339): that is a vulnerability, and no way to read a device.
"""

from bartizan.identity.model import Source
from bartizan_agent.drivers.contract import CameraSession, CameraState, Driver, Failure, Tier
from bartizan_agent.drivers.family import load_families
from bartizan_agent.drivers.onvif.driver import Onvif

_ONVIF = Onvif()


class Lineage(Driver):
    """Units whose badge hides their maker. See README.md in this folder."""

    name = "lineage"
    makers = ("tvt", "xiongmai")
    tier = Tier.SEES
    source = Source.ONVIF
    families = load_families(__package__)

    async def identify(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`."""
        return await _ONVIF.identify(session)

    async def read_state(self, session: CameraSession) -> CameraState | Failure:
        """See `Driver`. Identity and clock are all that is asked of units about which so little is known."""
        return await _ONVIF.identify(session)
