"""Rows of gateways: who was enrolled, what each said of itself, and the certificates that it was given."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, select, update

from bartizan.ids import BootId, SiteId
from bartizan.wire import codec
from bartizan.wire.up import Posture
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
    "sealing_key",
)


class Gateway(msgspec.Struct, frozen=True):
    """One gateway as the controller knows it."""

    site: SiteId
    certificate: str
    """Serial number, hexadecimal."""
    key_digest: str
    """SHA-256 of the public key that the certificate is for."""
    sealing_key: str
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
    """A client certificate that the CA signed for a gateway."""

    serial: str
    site: SiteId
    key_digest: str
    issued_at: float
    expires_at: float
    revoked_at: float | None = None


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
    columns = [gateways.c[name] for name in Gateway.__struct_fields__]
    found: dict[SiteId, Gateway] = {}
    for some in dialect.portions(sites):
        for row in connection.execute(select(*columns).where(gateways.c.site.in_(some))).mappings():
            found[SiteId(row["site"])] = _gateway(row)
    return found


def posture(connection: Connection, site: SiteId) -> Posture | None:
    """Return what a gateway last measured, without its devices, or None if it has not reported."""
    document = connection.execute(select(gateways.c.posture).where(gateways.c.site == site)).scalar()
    return codec.decode(document, Posture) if document is not None else None


def enrol(connection: Connection, gateway: Gateway) -> None:
    """Keep a gateway; one enrolled before for the same site is replaced, with what it said of itself."""
    row = msgspec.structs.asdict(gateway) | {"posture": None}
    statement = dialect.insert(connection, gateways).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["site"], set_=row))


def save_link_states(connection: Connection, changed: Sequence[Gateway]) -> None:
    """Keep what is known of each gateway's connection."""
    if changed:
        statement = (
            update(gateways)
            .where(gateways.c.site == bindparam("of_site"))
            .values({name: bindparam(f"new_{name}") for name in _LINK_COLUMNS})
        )
        connection.execute(
            statement,
            [
                {"of_site": gateway.site} | {f"new_{name}": getattr(gateway, name) for name in _LINK_COLUMNS}
                for gateway in changed
            ],
        )


def save_report(
    connection: Connection, site: SiteId, *, digest: str, taken_at: float, now: float, posture: Posture
) -> None:
    """Keep what a report says of the site as a whole."""
    connection.execute(
        update(gateways)
        .where(gateways.c.site == site)
        .values(
            report_digest=digest,
            taken_at=taken_at,
            reported_at=now,
            posture=codec.encode(msgspec.structs.replace(posture, devices=())),
        )
    )


def disconnect_all(connection: Connection) -> None:
    """Nobody is connected: the broker has died. Whoever is there will say hello again."""
    connection.execute(update(gateways).where(gateways.c.connected).values(connected=False))


def renew(connection: Connection, site: SiteId, serial: str) -> None:
    """Note which certificate a gateway was given last."""
    connection.execute(update(gateways).where(gateways.c.site == site).values(certificate=serial))


def add_certificate(connection: Connection, certificate: IssuedCertificate) -> None:
    """Keep which certificate was issued."""
    connection.execute(certificates.insert().values(msgspec.structs.asdict(certificate)))


def revoke_certificates(connection: Connection, site: SiteId, *, now: float) -> int:
    """Mark every certificate of a site as revoked; return how many were valid until now."""
    return connection.execute(
        update(certificates)
        .where(certificates.c.site == site, certificates.c.revoked_at.is_(None))
        .values(revoked_at=now)
    ).rowcount


def revoked_certificates(connection: Connection, *, now: float) -> tuple[IssuedCertificate, ...]:
    """Return what a revocation list must name: revoked, and not yet expired."""
    rows = connection.execute(
        select(certificates)
        .where(certificates.c.revoked_at.is_not(None), certificates.c.expires_at > now)
        .order_by(certificates.c.serial)
    )
    return tuple(IssuedCertificate(**row) for row in rows.mappings())


def _gateway(row: RowMapping) -> Gateway:
    return Gateway(**row)
