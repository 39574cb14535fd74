"""The gateway's own keys on disk: one for TLS, one to which camera credentials are sealed. They never leave it.

<folder>/tls-key.pem      P-256, PKCS#8
<folder>/tls.pem          the client certificate that the controller issued for it
<folder>/ca.pem           the controller's CA, pinned at enrolment
<folder>/sealing-key.pem  X25519, PKCS#8
"""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from bartizan.containment.statement import Statement
from bartizan.errors import BadSignature, Malformed, Unavailable
from bartizan.ids import SiteId
from bartizan.trust import sealing, statements
from bartizan.trust.credentials import CredentialBook
from bartizan.wire.down import SealedCredentials
from bartizan_agent.durable import Write, replace_file

RENEW_WHEN_LEFT = 1 / 3
"""Part of a certificate's life; renewal is asked for from then on."""


class IdentityKeys:
    """Who this gateway is."""

    def __init__(self, folder: Path, write: Write = replace_file) -> None:
        self.tls_key_file = folder / "tls-key.pem"
        self.certificate_file = folder / "tls.pem"
        self.ca_file = folder / "ca.pem"
        self._sealing_key_file = folder / "sealing-key.pem"
        self._write = write

    def make_missing(self) -> None:
        """Make the keys that are not there yet. Those that are there are never replaced.

        Raises:
            Unavailable: The disk refuses.
        """
        if not self.tls_key_file.exists():
            self._write(self.tls_key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
        if not self._sealing_key_file.exists():
            self._write(self._sealing_key_file, _pem(X25519PrivateKey.generate()))

    def csr(self, site: SiteId) -> str:
        """Return a certificate signing request, PEM, signed by the TLS key.

        Raises:
            Unavailable: The key is not there.
            Malformed: The key file was damaged.
        """
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self._tls_key(), SHA256())
        return request.public_bytes(Encoding.PEM).decode()

    def install(self, certificate_pem: str, ca_pem: str, site: SiteId) -> None:
        """Keep a certificate and the CA that issued it.

        Raises:
            BadSignature: The certificate is not by this CA, or for another key or site.
            Malformed: One of them is no certificate.
            Unavailable: The disk refuses.
        """
        certificate, ca = _certificate(certificate_pem.encode()), _certificate(ca_pem.encode())
        self._check(certificate, ca, site)
        self._write(self.ca_file, ca.public_bytes(Encoding.PEM))
        self._write(self.certificate_file, certificate.public_bytes(Encoding.PEM))

    def renew(self, certificate_pem: str, site: SiteId) -> float:
        """Keep a renewed certificate of the pinned CA; return when it expires, Unix seconds.

        Raises:
            BadSignature: It is not by the pinned CA, or for another key or site.
            Malformed: It is no certificate.
            Unavailable: The disk refuses, or this gateway is not enrolled.
        """
        certificate = _certificate(certificate_pem.encode())
        self._check(certificate, _certificate(_read(self.ca_file)), site)
        self._write(self.certificate_file, certificate.public_bytes(Encoding.PEM))
        return certificate.not_valid_after_utc.timestamp()

    def is_renewal_due(self, now: float) -> bool:
        """Return whether a third or less of the certificate's life is left.

        Raises:
            Unavailable: There is no certificate.
            Malformed: The file was damaged.
        """
        certificate = _certificate(_read(self.certificate_file))
        begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        return end - now <= (end - begin) * RENEW_WHEN_LEFT

    def sealing_key(self) -> str:
        """Return the public key to which credentials are sealed: base64, as in a hello.

        Raises:
            Unavailable: The key is not there.
            Malformed: The key file was damaged.
        """
        return sealing.public_text(self._sealing_key())

    def open_credentials(self, message: SealedCredentials, site: SiteId, *, held_generation: int) -> CredentialBook:
        """Return the credentials sealed to this gateway.

        Raises:
            Stale: The generation is lower than the one held.
            BadSignature: Sealed to another key, for another site or generation, or changed on the way.
            Malformed: Too large, or no credential book; or the key file was damaged.
            Unavailable: The key is not there.
        """
        return sealing.open_sealed(message, site, self._sealing_key(), held_generation=held_generation)

    def sign_statement(self, statement: Statement) -> bytes:
        """Return the envelope of a statement, signed with the TLS key and with the certificates in it.

        Raises:
            Unavailable: This gateway is not enrolled.
            Malformed: The key file was damaged.
            ValueError: The statement is too large.
        """
        certificates = tuple(_read(file).decode("ascii", "replace") for file in (self.certificate_file, self.ca_file))
        return statements.seal(statement, self._tls_key(), certificates)

    def _check(self, certificate: x509.Certificate, ca: x509.Certificate, site: SiteId) -> None:
        try:
            certificate.verify_directly_issued_by(ca)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise BadSignature("the certificate was not issued by the controller's CA") from error
        if certificate.public_key() != self._tls_key().public_key():
            raise BadSignature("the certificate is for another key than this gateway's")
        names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [site]:
            raise BadSignature(f"the certificate names {names!r}, not site {site!r}")

    def _tls_key(self) -> ec.EllipticCurvePrivateKey:
        key = _private_key(self.tls_key_file)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Malformed(f"{self.tls_key_file} holds another kind of key: enrol this gateway again")
        return key

    def _sealing_key(self) -> X25519PrivateKey:
        key = _private_key(self._sealing_key_file)
        if not isinstance(key, X25519PrivateKey):
            raise Malformed(f"{self._sealing_key_file} holds another kind of key: enrol this gateway again")
        return key


def _pem(key: ec.EllipticCurvePrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _private_key(path: Path) -> object:
    try:
        return load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{path} was damaged: enrol this gateway again") from error


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Malformed("a certificate is not PEM") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: is this gateway enrolled?") from error
