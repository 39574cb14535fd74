"""The controller's certificate authority: gateways, brokers and the controller itself know each other by it.

    <folder>/ca.pem       certificate, P-256, ten years
    <folder>/ca-key.pem   PKCS#8
    <folder>/ca.crl       revoked certificates; the only record of them

P-256 because every OpenSSL, mosquitto and paho accepts it. A client certificate's common name is the broker's user
name and the gateway's site, so nobody chooses it: requests give a key and prove its possession, nothing else.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from bartizan.errors import BadSignature, Malformed, Unavailable
from bartizan.ids import SiteId, slug
from bartizan_controller.durable import Write, create_file, replace_file

CONTROLLER_NAME = "bartizan-controller"
"""The controller's own common name at the broker. No site may be called that."""
CSR_LIMIT = 16 * 1024  # octets; a P-256 request has about 500


class Validity(msgspec.Struct, frozen=True):
    """How long certificates last, in days."""

    ca: int = 3650
    server: int = 398
    """What browsers accept at most."""
    client: int = 180
    """Renewed by gateways when a third is left: they survive two months without the controller at any time."""
    crl: int = 3650
    """Long, because mosquitto refuses everybody once the list has expired; it is renewed with every revocation."""
    grace: int = 1
    """Certificates begin this long before they are issued: a gateway's clock may be behind."""


class Issued(msgspec.Struct, frozen=True):
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """One certificate authority. Times are Unix seconds."""

    def __init__(self, folder: Path, *, validity: Validity | None = None, write: Write = replace_file) -> None:
        """Open the authority in a folder.

        Raises:
            Unavailable: A file is not there or not readable.
            Malformed: A file was damaged.
        """
        self.ca_file, self.crl_file = folder / "ca.pem", folder / "ca.crl"
        self._certificate = _certificate(_read(self.ca_file))
        self._key = _private_key(_read(folder / "ca-key.pem"))
        self._validity = validity or Validity()
        self._write = write

    @classmethod
    def found(
        cls, folder: Path, name: str, now: float, *, validity: Validity | None = None, write: Write = replace_file
    ) -> "Authority":
        """Make a new authority in a folder.

        Raises:
            FileExistsError: There is one already. It is left alone.
        """
        validity = validity or Validity()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(subject, subject, key.public_key(), now, (validity.grace, validity.ca))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        create_file(folder / "ca-key.pem", _pem(key))
        create_file(folder / "ca.pem", certificate.public_bytes(Encoding.PEM))
        authority = cls(folder, validity=validity, write=write)
        authority.renew_crl(now)
        return authority

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate, as others pin it."""
        return self._certificate.public_bytes(Encoding.PEM)

    def server(self, hosts: Iterable[str], now: float) -> Issued:
        """Return a new key and certificate for a server that is reached by these names and addresses.

        Raises:
            ValueError: There are none, or one is no host name.
        """
        hosts = list(hosts)
        if not hosts:
            raise ValueError("a server certificate needs a host name or an address")
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        certificate = self._leaf(hosts[0][:64], key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, now)
        return Issued(self._sign(certificate.add_extension(names, critical=False)), _pem(key))

    def controller_client(self, now: float) -> Issued:
        """Return a new key and client certificate for the controller itself, for the broker."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Issued(
            self._sign(self._leaf(CONTROLLER_NAME, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, now)), _pem(key)
        )

    def gateway(self, site: SiteId, csr_pem: str, now: float) -> str:
        """Return a client certificate, PEM, for the key in a request. All else that the request asks is ignored.

        Raises:
            ValueError: The site's name is no slug, or the controller's own.
            BadSignature: The request is not signed by its own key.
            Malformed: It is no request, too large, or its key is not P-256.
        """
        if slug(site) == CONTROLLER_NAME:
            raise ValueError(f"no site may be called {CONTROLLER_NAME!r}")
        key = _requested_key(csr_pem)
        return self._sign(self._leaf(site, key, ExtendedKeyUsageOID.CLIENT_AUTH, now)).decode()

    def renew_gateway(self, site: SiteId, csr_pem: str, present_pem: str, now: float) -> str:
        """Return a newer certificate for the key that a gateway has already.

        Args:
            site: Who asks, as the broker knows from the present certificate.
            csr_pem: The request.
            present_pem: The certificate issued last to this site.
            now: Unix seconds.

        Raises:
            BadSignature: The request is for another key than the present certificate's, or that one was revoked.
            Malformed: One of them does not parse.
            ValueError: The site's name is no slug, or the controller's own.
        """
        present = _certificate(present_pem.encode())
        if _requested_key(csr_pem) != present.public_key():
            raise BadSignature("the request is for a new key: that takes a new enrolment")
        if present.serial_number in self.revoked():
            raise BadSignature("the present certificate was revoked: enrol this gateway again")
        return self.gateway(site, csr_pem, now)

    def revoke(self, certificate_pem: str, now: float) -> None:
        """Revoke a certificate: the broker refuses it once it has read the new list.

        Raises:
            Malformed: It is no certificate.
            BadSignature: This authority did not issue it.
            Unavailable: The disk refuses.
        """
        certificate = _certificate(certificate_pem.encode())
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise BadSignature("this authority did not issue that certificate") from error
        self._write_crl({certificate.serial_number: now} | self.revoked(), now)

    def revoked(self) -> dict[int, float]:
        """Return when each revoked certificate was revoked, by serial number.

        Raises:
            Malformed: The list was damaged, or is not by this authority.
        """
        if not self.crl_file.exists():
            return {}
        try:
            crl = x509.load_pem_x509_crl(self.crl_file.read_bytes())
        except ValueError as error:
            raise Malformed(f"{self.crl_file} was damaged: restore it from a backup") from error
        if not crl.is_signature_valid(self._key.public_key()):
            raise Malformed(f"{self.crl_file} is not by this authority: restore it from a backup")
        return {entry.serial_number: entry.revocation_date_utc.timestamp() for entry in crl}

    def renew_crl(self, now: float) -> None:
        """Write the list again, with a new expiry.

        Raises:
            Malformed: The present list was damaged.
            Unavailable: The disk refuses.
        """
        self._write_crl(self.revoked(), now)

    def _write_crl(self, revoked: dict[int, float], now: float) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(_moment(now) - timedelta(days=self._validity.grace))
            .next_update(_moment(now) + timedelta(days=self._validity.crl))
            .add_extension(self._authority_key_identifier(), critical=False)
            .add_extension(x509.CRLNumber(int(now)), critical=False)
        )
        for serial, at in sorted(revoked.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_moment(at)).build()
            builder = builder.add_revoked_certificate(entry)
        self._write(self.crl_file, builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def _leaf(
        self, name: str, key: ec.EllipticCurvePublicKey, purpose: ObjectIdentifier, now: float
    ) -> x509.CertificateBuilder:
        days = self._validity.server if purpose == ExtendedKeyUsageOID.SERVER_AUTH else self._validity.client
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            _builder(subject, self._certificate.subject, key, now, (self._validity.grace, days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(self._authority_key_identifier(), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: tuple[int, int]
) -> x509.CertificateBuilder:
    before, after = days
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now) - timedelta(days=before))
        .not_valid_after(_moment(now) + timedelta(days=after))
    )


def _requested_key(csr_pem: str) -> ec.EllipticCurvePublicKey:
    if len(csr_pem) > CSR_LIMIT:
        raise Malformed(f"a certificate request of {len(csr_pem)} octets; at most {CSR_LIMIT} are accepted")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        key, is_valid = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("the certificate request is not PEM (PKCS#10)") from error
    if not is_valid:
        raise BadSignature("the certificate request is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed("the certificate request has another kind of key; P-256 is needed")
    return key


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(int(unix_seconds), UTC)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Malformed("a certificate is not PEM") from error


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("the authority's key was damaged: restore it from a backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Malformed("the authority's key is of another kind; P-256 is needed")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: restore it from a backup") from error
