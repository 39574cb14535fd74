"""Ed25519 keys: PEM in, signatures out, and the one id that each key goes by in envelopes and catalogues."""

import base64
import binascii
import hashlib

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bartizan.errors import Malformed
from bartizan.ids import KeyId


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a key, and who holds the other half."""

    public: str
    """32 octets in base64."""
    holder: str = ""
    """A person or program, for those who read a catalogue. Two keys of one holder count as one approver."""

    @property
    def id(self) -> KeyId:
        """Its id, as securesystemslib computes it: the SHA-256 of the key's canonical description."""
        return key_id(self.raw)

    @property
    def raw(self) -> bytes:
        """Its 32 octets.

        Raises:
            Malformed: `public` is not base64 of 32 octets.
        """
        return public_octets(self.public)


class SigningKey:
    """A private key. Made with `from_pem`, or with `from_seed` of 32 random octets."""

    def __init__(self, private: Ed25519PrivateKey, holder: str = "") -> None:
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._private = private
        self.public = PublicKey(public=base64.b64encode(raw).decode(), holder=holder)
        self.id = key_id(raw)

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r}, holder={self.public.holder!r})"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`, 64 octets."""
        return self._private.sign(data)

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """Return the key as PKCS#8 PEM, encrypted if there is a passphrase."""
        protection: KeySerializationEncryption = (
            BestAvailableEncryption(passphrase) if passphrase is not None else NoEncryption()
        )
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def from_seed(seed: bytes, holder: str = "") -> SigningKey:
    """Return the key that grows from 32 random octets.

    Raises:
        ValueError: There are not 32.
    """
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed), holder)


def from_pem(pem: bytes, passphrase: bytes | None = None, *, holder: str = "") -> SigningKey:
    """Return the key in a PKCS#8 PEM file.

    Raises:
        Malformed: It is no Ed25519 key, or the passphrase is missing, wrong or not needed.
    """
    try:
        private = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("the key file cannot be read: is it PKCS#8 PEM, and is the passphrase right?") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Malformed("the key file holds another kind of key; an Ed25519 key is needed")
    return SigningKey(private, holder)


def key_id(public: bytes) -> KeyId:
    """Return the id of a public key of 32 octets."""
    # The canonical JSON of securesystemslib's key description, so that ids agree in DSSE, TUF and here.
    text = f'{{"keytype":"ed25519","keyval":{{"public":"{public.hex()}"}},"scheme":"ed25519"}}'
    return KeyId(hashlib.sha256(text.encode()).hexdigest())


def public_octets(text: str) -> bytes:
    """Return the 32 octets of a public key written in base64.

    Raises:
        Malformed: It is anything else.
    """
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("a public key is not valid base64") from error
    if len(octets) != 32:
        raise Malformed(f"a public key has {len(octets)} octets; 32 are needed")
    return octets


def is_signed(data: bytes, signature: bytes, public: bytes) -> bool:
    """Return whether `signature` is that of the key with these 32 public octets over `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True
