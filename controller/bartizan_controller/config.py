"""The controller's configuration: one frozen value, read once from `controller.toml`. Unknown keys are errors."""

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from bartizan_controller.broker.configuration import BrokerLimits
from bartizan_controller.errors import SetUpWrong

Days = Annotated[float, msgspec.Meta(gt=0, le=3650)]
Octets = Annotated[int, msgspec.Meta(ge=1024)]
Advertised = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Listen(msgspec.Struct, frozen=True):
    """An address and a port to listen on. Port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ExternalBroker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A broker that somebody else runs. Without one the controller brings its own."""

    url: str
    """`mqtts://host:port`."""
    ca_file: str = ""
    """What its certificate is checked against; empty: the controller's CA."""
    username: str = ""
    """What to log in as, beside the certificate; empty: the broker goes by the certificate."""
    password_file: str = ""
    """A file that holds the password; empty: none is sent."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is configured on one controller."""

    hosts: tuple[str, ...]
    """Names and addresses by which gateways and people reach the controller; the first one is told to gateways."""
    listen: str = "0.0.0.0:8443"
    """The API, for people and programs."""
    gateway_listen: str = "0.0.0.0:8444"
    """Images and the catalogue, for gateways with a certificate."""
    mqtt_listen: str = "0.0.0.0:8883"
    """The broker that the controller brings along."""
    gateway_port_advertised: Advertised = 0
    """Port told to gateways, if a forwarding device changes it; 0: as listened on."""
    mqtt_port_advertised: Advertised = 0
    """The same for MQTT."""
    database: str = ""
    """SQLAlchemy URL of a PostgreSQL database; empty: SQLite in the controller's folder."""
    broker: ExternalBroker | None = None
    broker_limits: BrokerLimits = BrokerLimits()
    image_octets: Octets = 1024 * 1024 * 1024
    """Largest firmware image."""
    body_octets: Octets = 8 * 1024 * 1024
    """Largest request that is not an image."""
    enrolment_token_days: Days = 7.0
    """How long a gateway's one-time token is valid, unless it is made with another time."""
    events_days: Days = 400.0
    """How long events are kept."""


def load(path: Path) -> Config:
    """Return the configuration in a file.

    Raises:
        SetUpWrong: It is not there, not TOML, or has an unknown, missing or impossible entry.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SetUpWrong(f"{path} cannot be read: make the controller with `bartizan-controller init`") from error
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
        check(config)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise SetUpWrong(f"{path}: {error}") from error
    return config


def check(config: Config) -> None:
    """Look at what types cannot say.

    Raises:
        ValueError: There is no host, or an address or URL is none.
    """
    if not config.hosts:
        raise ValueError("`hosts` is empty: name at least one by which gateways reach the controller")
    for text in (config.listen, config.gateway_listen, config.mqtt_listen):
        parse_listen(text)
    if config.broker is not None:
        parse_broker(config.broker.url)
    if config.database and not config.database.startswith("postgresql+psycopg://"):
        raise ValueError("`database` is no address of a PostgreSQL database: postgresql+psycopg://USER@HOST/DATABASE")


def parse_listen(text: str) -> Listen:
    """Return the address and port in `ADDRESS:PORT`; IPv6 addresses stand in brackets.

    Raises:
        ValueError: It is anything else.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError as error:
        raise ValueError(f"{text!r} is no ADDRESS:PORT, such as 0.0.0.0:8443 or [::]:8443") from error
    if not 0 <= number <= 65535:
        raise ValueError(f"{text!r}: a port is at most 65535")
    return Listen(host, number)


def parse_broker(url: str) -> Listen:
    """Return host and port of a broker's URL.

    Raises:
        ValueError: It is not `mqtts://host:port`.
    """
    parts = urlsplit(url)
    if parts.scheme != "mqtts" or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{url!r} is no broker: it should read mqtts://host:port (TLS is not optional)")
    return Listen(parts.hostname, parts.port or 8883)


def render(config: Config) -> str:
    """Return a file that `load` reads back as this configuration; what is left at its default is shown as a comment."""
    defaults = Config(hosts=config.hosts)
    lines = [
        "# Bartizan controller. Restart it after a change; `bartizan-controller serve --help` lists overrides.",
        "",
    ]
    for name in ("hosts", "listen", "gateway_listen", "mqtt_listen", "database", "image_octets", "events_days"):
        value, default = getattr(config, name), getattr(defaults, name)
        # JSON's strings, numbers and arrays of strings are TOML's too.
        text = f"{name} = {msgspec.json.encode(value).decode()}"
        lines.append(text if name == "hosts" or value != default else f"# {text}")
    return "\n".join([*lines, ""])
