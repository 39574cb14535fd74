"""The subject of a camera's TLS certificate. It is read, never trusted: nearly all are self-signed."""

import re
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, clean, pair, read_mac, say

LIMIT = 64 * 1024  # octets of a handshake
_ORGANISATIONS = (
    (re.compile(r"\bAxis Communications\b", re.IGNORECASE), "axis"),
    (re.compile(r"\bHikvision\b", re.IGNORECASE), "hikvision"),
    (re.compile(r"\bDahua\b", re.IGNORECASE), "dahua"),
    (re.compile(r"\bUniview\b", re.IGNORECASE), "uniview"),
    (re.compile(r"\bHanwha\b", re.IGNORECASE), "hanwha"),
    (re.compile(r"\bBosch\b", re.IGNORECASE), "bosch"),
)
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
    """Return what the subject of a DER certificate speaks for."""
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
    makers = [maker for pattern, maker in _ORGANISATIONS if pattern.search(f"{organisation} {common}")]
    maker = "axis" if axis else next(iter(makers), "")
    claimed = read_mac(axis.group(1)) if axis else None
    return Heard(
        evidence=(
            *say(Fact.MAKER, maker, Source.TLS, 55, pair("subject", f"{organisation} {common}".strip())),
            *say(Fact.MAC, claimed or "", Source.TLS, 60, "subject"),
        ),
        claimed_mac=claimed,
    )
