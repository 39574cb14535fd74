"""Certificates of cameras: they prove nothing, but a camera that suddenly shows another one is told of."""

import sqlite3
import ssl
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

import httpx

SCHEMA = """
CREATE TABLE IF NOT EXISTS camera_certificate (
    camera TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    first_seen REAL NOT NULL
) STRICT;
"""


class Certificates:
    """Fingerprints of cameras' certificates, remembered at first sight."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    def changed(self, camera: str, fingerprint: str) -> bool:
        """Remember a camera's certificate. Return whether it had another one before."""
        row = self._connection.execute(
            "SELECT fingerprint FROM camera_certificate WHERE camera = ?", (camera,)
        ).fetchone()
        if row is None or row[0] != fingerprint:
            self._connection.execute(
                "INSERT OR REPLACE INTO camera_certificate VALUES (?, ?, ?)", (camera, fingerprint, self._clock())
            )
        return row is not None and row[0] != fingerprint


def fingerprint_of(response: httpx.Response) -> str:
    """Return the SHA-256 of the certificate that a camera showed, hexadecimal; empty if it showed none."""
    network: _NetworkStream | None = response.extensions.get("network_stream")
    tls = network.get_extra_info("ssl_object") if network is not None else None
    certificate = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject | ssl.SSLSocket) else None
    return sha256(certificate).hexdigest() if certificate else ""


def tls_context() -> ssl.SSLContext:
    """Return a context for peers that cannot be verified: it keeps passers-by from reading, and proves nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Cameras of 2015 know TLS 1.0 and SHA-1 certificates; without this they could only be spoken to in clear.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0:!aNULL:!eNULL")
    return context


class _NetworkStream(Protocol):
    def get_extra_info(self, info: str) -> object: ...
