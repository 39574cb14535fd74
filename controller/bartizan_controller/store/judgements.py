"""Rows of what the controller makes of each gateway's last report: whether it holds what is expected of it."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Column, Connection, Double, LargeBinary, Table, Text, func, select

from bartizan.ids import SiteId
from bartizan.wire import codec
from bartizan_controller.access import Scope
from bartizan_controller.store import dialect
from bartizan_controller.store.organisations import sites_within
from bartizan_controller.store.tables import METADATA, gateways

judgements = Table(
    "judgements",
    METADATA,
    Column("site", Text, primary_key=True),
    Column("report", Text, nullable=False),
    Column("differences", LargeBinary, nullable=False),
    Column("since", Double),
)


class Judgement(msgspec.Struct, frozen=True):
    """What was made of a site's last report."""

    report: str
    """Its digest."""
    differences: tuple[str, ...] = ()
    """How what its kernel holds is otherwise than expected, in words."""
    since: float | None = None
    """Since when it differs, Unix seconds; None: it does not."""


class DifferingSite(msgspec.Struct, frozen=True):
    """A site that holds something else than expected."""

    site: SiteId
    since: float
    """Unix seconds."""
    differences: tuple[str, ...]


def unjudged(connection: Connection, *, reported_before: float, limit: int) -> tuple[SiteId, ...]:
    """Return sites whose last report came before a time and was not judged, the longest waiting first."""
    query = (
        select(gateways.c.site)
        .outerjoin(judgements, judgements.c.site == gateways.c.site)
        .where(
            gateways.c.report_digest != "",
            gateways.c.reported_at < reported_before,
            func.coalesce(judgements.c.report, "") != gateways.c.report_digest,
        )
        .order_by(gateways.c.reported_at)
        .limit(limit)
    )
    return tuple(SiteId(row.site) for row in connection.execute(query))


def load(connection: Connection, site: SiteId) -> Judgement | None:
    """Return what was made of a site, if anything was."""
    row = connection.execute(select(judgements).where(judgements.c.site == site)).first()
    return Judgement(row.report, codec.decode(row.differences, tuple[str, ...]), row.since) if row else None


def save(connection: Connection, made: Mapping[SiteId, Judgement]) -> None:
    """Keep what was made of sites."""
    for site, each in made.items():
        values = msgspec.structs.asdict(each) | {"differences": codec.encode(each.differences)}
        statement = dialect.insert(connection, judgements).values(site=site, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["site"], set_=values))


def differing(connection: Connection, scope: Scope) -> tuple[DifferingSite, ...]:
    """Return the sites within `scope` that hold something else than expected, those that have longest first."""
    query = select(judgements).where(judgements.c.since.is_not(None))
    if scope is not None:
        query = query.where(judgements.c.site.in_(sites_within(scope)))
    return tuple(
        DifferingSite(SiteId(row.site), row.since, codec.decode(row.differences, tuple[str, ...]))
        for row in connection.execute(query.order_by(judgements.c.since, judgements.c.site))
    )
