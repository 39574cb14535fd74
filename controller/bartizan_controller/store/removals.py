"""How far sites have come in removing what policy wants gone, as their gateways last reported it."""

import msgspec
from sqlalchemy import Connection, bindparam, case, func, literal, select

from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan_controller.access import Scope
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import devices, sites


class SiteRemoval(msgspec.Struct, frozen=True):
    """A site where devices have a day of removal."""

    site: SiteId
    organisation: OrganisationId
    due_at: float
    """Unix seconds; the earliest of the devices that are still there, else of those that are not seen."""
    remaining: int
    """Devices that are still there."""
    overdue: int
    """Of these, those whose day has passed."""
    unseen: int
    """Devices that their gateway has lost sight of. Whether they were removed or only unplugged, it cannot know."""


class DeviceRemoval(msgspec.Struct, frozen=True):
    """A device that has a day of removal."""

    site: SiteId
    device: DeviceId
    maker: str
    model: str
    due_at: float
    overdue: bool
    last_seen: float
    """Unix seconds."""
    unseen: bool
    """Whether its gateway has lost sight of it."""


def by_site(connection: Connection, scope: Scope, *, now: float) -> tuple[SiteRemoval, ...]:
    """Return every site within `scope` where anything has to go, by its day; where none is seen any more, last."""
    present = ~devices.c.lost
    remaining = func.count(case((present, 1)))
    earliest = func.coalesce(func.min(case((present, devices.c.remove_by))), func.min(devices.c.remove_by))
    query = (
        select(
            devices.c.site,
            sites.c.organisation,
            earliest.label("due_at"),
            remaining.label("remaining"),
            func.count(case((present & (devices.c.remove_by <= bindparam("now")), 1))).label("overdue"),
            func.count(case((devices.c.lost, 1))).label("unseen"),
        )
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.remove_by.is_not(None))
        .group_by(devices.c.site, sites.c.organisation)
        .order_by(case((remaining > 0, literal(0)), else_=literal(1)), earliest, devices.c.site)
    )
    if scope is not None:
        query = query.where(devices.c.site.in_(sites_within(scope)))
    return tuple(SiteRemoval(**row._mapping) for row in connection.execute(query, {"now": now}))  # noqa: SLF001 - SQLAlchemy's name


def at_site(connection: Connection, site: SiteId, *, now: float) -> tuple[DeviceRemoval, ...]:
    """Return every device of a site that has to go, those that are still there first, by their day."""
    query = (
        select(devices.c.id, devices.c.maker, devices.c.model, devices.c.remove_by, devices.c.lost, devices.c.last_seen)
        .where(devices.c.site == site, devices.c.remove_by.is_not(None))
        .order_by(devices.c.lost, devices.c.remove_by, devices.c.id)
    )
    return tuple(
        DeviceRemoval(
            site,
            DeviceId(row.id),
            row.maker,
            row.model,
            row.remove_by,
            overdue=not row.lost and row.remove_by <= now,
            last_seen=row.last_seen,
            unseen=row.lost,
        )
        for row in connection.execute(query)
    )
