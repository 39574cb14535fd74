"""A gateway for tests: its own keys, a real certificate, a real MQTT client, and no wish to be nice."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import aiomqtt
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import BootId, DeviceId, Mac, SiteId
from bartizan.wire import codec, topics
from bartizan.wire.capability import CAPABILITY
from bartizan.wire.down import Down
from bartizan.wire.enrolment import Enrolment, EnrolmentRequest
from bartizan.wire.up import DevicePosture, Event, Events, Hello, Posture, Report, Up, Will

SEALING_KEY = base64.b64encode(bytes(range(32))).decode()
WAIT_SECONDS = 10.0
FIRST_BOOT = BootId("boot-1")

T = TypeVar("T")


def csr(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a certificate request that asks for somebody else's name, which must be ignored."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody-else")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM).decode()


@dataclass
class Gateway:
    """One site's gateway."""

    site: SiteId
    folder: Path
    boot: BootId = FIRST_BOOT
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    enrolment: Enrolment | None = None

    async def enrol(self, api: httpx.AsyncClient, token: str) -> httpx.Response:
        """Show a token; keep what comes back if it opens."""
        request = EnrolmentRequest(token=token, csr=csr(self.key), sealing_key=SEALING_KEY)
        response = await api.post("enrol", content=codec.encode(request), headers={"Content-Type": "application/json"})
        if response.is_success:
            self.enrolment = codec.decode(response.content, Enrolment)
            self.write(self.enrolment.certificate)
        return response

    def write(self, certificate: str) -> None:
        """Put certificate and key where OpenSSL reads them."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "cert.pem").write_text(certificate)
        (self.folder / "key.pem").write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def tls(self) -> ssl.SSLContext:
        """Return the context with this gateway's certificate."""
        assert self.enrolment
        context = ssl.create_default_context(cadata=self.enrolment.ca)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return context

    @contextlib.asynccontextmanager
    async def connect(self, *, listen: bool = True, seconds: float = WAIT_SECONDS) -> AsyncIterator["Line"]:
        """Connect to the broker, with a session that it keeps."""
        assert self.enrolment
        client = aiomqtt.Client(
            self.enrolment.mqtt_host,
            self.enrolment.mqtt_port,
            identifier=self.site,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            tls_context=self.tls(),
            will=aiomqtt.Will(topics.up(self.site, "will"), codec.encode(Will(self.site, self.boot)), qos=1),
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            timeout=seconds,
        )
        async with client:
            line = Line(self, client)
            if listen:
                await line.listen()
            yield line

    def hello(self, **holds: object) -> Hello:
        """Return this gateway's hello."""
        return Hello(site=self.site, boot=self.boot, capability=CAPABILITY, agent_version="0.1.0", **holds)  # type: ignore[arg-type]

    def events(self, first: int, count: int, kind: str = "device.found") -> Events:
        """Return a run of events."""
        return Events(
            self.site, self.boot, tuple(Event(sequence=n, at=float(n), kind=kind) for n in range(first, first + count))
        )


class Line:
    """A gateway's connection."""

    def __init__(self, gateway: Gateway, client: aiomqtt.Client) -> None:
        self._gateway = gateway
        self.client = client
        self.refused: list[str] = []
        inner = client._client
        before = cast("Callable[..., None]", inner.on_publish)

        def on_publish(*arguments: object) -> None:
            if arguments[3].is_failure:  # type: ignore[attr-defined]
                self.refused.append(str(arguments[3]))
            before(*arguments)

        inner.on_publish = on_publish

    async def listen(self) -> None:
        """Subscribe as gateways do."""
        for topic in (topics.ALL_CATALOGUE, topics.ALL_ORDERS, topics.down(self._gateway.site)):
            await self.client.subscribe(topic, qos=1)

    async def say(self, message: Up) -> None:
        """Publish on this gateway's own topic."""
        kind = {"Hello": "hello", "Report": "report", "Events": "events", "RenewCertificate": "renew", "Will": "will"}
        await self.shout(topics.up(self._gateway.site, kind[type(message).__name__]), codec.encode(message))

    async def shout(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish anything anywhere."""
        await self.client.publish(topic, payload, qos=qos)

    async def hear(self, kind: type[T]) -> T:
        """Return the next message of a kind, passing over others."""
        async with asyncio.timeout(WAIT_SECONDS):
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                heard: Down = codec.decode_down(message.payload)
                if isinstance(heard, kind):
                    return heard
        raise AssertionError("the connection ended")

    async def hears_nothing(self, seconds: float) -> bool:
        """Return whether nothing at all comes for some time."""
        try:
            async with asyncio.timeout(seconds):
                async for _ in self.client.messages:
                    return False
        except TimeoutError:
            return True
        return False


def device(number: int, *, firmware: str = "5.5.0", maker: str = "hikvision", **also: object) -> Device:
    """Return a camera."""
    return Device(
        id=DeviceId(f"serial:{number:04d}"),
        identity=Identity(maker=maker, kind=Kind.CAMERA, model="DS-2CD2042WD-I", firmware=firmware, confidence=95),
        interface="cam0",
        macs=(Mac(f"00:00:5e:00:53:{number % 256:02x}"),),
        **also,  # type: ignore[arg-type]
    )


def report(
    gateway: Gateway,
    devices: tuple[Device, ...],
    *,
    level: Level = Level.WATCH,
    enforced: Level | None = None,
    taken_at: float = 1000.0,
) -> Report:
    """Return a report that holds all devices at one level."""
    posture = Posture(
        catalogue={"root": 1},
        catalogue_expired=False,
        estate_orders=0,
        site_orders=0,
        ruleset_digest="r",
        devices=tuple(
            DevicePosture(each.id, wanted=level, enforced=enforced or level, explanation=("because",))
            for each in devices
        ),
    )
    return Report(gateway.site, gateway.boot, taken_at, codec.report_digest(devices, posture), devices, posture)
