"""TVT and Xiongmai: who a unit is, by ONVIF where it has it, and how a TVT recorder is set, by its own interface.

TVT's `/queryDevInfo` tells much to everybody (CVE-2024-7339): that is a vulnerability, and no way to read a device.
Xiongmai's own interface is not spoken: a login there gives away what is as good as the password.
"""

from bartizan.identity.model import Evidence, Source
from bartizan_agent.drivers import reading
from bartizan_agent.drivers.contract import CameraSession, CameraState, Channel, Driver, Failure, Tier
from bartizan_agent.drivers.family import load_families
from bartizan_agent.drivers.lineage import tvt
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

    async def channels(self, session: CameraSession) -> tuple[Channel, ...] | Failure | None:
        """See `Driver`. None: it has not TVT's interface."""
        shown = await _log_in(session)
        if shown is None or isinstance(shown, Failure):
            return shown
        found = await session.send(tvt.channels(shown))
        await session.send(tvt.log_out(shown))
        return found

    async def settings(self, session: CameraSession) -> tuple[Evidence, ...]:
        """See `Driver`."""
        said = await _ONVIF.settings(session)
        shown = await _log_in(session)
        if shown is None or isinstance(shown, Failure):
            return said
        own = await reading.all_said(session, tvt.settings(shown))
        await session.send(tvt.log_out(shown))
        return (*said, *own)


async def _log_in(session: CameraSession) -> tvt.Pass | Failure | None:
    """Return a pass to TVT's interface; None where there is no such interface."""
    challenge = await reading.optional(session, tvt.challenge())
    if challenge is None or session.credential is None:
        return None
    return await session.send(tvt.log_in(session.credential, challenge))
