"""Statements that a gateway signs with its own key: DSSE, with the certificate that the estate's authority gave it.

The envelope is DSSE v1 with one more member, `certificates` (PEM, the gateway's and its authority's), which others
ignore as the standard demands. The signature is ECDSA with SHA-256 by the key of the certificate. That key signs TLS
handshakes as well; neither can be taken for the other, for DSSE's encoding begins with its own name.
"""

import base64
import binascii
import itertools
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from bartizan.containment.statement import Statement
from bartizan.errors import BadSignature, Malformed
from bartizan.trust.dsse import LIMIT, Signature, pre_authentication_encoding
from bartizan.wire import codec

PAYLOAD_TYPE = "application/vnd.bartizan.statement+json"
FORMAT = 1


class Sealed(msgspec.Struct, frozen=True, rename="camel"):
    """The JSON form."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]
    certificates: tuple[str, ...] = ()


class Verified(NamedTuple):
    """A statement whose signature is good, and what it rests on."""

    statement: Statement
    serial: str
    """Of the gateway's certificate, hexadecimal."""
    not_after: float
    """When that expires, Unix seconds."""


def seal(statement: Statement, key: ec.EllipticCurvePrivateKey, certificates: tuple[str, ...]) -> bytes:
    """Return the envelope of a statement.

    Raises:
        ValueError: It would be larger than is accepted: ask for a shorter time.
    """
    payload = codec.encode(statement)
    signature = key.sign(pre_authentication_encoding(payload, PAYLOAD_TYPE), ec.ECDSA(SHA256()))
    envelope = codec.encode(
        Sealed(
            payload=base64.b64encode(payload).decode(),
            payload_type=PAYLOAD_TYPE,
            signatures=(Signature(sig=base64.b64encode(signature).decode()),),
            certificates=certificates,
        )
    )
    if len(envelope) > LIMIT:
        raise ValueError(f"a statement of {len(envelope)} octets; at most {LIMIT} are accepted: ask for a shorter time")
    return envelope


def open_statement(envelope: bytes, authority_pem: bytes) -> Verified:
    """Return a statement after its signature was verified up to the estate's authority.

    Raises:
        Malformed: It is no statement, or one of a later format.
        BadSignature: The certificate is not by this authority, was not valid when the statement was made, or is another
            site's; or the signature is not by its key.
    """
    sealed = codec.decode(envelope, Sealed, LIMIT)
    if sealed.payload_type != PAYLOAD_TYPE:
        raise Malformed(f"it holds {sealed.payload_type[:80]!r} and no statement of a gateway")
    if not sealed.certificates or len(sealed.signatures) != 1:
        raise Malformed("a statement has one signature, and the certificate of the gateway that made it")
    authority, certificate = _certificate(authority_pem), _certificate(sealed.certificates[0].encode())
    payload = _octets(sealed.payload)
    _check_signature(certificate, authority, pre_authentication_encoding(payload, PAYLOAD_TYPE), sealed.signatures[0])
    statement = codec.decode(payload, Statement, LIMIT)
    if statement.format != FORMAT:
        raise Malformed(f"it is of format {statement.format}, and this program reads {FORMAT}: upgrade it")
    _check_sense(statement)
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [statement.site]:
        raise BadSignature(f"the certificate is of {names!r}, and the statement speaks for {statement.site!r}")
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    if not begins <= statement.made_at <= ends:
        raise BadSignature("the gateway's certificate was not valid when the statement says it was made")
    return Verified(statement, f"{certificate.serial_number:x}", ends)


def _check_signature(
    certificate: x509.Certificate, authority: x509.Certificate, signed: bytes, signature: Signature
) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise BadSignature("the gateway's certificate was not issued by this authority") from error
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadSignature("the gateway's certificate is for another kind of key")
    try:
        key.verify(_octets(signature.sig), signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise BadSignature("the signature is not by the key of the certificate: the statement was changed") from error


def _check_sense(statement: Statement) -> None:
    """Refuse a statement whose parts are not the time it speaks of; no gateway makes one."""
    edges = [statement.since, *(part.until for part in statement.parts)]
    begins = [part.since for part in statement.parts]
    in_order = all(one < other for one, other in itertools.pairwise(edges))
    if begins != edges[:-1] or edges[-1] != statement.until or not in_order:
        raise Malformed("its parts are not the time that it speaks of")


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Malformed("a certificate is not PEM") from error


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the statement has a field that is not base64") from error
