"""The certificate a device made for itself, as cameras deliver them: unknown to everybody, subject of its own."""

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PORT = 443
_VALID_FOR = timedelta(days=3650)


def self_signed(organisation: str, common_name: str, born: datetime) -> ssl.SSLContext:
    """Return a server context with a new key and a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, common_name))
    # X.520 bounds both attributes at 64 characters.
    name = x509.Name([x509.NameAttribute(kind, value[:64]) for kind, value in names])
    begin = born.astimezone(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _VALID_FOR)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module takes a chain from files alone.
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "device.pem")
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return context
