"""A burglar with the controller's whole folder: what of the sealed camera credentials in it can be read with it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bartizan.errors import Refused
from bartizan.ids import SiteId
from bartizan.trust.sealing import open_sealed
from bartizan.wire.down import SealedCredentials
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_controller.directory import Folder
from bartizan_controller.store import credentials, dialect
from bartizan_controller.store.database import Database

SECRET_OCTETS = 32  # of any key for the curves in use


class Loot(msgspec.Struct, frozen=True):
    """What came of it."""

    files: int
    """Were read, whole."""
    with_password: tuple[str, ...]
    """Of these, those in which a camera's password stands."""
    keys: int
    """Were found among them."""
    opened: tuple[SiteId, ...]
    """Sites whose credentials one of the keys opened."""
    opened_by_gateway: tuple[SiteId, ...]
    """Sites whose gateway opens the same octets, and finds the password."""


def rummage(controller: Path, gateways: dict[SiteId, IdentityKeys], password: str) -> Loot:
    """Search a controller's folder; let the gateways show that what was found there is what they were sent."""
    files = {path: path.read_bytes() for path in controller.rglob("*") if path.is_file() and not path.is_symlink()}
    secrets = [secret for octets in files.values() for secret in _secrets(octets)]
    with Database(dialect.sqlite_url(Folder(controller).database)) as database:
        held = database.query(lambda c: credentials.load(c, gateways))
    books = {site: SealedCredentials(each.generation, each.sealed) for site, each in held.items()}
    return Loot(
        files=len(files),
        with_password=tuple(str(path) for path, octets in files.items() if password.encode() in octets),
        keys=len(secrets),
        opened=tuple(site for site, book in books.items() if any(_opens(book, site, secret) for secret in secrets)),
        opened_by_gateway=tuple(
            site
            for site, book in books.items()
            if password
            in {
                each.password for each in gateways[site].open_credentials(book, site, held_generation=0).makers.values()
            }
        ),
    )


def _secrets(octets: bytes) -> Iterator[bytes]:
    """Yield the secret number of a private key in a file, of whatever kind of key, as if it were meant for sealing."""
    if b"PRIVATE KEY" not in octets:
        return
    match load_pem_private_key(octets, password=None):
        case ec.EllipticCurvePrivateKey() as key:
            yield key.private_numbers().private_value.to_bytes(SECRET_OCTETS)
        case ed25519.Ed25519PrivateKey() | x25519.X25519PrivateKey() as key:
            yield key.private_bytes_raw()


def _opens(book: SealedCredentials, site: SiteId, secret: bytes) -> bool:
    try:
        open_sealed(book, site, x25519.X25519PrivateKey.from_private_bytes(secret), held_generation=0)
    except Refused:
        return False
    return True
