"""The one-time token that brings a gateway into the estate.

    bz1.<site>.<secret>.<SHA-256 of the controller's CA certificate, base64url>

The hash lets the gateway check whom it talks to before it sends the secret. The controller stores only the secret's
hash: 32 random octets need no slow hash.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bartizan.errors import Malformed
from bartizan.ids import SiteId, slug

PREFIX = "bz1"
SECRET_OCTETS = 32
HASH_OCTETS = 32


class Token(msgspec.Struct, frozen=True):
    """A token, taken apart. Never printed: `repr` hides the secret."""

    site: SiteId
    secret: bytes
    ca_sha256: bytes

    def __repr__(self) -> str:
        return f"Token(site={self.site!r}, secret=…)"


def write_token(site: SiteId, secret: bytes, ca_pem: bytes) -> str:
    """Return the token for a site.

    Args:
        site: Whose gateway it is for.
        secret: 32 random octets, used once.
        ca_pem: The controller's CA certificate.

    Raises:
        ValueError: The site's name is no slug, or the secret is short.
        Malformed: `ca_pem` is no certificate.
    """
    if len(secret) != SECRET_OCTETS:
        raise ValueError(f"a secret of {len(secret)} octets; {SECRET_OCTETS} are needed")
    return ".".join((PREFIX, slug(site), _text(secret), _text(ca_hash(ca_pem))))


def read_token(text: str) -> Token:
    """Return the parts of a token as a person pasted it.

    Raises:
        Malformed: It is no token, or a part of it was lost on the way.
    """
    parts = text.strip().split(".")
    if len(parts) != 4 or parts[0] != PREFIX:
        raise Malformed(f"this is no enrolment token: it should read {PREFIX}.<site>.<secret>.<CA hash>")
    try:
        site = SiteId(slug(parts[1]))
    except ValueError as error:
        raise Malformed("the token's site is not a name") from error
    return Token(
        site=site, secret=_octets(parts[2], "secret", SECRET_OCTETS), ca_sha256=_octets(parts[3], "hash", HASH_OCTETS)
    )


def secret_hash(secret: bytes) -> str:
    """Return what the controller stores of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret).hexdigest()


def is_secret(secret: bytes, stored_hash: str) -> bool:
    """Return whether `secret` is the one whose hash was stored, in constant time."""
    return hmac.compare_digest(secret_hash(secret).encode(), stored_hash.encode())


def is_pinned(token: Token, ca_pem: bytes) -> bool:
    """Return whether a CA certificate is the one that the token names.

    Raises:
        Malformed: `ca_pem` is no certificate.
    """
    return hmac.compare_digest(ca_hash(ca_pem), token.ca_sha256)


def ca_hash(ca_pem: bytes) -> bytes:
    """Return the SHA-256 of a certificate's DER form.

    Raises:
        Malformed: `ca_pem` is no certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(ca_pem)
    except ValueError as error:
        raise Malformed("the CA certificate is not PEM") from error
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str, name: str, length: int) -> bytes:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"the token's {name} was damaged; copy the whole token") from error
    if len(octets) != length:
        raise Malformed(f"the token's {name} was cut; copy the whole token")
    return octets
