"""Bringing gateways in: one-time tokens, the first certificate, renewals, and shutting a gateway out.

A token that is wrong, expired, used or for another site gets the same answer; the audit chain tells them apart.
"""

import secrets

import msgspec
from cryptography import x509
from sqlalchemy import Connection

from bartizan.errors import Malformed
from bartizan.ids import SiteId
from bartizan.trust.enrolment import SECRET_OCTETS, Token, read_token, secret_hash, write_token
from bartizan.trust.keys import public_octets
from bartizan.wire.down import Certificate
from bartizan.wire.enrolment import EnrolmentRequest
from bartizan.wire.up import RenewCertificate
from bartizan_controller.authority import Authority
from bartizan_controller.errors import Foreign
from bartizan_controller.store import audit, gateways, organisations, tokens
from bartizan_controller.store.gateways import Gateway, IssuedCertificate
from bartizan_controller.store.tokens import EnrolmentToken

NOBODY = "nobody"


class Admitted(msgspec.Struct, frozen=True):
    """A gateway that was let in."""

    site: SiteId
    certificate: str
    """PEM."""


def make_token(
    connection: Connection, authority: Authority, site: SiteId, *, by: str, now: float, lifetime_seconds: float
) -> str:
    """Return a new one-time token for the gateway of a site. Only its hash is kept.

    Raises:
        NotFound: There is no such site.
    """
    organisations.find_site(connection, site)
    secret = secrets.token_bytes(SECRET_OCTETS)
    tokens.add_enrolment_token(
        connection,
        EnrolmentToken(
            digest=secret_hash(secret), site=site, created_at=now, created_by=by, expires_at=now + lifetime_seconds
        ),
    )
    audit.record(connection, by, "enrolment.token", site, now=now, detail={"hours": f"{lifetime_seconds / 3600:g}"})
    return write_token(site, secret, authority.ca_pem)


def admit(connection: Connection, authority: Authority, request: EnrolmentRequest, *, now: float) -> Admitted | None:
    """Let a gateway in and use its token up; return None, and audit why, where the token does not open.

    A gateway that was enrolled before is shut out: its certificates are revoked.

    Raises:
        Malformed: The certificate request or the sealing key is none. The token can be used again.
        BadSignature: The request is not signed by its own key. The token can be used again.
    """
    try:
        token = read_token(request.token)
    except Malformed:
        audit.record(connection, NOBODY, "enrolment.refused", "unknown", now=now, detail={"reason": "no token"})
        return None
    digest = secret_hash(token.secret)
    if not tokens.use_enrolment_token(connection, digest, token.site, now=now):
        reason = _why_not(connection, token, digest, now)
        audit.record(connection, NOBODY, "enrolment.refused", token.site, now=now, detail={"reason": reason})
        return None
    public_octets(request.sealing_key)
    pem = authority.gateway(token.site, request.csr, now)
    replaced = shut_out(connection, authority, token.site, now=now)
    issued = _issued(token.site, pem)
    gateways.enrol(
        connection,
        Gateway(site=token.site, certificate=issued.serial, sealing_key=request.sealing_key, enrolled_at=now),
    )
    gateways.add_certificate(connection, issued)
    detail = {"serial": issued.serial, "revoked": str(replaced)}
    audit.record(connection, f"gateway {token.site}", "enrolment.admitted", token.site, now=now, detail=detail)
    return Admitted(token.site, pem)


def renew(connection: Connection, authority: Authority, request: RenewCertificate, *, now: float) -> Certificate:
    """Return a newer certificate for the key that a gateway has.

    Raises:
        BadSignature: The request is for another key, or the present certificate was revoked.
        Malformed: The request does not parse.
        Foreign: The gateway has no valid certificate; it has to be enrolled again.
    """
    present = gateways.valid_certificates(connection, request.site, now=now)
    if not present:
        raise Foreign(f"the gateway of {request.site!r} has no valid certificate: enrol it again")
    pem = authority.renew_gateway(request.site, request.csr, present[-1].pem, now)
    issued = _issued(request.site, pem)
    gateways.add_certificate(connection, issued)
    who = f"gateway {request.site}"
    audit.record(connection, who, "certificate.renewed", request.site, now=now, detail={"serial": issued.serial})
    return Certificate(pem)


def shut_out(connection: Connection, authority: Authority, site: SiteId, *, now: float) -> int:
    """Revoke every certificate of a site that is still valid; return how many.

    The broker and the gateway port have to be told to read the list again.

    Raises:
        Unavailable: The disk refuses.
    """
    revoked = authority.revoked()
    valid = [
        certificate
        for certificate in gateways.valid_certificates(connection, site, now=now)
        if int(certificate.serial, 16) not in revoked
    ]
    for certificate in valid:
        authority.revoke(certificate.pem, now)
    return len(valid)


def shut_out_sites(connection: Connection, authority: Authority) -> tuple[SiteId, ...]:
    """Return the sites whose gateway's present certificate is revoked."""
    return gateways.sites_of(connection, (f"{serial:x}" for serial in authority.revoked()))


def _why_not(connection: Connection, token: Token, digest: str, now: float) -> str:
    held = tokens.find_enrolment_token(connection, digest)
    if held is None:
        return "unknown token"
    if held.site != token.site:
        return "token of another site"
    return "token used before" if held.used_at is not None else f"token expired {now - held.expires_at:.0f} s ago"


def _issued(site: SiteId, pem: str) -> IssuedCertificate:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return IssuedCertificate(
        serial=f"{certificate.serial_number:x}",
        site=site,
        pem=pem,
        issued_at=certificate.not_valid_before_utc.timestamp(),
        expires_at=certificate.not_valid_after_utc.timestamp(),
    )
