"""The subject of a camera's TLS certificate. It is read, never trusted: nearly all are self-signed."""

import re
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, clean, read_mac, say

LIMIT = 64 * 1024  # octets of a handshake
_AXIS_NAME = re.compile(r"\Aaxis-([0-9a-f]{12})\b", re.IGNORECASE)


def reading_context() -> ssl.SSLContext:
    """Return a context for reading a certificate and nothing else: cameras of ten years ago offer only TLS 1.0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def parse(certificate: bytes) -> Answer:
    """Return the subject of a DER certificate, and the MAC address that it may name."""
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
    except (ValueError, TypeError):
        return Rubbish("TLS certificate that does not parse")
    names = {
        oid: clean(" ".join(str(part.value) for part in subject.get_attributes_for_oid(oid)))
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    }
    common, organisation = names[NameOID.COMMON_NAME], names[NameOID.ORGANIZATION_NAME]
    axis = _AXIS_NAME.match(common)
    claimed = read_mac(axis.group(1)) if axis else None
    return Heard(
        evidence=(
            *say(Fact.SUBJECT, f"{organisation} {common}", Source.TLS, 55, "subject"),
            *say(Fact.MAC, claimed or "", Source.TLS, 60, "subject"),
        ),
        claimed_mac=claimed,
    )
