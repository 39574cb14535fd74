"""Camera credentials sealed to one gateway: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

The site and the generation are the `info` of the key schedule, so a sealed book opens only where and when it is said
to belong. HPKE draws its ephemeral key inside the `cryptography` library: a caller that chose it could choose it
twice.
"""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bartizan.errors import BadSignature, Malformed, Stale
from bartizan.ids import SiteId
from bartizan.trust.credentials import CredentialBook
from bartizan.trust.keys import public_octets
from bartizan.wire import codec
from bartizan.wire.down import SealedCredentials

LIMIT = 1024 * 1024  # octets


def seal(book: CredentialBook, site: SiteId, sealing_key: str) -> SealedCredentials:
    """Return a credential book that only one gateway can open.

    Args:
        book: All credentials of the site.
        site: Whose they are.
        sealing_key: The gateway's X25519 public key, base64, as in its hello.

    Raises:
        Malformed: The key is none.
        ValueError: The book is larger than `LIMIT`.
    """
    plain = codec.encode(book)
    if len(plain) > LIMIT:
        raise ValueError(f"a credential book of {len(plain)} octets; at most {LIMIT} are accepted")
    key = X25519PublicKey.from_public_bytes(public_octets(sealing_key))
    try:
        sealed = _SUITE.encrypt(plain, key, info=_info(site, book.generation))
    except ValueError as error:
        # RFC 9180, 7.1.4: a key of small order gives the all-zero secret.
        raise Malformed("the sealing key is not a usable X25519 key") from error
    return SealedCredentials(generation=book.generation, sealed=sealed)


def open_sealed(
    message: SealedCredentials, site: SiteId, key: X25519PrivateKey, *, held_generation: int
) -> CredentialBook:
    """Return the credentials sealed to this gateway.

    Raises:
        Stale: The generation is lower than the one held.
        BadSignature: Sealed to another key, for another site or generation, or changed on the way.
        Malformed: Too large, or no credential book.
    """
    if message.generation < held_generation:
        raise Stale(f"credentials {message.generation} came after {held_generation}")
    if len(message.sealed) > LIMIT + _OVERHEAD:
        raise Malformed(f"sealed credentials of {len(message.sealed)} octets; at most {LIMIT + _OVERHEAD} are accepted")
    try:
        plain = _SUITE.decrypt(message.sealed, key, info=_info(site, message.generation))
    except InvalidTag as error:
        raise BadSignature("the credentials are not sealed to this gateway's key, site and generation") from error
    book = codec.decode(plain, CredentialBook, LIMIT)
    if book.generation != message.generation:
        raise Malformed(f"credentials {message.generation} hold a book that calls itself {book.generation}")
    return book


def public_text(key: X25519PrivateKey) -> str:
    """Return the public half of a sealing key as it travels in a hello: base64."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_OVERHEAD = 32 + 16  # the encapsulated key and the tag


def _info(site: SiteId, generation: int) -> bytes:
    return b"bartizan credentials 1\0" + codec.encode([site, generation])
