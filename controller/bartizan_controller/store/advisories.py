"""Rows that say which devices are open to which advisories, as gateways reported it."""

from sqlalchemy import Connection, and_, func, select

from bartizan_controller.access import Scope
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import device_advisories, devices


def open_devices(connection: Connection, scope: Scope) -> dict[tuple[str, str], int]:
    """Return how many devices within `scope` are open to each advisory, by the advisory and the devices' maker."""
    joined = device_advisories.join(
        devices, and_(devices.c.site == device_advisories.c.site, devices.c.id == device_advisories.c.device)
    )
    query = select(device_advisories.c.advisory, devices.c.maker, func.count()).select_from(joined)
    if scope is not None:
        query = query.where(device_advisories.c.site.in_(sites_within(scope)))
    rows = connection.execute(query.group_by(device_advisories.c.advisory, devices.c.maker))
    return {(advisory, maker): count for advisory, maker, count in rows}
