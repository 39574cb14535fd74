"""TLS of the controller's ports: its certificates, made anew at every start, and the contexts that use them."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bartizan_controller.authority import Authority, Issued
from bartizan_controller.durable import replace_file

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class TlsFiles(msgspec.Struct, frozen=True):
    """Where the certificates lie that OpenSSL reads from files."""

    folder: Path

    @property
    def server(self) -> Path:
        """Certificate of the API and the gateway port."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """Its key."""
        return self.folder / "server-key.pem"

    @property
    def client(self) -> Path:
        """Certificate that the controller shows to the broker."""
        return self.folder / "client.pem"

    @property
    def client_key(self) -> Path:
        """Its key."""
        return self.folder / "client-key.pem"


def issue(authority: Authority, files: TlsFiles, hosts: Sequence[str], *, now: float) -> Issued:
    """Make new certificates for this controller; return the server's, for the broker to share.

    Raises:
        Unavailable: The disk refuses.
    """
    server = authority.server(dict.fromkeys((*hosts, *LOCAL_HOSTS)), now)
    client = authority.controller_client(now)
    for path, content in (
        # With the authority's certificate: a new gateway knows only its hash, from the token, and must see it here.
        (files.server, server.certificate + authority.ca_pem),
        (files.server_key, server.key),
        (files.client, client.certificate),
        (files.client_key, client.key),
    ):
        replace_file(path, content)
    return server


def api_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of the API's port. People and programs show a token, not a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.server, files.server_key)
    return context


def gateway_context(files: TlsFiles, authority: Authority) -> ssl.SSLContext:
    """Return the context of the gateway port: nobody without a certificate that is valid and not revoked."""
    context = api_context(files)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    read_authority(context, authority)
    return context


def read_authority(context: ssl.SSLContext, authority: Authority) -> None:
    """Read the authority's certificate and its newest revocation list into a context that is in use."""
    context.load_verify_locations(authority.ca_file)
    context.load_verify_locations(authority.crl_file)


def broker_client_context(files: TlsFiles, ca_file: Path) -> ssl.SSLContext:
    """Return the context with which the controller connects to the broker."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.client, files.client_key)
    return context
