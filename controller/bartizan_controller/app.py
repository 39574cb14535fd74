"""The composition root: makes every part by hand, and runs them in one TaskGroup until told to stop."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bartizan_controller import enrolment, gateway_port, housekeeping, server, tls
from bartizan_controller.api.application import application
from bartizan_controller.authority import Authority
from bartizan_controller.broker import configuration
from bartizan_controller.broker.process import Broker
from bartizan_controller.catalogue.online_keys import load_online_keys
from bartizan_controller.catalogue.repository import CatalogueRepository
from bartizan_controller.config import Config, Listen, parse_broker, parse_listen
from bartizan_controller.director import Director
from bartizan_controller.directory import Folder, locked
from bartizan_controller.errors import SetUpWrong, StoreRefuses
from bartizan_controller.images import ImageStore
from bartizan_controller.link.connection import Endpoint
from bartizan_controller.link.link import Link
from bartizan_controller.news import News
from bartizan_controller.parts import Addresses, Parts
from bartizan_controller.preview.outlook import Previews
from bartizan_controller.publication import Publication
from bartizan_controller.pushes.routes import router as push_routes
from bartizan_controller.pushes.run import run_pushes
from bartizan_controller.pushes.watch import watch_posture
from bartizan_controller.rollouts.routes import router as rollout_routes
from bartizan_controller.rollouts.run import run_rollouts
from bartizan_controller.store import dialect, gateways, migrate
from bartizan_controller.store.database import Database
from bartizan_controller.tls import TlsFiles

RENEW_TLS_SECONDS = 180 * 86400.0
CERTIFICATES = "tls"
BROKER_START_SECONDS = 5.0

log = structlog.get_logger()


class Controller:
    """Everything that runs, bound to its ports but not yet started."""

    def __init__(self, folder: Folder, config: Config, database: Database, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._config = config
        self._database = database
        self._clock = clock
        self._authority = Authority(folder.keys)
        self._files = TlsFiles(folder.keys / CERTIFICATES)
        self._issued_at = 0.0
        self._issue()
        self._api_tls = tls.api_context(self._files)
        self._gateway_tls = tls.gateway_context(self._files, self._authority)
        with contextlib.ExitStack() as undo:
            self._api_socket = undo.enter_context(server.bind(parse_listen(config.listen), option="--listen"))
            self._gateway_socket = undo.enter_context(
                server.bind(parse_listen(config.gateway_listen), option="--gateway-listen")
            )
            self._broker = self._own_broker() if config.broker is None else None
            self.parts = self._make_parts()
            self._api = application(
                lambda: self.parts, body_octets=config.body_octets, more=(rollout_routes, push_routes)
            )
            self._images = gateway_port.application(self.parts.images, folder.catalogue)
            undo.pop_all()

    @property
    def api_url(self) -> str:
        """Where the API is reached on this machine."""
        host, port = self._api_socket.getsockname()[:2]
        return f"https://{_bracketed(server.reachable(host))}:{port}"

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then end what was begun last first.

        Raises:
            SetUpWrong: The broker cannot be started.
        """
        parts = self.parts
        scheduler = housekeeping.schedule(parts, self._renew_tls)
        async with asyncio.TaskGroup() as tasks:
            brokers = [tasks.create_task(self._broker.run())] if self._broker else []
            links = [
                tasks.create_task(self._talk()),
                tasks.create_task(run_rollouts(parts)),
                tasks.create_task(run_pushes(parts)),
                tasks.create_task(watch_posture(parts)),
            ]
            servers = [
                tasks.create_task(server.serve(self._api, self._api_socket, self._api_tls)),
                tasks.create_task(server.serve(self._images, self._gateway_socket, self._gateway_tls)),
            ]
            scheduler.start()
            try:
                await self._housekeep_at_start()
                self._tell_address()
                log.info("controller runs", api=self.api_url, gateways=parts.addresses.gateway_url)
                await stop.wait()
            finally:
                log.info("controller stops")
                self._folder.api_url.unlink(missing_ok=True)
                scheduler.shutdown(wait=False)
                parts.stopping.set()
                parts.news.ring()
            for group in (servers, links, brokers):
                for task in group:
                    task.cancel()
                await asyncio.wait(group) if group else None

    def _make_parts(self) -> Parts:
        online = load_online_keys(self._folder.keys)
        news = News()
        publication = Publication(CatalogueRepository(self._folder.catalogue, online))
        link = Link(
            self._database,
            publication,
            lambda connection, request: enrolment.renew(connection, self._authority, request, now=self._clock()),
            clock=self._clock,
            news=news,
        )
        broker = self._broker
        return Parts(
            config=self._config,
            database=self._database,
            authority=self._authority,
            sign=Director(online.director).sign,
            publication=publication,
            previews=Previews(),
            link=link,
            images=ImageStore(self._folder.images),
            addresses=self._addresses(),
            clock=self._clock,
            news=news,
            broker_pid=lambda: broker.pid if broker else None,
            on_revocation=self._on_revocation,
            stopping=asyncio.Event(),
        )

    def _addresses(self) -> Addresses:
        config, host = self._config, self._config.hosts[0]
        port = config.gateway_port_advertised or self._gateway_socket.getsockname()[1]
        gateway_url = f"https://{_bracketed(host)}:{port}"
        if config.broker is not None:
            external = parse_broker(config.broker.url)
            return Addresses(external.host, config.mqtt_port_advertised or external.port, gateway_url)
        return Addresses(host, config.mqtt_port_advertised or self._mqtt.port, gateway_url)

    def _own_broker(self) -> Broker:
        listen = parse_listen(self._config.mqtt_listen)
        self._mqtt = listen if listen.port else Listen(listen.host, _free_port(listen.host))

        async def on_death() -> None:
            with contextlib.suppress(StoreRefuses):
                await self._database.write(gateways.disconnect_all)

        broker = Broker(self._folder.broker, self._mqtt.host, self._mqtt.port, on_death=on_death)
        self._configure(broker)
        return broker

    def _configure(self, broker: Broker) -> None:
        shut_out = self._database.query(lambda c: enrolment.shut_out_sites(c, self._authority))
        text = configuration.configuration(self._mqtt.host, self._mqtt.port, self._config.broker_limits)
        broker.write(
            {
                configuration.CONFIGURATION_FILE: text.encode(),
                configuration.ACCESS_FILE: configuration.access_list(shut_out).encode(),
                configuration.CA_FILE: self._authority.ca_pem,
                configuration.CERTIFICATE_FILE: self._files.server.read_bytes(),
                configuration.KEY_FILE: self._files.server_key.read_bytes(),
                configuration.REVOCATION_FILE: self._authority.crl_file.read_bytes(),
            }
        )

    async def _talk(self) -> None:
        if self._broker is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broker.ready.wait(), BROKER_START_SECONDS)
        await self.parts.link.run(self._endpoint(), tls.broker_client_context(self._files, self._broker_ca()))

    def _endpoint(self) -> Endpoint:
        broker = self._config.broker
        if broker is None:
            return Endpoint(server.reachable(self._mqtt.host), self._mqtt.port)
        external = parse_broker(broker.url)
        password = Path(broker.password_file).read_text(encoding="utf-8").strip() if broker.password_file else None
        return Endpoint(external.host, external.port, username=broker.username or None, password=password)

    def _broker_ca(self) -> Path:
        broker = self._config.broker
        return Path(broker.ca_file) if broker and broker.ca_file else self._authority.ca_file

    def _on_revocation(self) -> None:
        tls.read_authority(self._gateway_tls, self._authority)
        if self._broker is not None:
            self._configure(self._broker)
            self._broker.reload()

    def _issue(self) -> None:
        self._issued_at = self._clock()
        tls.issue(self._authority, self._files, self._config.hosts, now=self._issued_at)

    async def _renew_tls(self) -> None:
        if self._clock() - self._issued_at < RENEW_TLS_SECONDS:
            return
        await asyncio.to_thread(self._issue)
        for context in (self._api_tls, self._gateway_tls):
            context.load_cert_chain(self._files.server, self._files.server_key)
        if self._broker is not None:
            self._configure(self._broker)
            self._broker.reload()

    def _tell_address(self) -> None:
        """In one step: whoever waits for the file reads it as soon as it is there."""
        temporary = self._folder.api_url.with_suffix(".new")
        temporary.write_text(f"{self.api_url}\n", encoding="utf-8")
        temporary.replace(self._folder.api_url)

    async def _housekeep_at_start(self) -> None:
        self.parts.images.remove_leavings()
        for job in (housekeeping.refresh_catalogue, housekeeping.renew_books):
            await job(self.parts)


def serve(folder: Folder, config: Config, *, clock: Callable[[], float] = time.time) -> None:
    """Run a controller until SIGTERM or SIGINT.

    Raises:
        SetUpWrong: Another process uses the folder, a port is taken, a file is missing or mosquitto is not installed.
    """
    with locked(folder):
        url = config.database or dialect.sqlite_url(folder.database)
        migrate.upgrade(url)
        with Database(url) as database:
            asyncio.run(_until_signalled(lambda stop: Controller(folder, config, database, clock).run(stop)))


async def _until_signalled(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    wrong: SetUpWrong | None = None
    try:
        await run(stop)
    except* SetUpWrong as group:
        wrong = _first(group)
    if wrong is not None:  # until Python 3.11.4, what is raised in an `except*` block comes out in a group
        raise wrong


def _first(group: BaseExceptionGroup[SetUpWrong]) -> SetUpWrong:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
