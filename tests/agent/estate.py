"""A controller's side of the wire for tests of the agent: a certificate authority, a real broker, and a desk."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiomqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bartizan.ids import SiteId
from bartizan.wire import codec
from bartizan.wire.down import Down
from bartizan.wire.topics import down, parse_up, up_filter
from bartizan.wire.up import Up
from bartizan_agent.settings import ControllerSettings
from bartizan_agent.tls import client_context

Said = TypeVar("Said", bound=Up)
PATIENCE_SECONDS = 30.0
ACCESS = """\
user controller
topic readwrite bz/1/#
pattern read bz/1/site/%u/down
pattern read bz/1/all/#
pattern write bz/1/up/+/%u/#
"""


class Authority:
    """A CA that lives in one folder, and the certificates it gave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        certificate = self._signed(self.name, self.key.public_key(), days=3650, is_ca=True)
        self.ca = _pem(certificate)
        self.ca_file = self._write("ca.pem", self.ca)

    def issue(self, name: str, days: float = 30.0) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self.certify(name, key.public_key(), days)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._write(f"{name}.pem", pem), self._write(f"{name}.key", private)

    def certify(self, name: str, key: ec.EllipticCurvePublicKey, days: float = 30.0) -> bytes:
        """Return a certificate, PEM, for somebody's own key."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return _pem(self._signed(subject, key, days=days, is_ca=False))

    def client_context(self, name: str) -> ssl.SSLContext:
        """Return what a client of this name connects with."""
        return client_context(self.ca_file, *self.issue(name))

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, days: float, is_ca: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


class Broker:
    """A mosquitto with mutual TLS on loopback, that can be stopped and started again."""

    def __init__(self, authority: Authority, folder: Path, access: str = ACCESS) -> None:
        self.port = free_port()
        self.folder = folder
        certificate, key = authority.issue("localhost")
        (folder / "access").write_text(access)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\ncafile {authority.ca_file}\n"
            f"certfile {certificate}\nkeyfile {key}\nrequire_certificate true\nuse_identity_as_username true\n"
            f"allow_anonymous false\nacl_file {folder / 'access'}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        self._launch()
        await until(lambda: _accepts(self.port))

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._configuration)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, *, keepalive_seconds: int = 60, reconnect_seconds_at_most: float = 0.2) -> ControllerSettings:
        return ControllerSettings(
            broker_host="127.0.0.1",
            broker_port=self.port,
            images_url="https://127.0.0.1:1",
            keepalive_seconds=keepalive_seconds,
            reconnect_seconds=0.05,
            reconnect_seconds_at_most=reconnect_seconds_at_most,
        )


class Desk:
    """The controller as far as the link sees it: hears what gateways say, and says what the test wants."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.heard: list[tuple[SiteId, Up]] = []
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        async for message in self._client.messages:
            site, _ = parse_up(message.topic.value)
            async with self._news:
                self.heard.append((site, codec.decode_up(bytes(message.payload))))
                self._news.notify_all()

    async def hears(self, kind: type[Said], count: int = 1, *, seconds: float = PATIENCE_SECONDS) -> list[Said]:
        """Wait until so many messages of a kind were heard, and return all of them."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: len(self.all(kind)) >= count)
        return self.all(kind)

    def all(self, kind: type[Said]) -> list[Said]:
        return [message for _, message in self.heard if isinstance(message, kind)]

    async def say(self, site: SiteId, message: Down, topic: str = "") -> None:
        await self.say_bytes(topic or down(site), codec.encode(message))

    async def say_bytes(self, topic: str, payload: bytes) -> None:
        await self._client.publish(topic, payload, qos=1)


@asynccontextmanager
async def desk(authority: Authority, broker: Broker) -> AsyncIterator[Desk]:
    """Sit down at the controller's desk."""
    client = aiomqtt.Client(
        "127.0.0.1", broker.port, tls_context=authority.client_context("controller"), identifier="controller"
    )
    async with client, asyncio.TaskGroup() as tasks:
        await client.subscribe(up_filter(), qos=1)
        sitting = Desk(client)
        listening = tasks.create_task(sitting.listen())
        try:
            yield sitting
        finally:
            listening.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
