"""Rows of attempts: per device and destination, when packets were first and last dropped, and how many."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, literal_column, select, update

from bartizan.containment.model import DropCounter
from bartizan.ids import DeviceId, SiteId
from bartizan_controller.attempts import (
    OF_A_DEVICE,
    OF_A_SITE,
    PACKETS_AT_MOST,
    Attempt,
    Owner,
    Running,
    Target,
    movement,
)
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import attempts


def running(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, dict[Target, Running]]:
    """Return the counters of these sites' gateways that had not ended; sites without any are left out."""
    found: dict[SiteId, dict[Target, Running]] = {}
    for site, device, *target, counter in dialect.rows_of(connection, _RUNNING, "of_sites", sites):
        found.setdefault(site, {})[Target(*target)] = Running(device, counter)
    return found


def take(
    connection: Connection,
    site: SiteId,
    devices: Iterable[Owner],
    drops: Sequence[DropCounter],
    *,
    now: float,
    known: Mapping[Target, Running] | None = None,
) -> None:
    """Add what a report counts, in its transaction. What was tried longest ago is forgotten where there is too much.

    Args:
        connection: In the transaction that keeps the report.
        site: Whose report it is.
        devices: Of the report.
        drops: What the gateway counted.
        now: When the report came.
        known: What `running` returned for the site, where it was asked for many.
    """
    if known is None:
        known = running(connection, [site]).get(site, {})
    moved = movement(known, devices, drops)
    dialect.many(
        connection,
        _END,
        [
            {"of_site": site, "of_device": device, **{f"of_{name}": value for name, value in target._asdict().items()}}
            for device, target in moved.ended
        ],
    )
    dialect.many(
        connection,
        dialect.accumulate(connection, attempts, *_KEYS, kept="first_at", summed="packets", most=PACKETS_AT_MOST),
        [
            {
                "site": site,
                "device": rise.device,
                **rise.target._asdict(),
                "first_at": min(rise.first_at or now, now),
                "last_at": min(rise.last_at or now, now),
                "packets": rise.packets,
                "counter": rise.counter,
            }
            for rise in moved.risen
        ],
    )
    _forget(connection, site, {rise.device for rise in moved.risen})


def of_device(connection: Connection, site: SiteId, device: DeviceId, *, since: float) -> tuple[Attempt, ...]:
    """Return what a device tried since a time, latest first."""
    query = (
        select(*(attempts.c[name] for name in Attempt.__struct_fields__))
        .where(attempts.c.site == site, attempts.c.device == device, attempts.c.last_at >= since)
        .order_by(attempts.c.last_at.desc(), attempts.c.packets.desc(), *_TARGET)
        .limit(OF_A_DEVICE)
    )
    return tuple(Attempt(*row) for row in connection.execute(query))


def _forget(connection: Connection, site: SiteId, moved: set[DeviceId]) -> None:
    """Keep to the limits of each device that tried something, and of the site."""
    counts = {DeviceId(row[0]): row[1] for row in connection.execute(_COUNTS, {"of_site": site})} if moved else {}
    for device in moved:
        if counts[device] > OF_A_DEVICE:
            _keep_newest(connection, site, OF_A_DEVICE, device=device)
    if sum(counts.values()) > OF_A_SITE:
        _keep_newest(connection, site, OF_A_SITE)


def _keep_newest(connection: Connection, site: SiteId, kept: int, *, device: DeviceId | None = None) -> None:
    query = select(attempts.c.device, *_TARGET).where(attempts.c.site == site)
    if device is not None:
        query = query.where(attempts.c.device == device)
    old = connection.execute(query.order_by(attempts.c.last_at.desc(), attempts.c.packets.desc()).offset(kept)).all()
    rows = [{"of_site": site, **{f"of_{name}": value for name, value in row._asdict().items()}} for row in old]
    dialect.many(connection, _DELETE, rows)


_KEYS = tuple(column.name for column in attempts.primary_key)
_TARGET = tuple(attempts.c[name] for name in Target._fields)
_OF_SITE = attempts.c.site == bindparam("of_site")
_OF_SITES = attempts.c.site.in_(bindparam("of_sites", expanding=True))
_SAME = [column == bindparam(f"of_{column.name}") for column in attempts.primary_key]
# Made once: building a statement takes as long as running it.
_RUNNING = select(attempts.c.site, attempts.c.device, *_TARGET, attempts.c.counter).where(
    _OF_SITES, attempts.c.counter > 0
)
_COUNTS = select(attempts.c.device, func.count()).where(_OF_SITE).group_by(attempts.c.device)
_END = update(attempts).where(*_SAME).values(counter=literal_column("0"))  # `dialect.many` takes values from rows only
_DELETE = delete(attempts).where(*_SAME)
