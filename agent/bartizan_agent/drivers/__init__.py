"""Drivers: one folder per vendor, mostly data. The list below is all there is; nothing is scanned for."""

from bartizan.identity.model import Identity
from bartizan_agent.drivers.axis.driver import Axis
from bartizan_agent.drivers.bosch.driver import Bosch
from bartizan_agent.drivers.contract import Driver, recognised
from bartizan_agent.drivers.dahua.driver import Dahua
from bartizan_agent.drivers.hanwha.driver import Hanwha
from bartizan_agent.drivers.hikvision.driver import Hikvision
from bartizan_agent.drivers.lineage.driver import Lineage
from bartizan_agent.drivers.onvif.driver import Onvif
from bartizan_agent.drivers.uniview.driver import Uniview

DRIVERS: tuple[Driver, ...] = (
    Hikvision(),
    Dahua(),
    Axis(),
    Hanwha(),
    Uniview(),
    Bosch(),
    Lineage(),
    Onvif(),
)


def driver_for(identity: Identity) -> Driver | None:
    """Return the driver of who built the device, whatever its badge. None: nobody here speaks to it."""
    return recognised(DRIVERS, identity)
