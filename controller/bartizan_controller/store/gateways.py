"""Rows of gateways: who was enrolled, what each said of itself, and the certificates that it was given."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from bartizan.ids import BootId, SiteId
from bartizan.wire import codec
from bartizan.wire.up import Posture, SelfTest
from bartizan_controller.errors import NotFound
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import certificates, gateways

_LINK_COLUMNS = (
    "connected",
    "last_seen",
    "boot",
    "capability",
    "agent_version",
    "clock_offset",
    "events_pending",
    "credentials",
)


class Gateway(msgspec.Struct, frozen=True):
    """One gateway as the controller knows it."""

    site: SiteId
    certificate: str
    """Serial number, hexadecimal, of the one issued last."""
    sealing_key: str
    """X25519 public key, base64, to which its camera credentials are sealed: the one that it enrolled with."""
    enrolled_at: float
    connected: bool = False
    last_seen: float | None = None
    boot: BootId = BootId("")
    capability: int = 0
    agent_version: str = ""
    clock_offset: float = 0.0
    """Seconds that the gateway's clock is ahead of the controller's."""
    events_pending: int = 0
    credentials: int = 0
    """Generation of the credential book it holds."""
    report_digest: str = ""
    reported_at: float | None = None
    taken_at: float | None = None


class IssuedCertificate(msgspec.Struct, frozen=True):
    """A client certificate that the authority signed for a gateway. Whether it is revoked, the revocation list says."""

    serial: str
    """Hexadecimal."""
    site: SiteId
    pem: str
    issued_at: float
    expires_at: float


class Told(Protocol):
    """What a report says of its site as a whole."""

    @property
    def site(self) -> SiteId:
        """Whose it is."""

    @property
    def digest(self) -> str:
        """As in `Report`."""

    @property
    def taken_at(self) -> float:
        """Unix seconds, by the gateway's clock."""

    @property
    def posture(self) -> Posture:
        """With its devices or without."""


def find(connection: Connection, site: SiteId) -> Gateway:
    """Return the gateway of a site.

    Raises:
        NotFound: None was enrolled.
    """
    known = load(connection, [site])
    if site not in known:
        raise NotFound(f"no gateway of site {site!r} is enrolled")
    return known[site]


def load(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, Gateway]:
    """Return the gateways of these sites; sites without one are left out."""
    return {row[0]: _gateway(row) for row in dialect.rows_of(connection, _LOAD, "of_sites", sites)}


def _gateway(row: tuple[Any, ...]) -> Gateway:
    site, certificate, sealing_key, enrolled_at, connected, *rest = row
    return Gateway(site, certificate, sealing_key, enrolled_at, bool(connected), *rest)  # SQLite has no truth values


def report_age(gateway: Gateway | None, now: float) -> float | None:
    """Return the seconds since a gateway's last report was taken, or None if there is no report."""
    return now - gateway.taken_at if gateway is not None and gateway.taken_at is not None else None


def posture(connection: Connection, site: SiteId) -> Posture | None:
    """Return what a gateway last measured, without its devices, or None if it has not reported."""
    document = connection.execute(select(gateways.c.posture).where(gateways.c.site == site)).scalar()
    return codec.decode(document, Posture) if document is not None else None


def postures(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, Posture]:
    """Return what the gateways of these sites last measured, without devices; who has not reported is left out."""
    found: dict[SiteId, Posture] = {}
    for some in dialect.portions(sites):
        query = select(gateways.c.site, gateways.c.posture).where(gateways.c.site.in_(some))
        for row in connection.execute(query.where(gateways.c.posture.is_not(None))):
            found[SiteId(row.site)] = codec.decode(row.posture, Posture)
    return found


class Troubles(msgspec.Struct, frozen=True):
    """Of a posture, nothing but this: its drops are many."""

    self_test: SelfTest | None = None
    segments_gone: tuple[str, ...] = ()


def troubles(connection: Connection, sites: Iterable[SiteId]) -> dict[SiteId, Troubles]:
    """Return what the gateways of these sites last measured of themselves; who has not reported is left out."""
    found: dict[SiteId, Troubles] = {}
    for some in dialect.portions(sites):
        query = select(gateways.c.site, gateways.c.posture).where(gateways.c.site.in_(some))
        for row in connection.execute(query.where(gateways.c.posture.is_not(None))):
            found[SiteId(row.site)] = codec.decode(row.posture, Troubles)
    return found


def enrol(connection: Connection, gateway: Gateway) -> None:
    """Keep a gateway; one enrolled before for the same site is replaced, with what it said of itself."""
    row = msgspec.structs.asdict(gateway) | {"posture": None}
    statement = dialect.insert(connection, gateways).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["site"], set_=row))


def save_link_states(connection: Connection, changed: Sequence[Gateway]) -> None:
    """Keep what is known of each gateway's connection."""
    rows = [
        {"of_site": gateway.site} | {f"new_{name}": getattr(gateway, name) for name in _LINK_COLUMNS}
        for gateway in changed
    ]
    dialect.many(connection, _SAVE_LINK_STATE, rows)


def save_reports(connection: Connection, reports: Iterable[Told], *, now: float) -> None:
    """Keep what reports say of their sites as a whole."""
    rows = [
        {
            "of_site": report.site,
            "of_digest": report.digest,
            "taken": report.taken_at,
            "at": now,
            "measured": codec.encode(msgspec.structs.replace(report.posture, devices=())),
        }
        for report in reports
    ]
    dialect.many(connection, _SAVE_REPORT, rows)


def disconnect_all(connection: Connection) -> None:
    """Nobody is connected: the broker has died. Whoever is there will say hello again."""
    connection.execute(update(gateways).where(gateways.c.connected).values(connected=False))


def add_certificate(connection: Connection, certificate: IssuedCertificate) -> None:
    """Keep which certificate was issued; it is the gateway's present one from now on."""
    connection.execute(certificates.insert().values(msgspec.structs.asdict(certificate)))
    connection.execute(
        update(gateways).where(gateways.c.site == certificate.site).values(certificate=certificate.serial)
    )


def sites_of(connection: Connection, serials: Iterable[str]) -> tuple[SiteId, ...]:
    """Return the sites whose present certificate has one of these serial numbers."""
    sites: list[SiteId] = []
    for some in dialect.portions(serials):
        query = select(gateways.c.site).where(gateways.c.certificate.in_(some)).order_by(gateways.c.site)
        sites += [SiteId(row.site) for row in connection.execute(query)]
    return tuple(sites)


def valid_certificates(connection: Connection, site: SiteId, *, now: float) -> tuple[IssuedCertificate, ...]:
    """Return the certificates of a site that have not expired, the latest last."""
    rows = connection.execute(
        select(certificates)
        .where(certificates.c.site == site, certificates.c.expires_at > now)
        .order_by(certificates.c.issued_at, certificates.c.serial)
    )
    return tuple(IssuedCertificate(**row) for row in rows.mappings())


def forget_certificates(connection: Connection, *, expired_before: float) -> int:
    """Delete what is kept of certificates that expired before a time; return how many."""
    return connection.execute(delete(certificates).where(certificates.c.expires_at < expired_before)).rowcount


_SAVE_LINK_STATE = (
    update(gateways)
    .where(gateways.c.site == bindparam("of_site"))
    .values({name: bindparam(f"new_{name}") for name in _LINK_COLUMNS})
)
_SAVE_REPORT = (
    update(gateways)
    .where(gateways.c.site == bindparam("of_site"))
    .values(
        report_digest=bindparam("of_digest"),
        taken_at=bindparam("taken"),
        reported_at=bindparam("at"),
        posture=bindparam("measured"),
    )
)
# Made once: building a statement takes as long as running it.
_LOAD = select(*(gateways.c[name] for name in Gateway.__struct_fields__)).where(
    gateways.c.site.in_(bindparam("of_sites", expanding=True))
)
