"""Who is in the fleet: enrolled all at once in the controller's own database, with keys and certificates of their own.

<folder>/fleet.json    the roster
<folder>/ca.pem        the controller's authority
<folder>/<site>.pem    a gateway's certificate and key
"""

import time
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Connection

from bartizan.ids import OrganisationId, SiteId
from bartizan.trust import sealing
from bartizan.wire import codec
from bartizan.wire.enrolment import EnrolmentRequest
from bartizan_controller import enrolment, estate
from bartizan_controller.authority import Authority
from bartizan_controller.catalogue.online_keys import load_online_keys
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.config import load
from bartizan_controller.directory import Folder, locked
from bartizan_controller.store import dialect
from bartizan_controller.store.database import Database

ROSTER_FILE = "fleet.json"
CA_FILE = "ca.pem"
BY = "lab"
AT_ONCE = 100
"""Gateways enrolled in one transaction."""
TOKEN_SECONDS = 3600.0


class Member(msgspec.Struct, frozen=True):
    """One gateway's identity."""

    site: SiteId
    sealing_key: bytes
    """X25519 private key, 32 octets, by which camera credentials are opened."""


class Roster(msgspec.Struct, frozen=True):
    """The fleet, and what it was told when it was enrolled."""

    root: bytes
    """The catalogue's first root metadata."""
    members: tuple[Member, ...]


def enrol(controller: Path, folder: Path, count: int, *, organisation: str, prefix: str = "site") -> Roster:
    """Enrol gateways of sites `<prefix>-00000` onwards with a controller that does not run, and keep what they hold.

    Each goes the way of a gateway with a one-time token, the audit chain included, but for the HTTP request.

    Raises:
        SetUpWrong: There is no controller in the folder, or it runs.
        Conflict: The sites are there already.
    """
    where = Folder(controller)
    where.check()
    folder.mkdir(mode=0o700, exist_ok=True)
    members: list[Member] = []
    url = load(where.config).database or dialect.sqlite_url(where.database)
    with locked(where), Database(url) as database:
        authority = Authority(where.keys)
        for start in range(0, count, AT_ONCE):
            sites = [SiteId(f"{prefix}-{number:05}") for number in range(start, min(start + AT_ONCE, count))]
            members += database.change(
                lambda connection, sites=sites: [  # type: ignore[misc] # mypy: a default that binds the loop's value
                    _enrol(connection, authority, folder, site, OrganisationId(organisation)) for site in sites
                ]
            )
        repository = CatalogueRepository(where.catalogue, load_online_keys(where.keys))
        roster = Roster(repository.first_root(), tuple(members))
        (folder / CA_FILE).write_bytes(authority.ca_pem)
    (folder / ROSTER_FILE).write_bytes(codec.encode(roster))
    return roster


def read(folder: Path) -> Roster:
    """Return the roster that `enrol` kept."""
    return msgspec.json.decode((folder / ROSTER_FILE).read_bytes(), type=Roster)


def _enrol(
    connection: Connection, authority: Authority, folder: Path, site: SiteId, organisation: OrganisationId
) -> Member:
    now = time.time()
    estate.add_site(connection, site, site, organisation, by=BY, now=now)
    token = enrolment.make_token(connection, authority, site, by=BY, now=now, lifetime_seconds=TOKEN_SECONDS)
    key, sealing_key = ec.generate_private_key(ec.SECP256R1()), X25519PrivateKey.generate()
    request = EnrolmentRequest(token, _certificate_request(key, site), sealing.public_text(sealing_key))
    admitted = enrolment.admit(connection, authority, request, now=now)
    if admitted is None:
        raise RuntimeError(f"the controller did not let its own lab in as {site!r}; its audit chain says why")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{site}.pem").write_bytes(admitted.certificate.encode() + pem)
    return Member(site, sealing_key.private_bytes_raw())


def _certificate_request(key: ec.EllipticCurvePrivateKey, site: SiteId) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, site)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()
