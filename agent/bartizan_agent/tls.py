"""How the agent speaks TLS to its controller: both sides show a certificate of the one authority kept at enrolment."""

import ssl
from pathlib import Path


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself where the handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the standard library's signature
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def client_context(ca_file: Path, certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return the context for connections to the controller; the machine's own authorities do not count.

    Raises:
        OSError: A file is missing, not readable, or not what its name says (`ssl.SSLError`).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the name in it
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _ClosingSocket
    context.load_verify_locations(ca_file)
    context.load_cert_chain(certificate_file, key_file)
    return context
