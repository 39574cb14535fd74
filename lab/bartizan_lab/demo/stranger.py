"""Somebody at the broker's door: with no certificate, with another authority's, and with the controller's own.

Run inside the core network: `python -m bartizan_lab.demo.stranger FOLDER HOST PORT`. Prints, as JSON, what
became of each.
"""

import contextlib
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bartizan.wire import mqtt5
from bartizan_controller.authority import CONTROLLER_NAME, Authority

SECONDS = 5.0
ALERT_SECONDS = 1.0
REFUSED = "refused: "
_ANSWER_OCTETS = 64


class Answers(msgspec.Struct, frozen=True):
    """What the broker made of each who knocked: the version of TLS if it let them in, why not otherwise."""

    nobody: str
    """Without a certificate."""
    impostor: str
    """With a certificate in the controller's name, by an authority of their own."""
    controller: str
    """With the controller's: shows that the door opens at all."""

    @property
    def is_shut(self) -> bool:
        """Whether only the controller was let in."""
        return all(each.startswith(REFUSED) for each in (self.nobody, self.impostor)) and self.controller.startswith(
            "TLSv1."
        )


def knock(folder: Path, host: str, port: int) -> Answers:
    """Try all three."""
    ca, tls = folder / "keys" / "ca.pem", folder / "keys" / "tls"
    with tempfile.TemporaryDirectory() as own:
        certificate, key = _forged(Path(own))
        return Answers(
            nobody=_connect(_context(ca), host, port),
            impostor=_connect(_context(ca, certificate, key), host, port),
            controller=_connect(_context(ca, tls / "client.pem", tls / "client-key.pem"), host, port),
        )


def _forged(folder: Path) -> tuple[Path, Path]:
    now = time.time()
    issued = Authority.found(folder, "somebody else", now).controller_client(now)
    certificate, key = folder / f"{CONTROLLER_NAME}.pem", folder / f"{CONTROLLER_NAME}-key.pem"
    certificate.write_bytes(issued.certificate)
    key.write_bytes(issued.key)
    return certificate, key


def _context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _connect(context: ssl.SSLContext, host: str, port: int) -> str:
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return _greet(secured)
    except ssl.SSLError as error:
        return REFUSED + (error.reason or str(error)).lower().replace("_", " ")
    except ConnectionError as error:
        return f"{REFUSED}{error}"
    except OSError as error:
        return f"never answered: {error}"


def _greet(secured: ssl.SSLSocket) -> str:
    # In TLS 1.3 a client learns after the handshake whether its certificate is good enough; a broker speaks second.
    secured.settimeout(ALERT_SECONDS)
    with contextlib.suppress(TimeoutError):
        return f"spoke first: {secured.recv(_ANSWER_OCTETS).hex()}"
    secured.settimeout(SECONDS)
    secured.sendall(mqtt5.connect(mqtt5.Session("stranger", "", b"", 30, 0, 1, _ANSWER_OCTETS)))
    answer = secured.recv(_ANSWER_OCTETS)
    welcome = answer[:1] == bytes((mqtt5.CONNACK,)) and answer[3] < mqtt5.FAILURE
    return str(secured.version()) if welcome else f"answered {answer.hex() or 'nothing'}"


def main() -> None:
    """Knock."""
    folder, host, port = sys.argv[1:]
    print(msgspec.json.encode(knock(Path(folder), host, int(port))).decode())  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
