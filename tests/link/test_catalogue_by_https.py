"""The catalogue reaches a gateway by HTTPS where MQTT cannot bring it, and is judged in the same way."""

import asyncio
import logging
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from bartizan.errors import Unavailable
from bartizan.wire import events
from bartizan.wire.down import CatalogueBundle
from bartizan_agent import server_files
from bartizan_agent.catalogue import FILE_LIMIT
from bartizan_agent.catalogue_fetch import Patience
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.server_files import ServerFiles
from bartizan_agent.settings import load, render
from bartizan_agent.tls import client_context
from bartizan_controller.access import Role
from bartizan_controller.authority import Authority
from bartizan_controller.broker.configuration import BrokerLimits
from tests.controller.gateway import Gateway
from tests.controller.running import LOOPBACK, Running, copy_of, run, until
from tests.link.machine import Machine, heard, linked, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOON = Patience(lacking_seconds=0.2, away_seconds=0.2, longest_seconds=0.5)
SMALL = msgspec.structs.replace(LOOPBACK, broker_limits=BrokerLimits(packet_octets=6_000))
"""A broker that takes what gateways say and orders, but no catalogue."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with run(copy_of(template / "controller", tmp_path_factory.mktemp("small") / "controller"), SMALL) as one:
        yield one


async def test_what_is_too_large_for_the_broker_is_announced_by_its_signed_timestamp(
    running: Running, tmp_path: Path
) -> None:
    site, token = await new_site(running)
    gateway = Gateway(site, tmp_path)
    async with running.caller(Role.ADMIN) as api:
        (await gateway.enrol(api, token)).raise_for_status()
    async with gateway.connect() as line:
        await line.say(gateway.hello())
        assert set((await line.hear(CatalogueBundle)).files) == {"metadata/timestamp.json"}


async def test_a_gateway_fetches_what_was_announced(running: Running, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    site, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    async with linked(machine, fetching=SOON) as gateway:
        await until(lambda: gateway.hello().catalogue == running.parts.publication.versions, seconds=30)
        await until(lambda: bool(heard(running, site, events.CATALOGUE_ACCEPTED)), seconds=30)

    assert heard(running, site, events.CATALOGUE_REFUSED) == heard(running, site, events.MESSAGE_REFUSED) == ()
    async with linked(machine) as again:
        assert again.hello().catalogue == running.parts.publication.versions


async def test_what_the_server_holds_is_not_believed_for_coming_from_there(running: Running, tmp_path: Path) -> None:
    """A changed file is refused and told; once it is right again, the gateway gets it by itself."""
    machine = Machine(tmp_path)
    site, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    director = next((running.folder.root / "catalogue" / "targets").rglob("*.director.json"))
    right = director.read_bytes()
    director.write_bytes(right.replace(b'"keys"', b'"keyz"'))
    async with linked(machine, fetching=SOON) as gateway:
        await until(lambda: bool(heard(running, site, events.CATALOGUE_REFUSED)), seconds=30)
        assert gateway.hello().catalogue == {}
        director.write_bytes(right)
        await until(lambda: gateway.hello().catalogue == running.parts.publication.versions, seconds=30)

    (refused, *_) = heard(running, site, events.CATALOGUE_REFUSED)
    assert refused.detail["code"] == "bad-signature"


async def test_a_gateway_without_its_broker_fetches_as_well(running: Running, tmp_path: Path) -> None:
    machine = await enrolled(running, tmp_path)
    configure(machine, broker_port=closed_port())
    away = msgspec.structs.replace(SOON, lacking_seconds=3600.0)
    async with linked(machine, fetching=away) as gateway:
        await until(lambda: gateway.hello().catalogue == running.parts.publication.versions, seconds=30)


async def test_a_server_that_does_not_help_is_asked_more_and_more_seldom(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and nothing else of the gateway waits for it."""
    asked: list[float] = []

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(asyncio.get_running_loop().time())
        writer.close()

    machine = await enrolled(running, tmp_path)
    async with standing(running, hang_up) as url:
        configure(machine, images_url=url, broker_port=closed_port())
        async with linked(machine, fetching=Patience(0.02, 0.02, 0.4)) as gateway:
            await until(lambda: len(asked) >= 12, seconds=60)
            assert gateway.hello().catalogue == {}

    assert (asked[11] - asked[7]) / 4 >= 0.2  # of single ones the machine's own delays make more or less
    told = [each for each in caplog.records if each.name == "bartizan_agent.catalogue_fetch"]
    assert [each.levelno for each in told] == [logging.WARNING]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/elsewhere\r\nContent-Length: 0\r\n\r\n", "answers 302"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "answers 500"),
        (b"rubbish\r\n\r\n", "does not give"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "does not give"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "does not give"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Rubbish: x\r\n" * 1000, "does not give"),
    ],
    ids=["redirect", "failure", "rubbish", "cut short", "never answers", "endless headers"],
)
async def test_what_a_bad_server_says_is_only_not_to_be_had(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    monkeypatch.setattr(server_files, "SILENCE_SECONDS", 0.5)
    machine = await enrolled(running, tmp_path)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if b"short" in answer:
            writer.close()
        await reader.read()  # until the gateway gives up

    async with standing(running, speak) as url:
        with (
            closing(ServerFiles(url, tls_of(machine), time.monotonic)) as files,
            pytest.raises(Unavailable, match=said),
        ):
            await asyncio.to_thread(files.__getitem__, "metadata/timestamp.json")
        assert files.came == {}


async def test_an_endless_file_is_cut_where_it_is_too_long_to_be_accepted(running: Running, tmp_path: Path) -> None:
    machine = await enrolled(running, tmp_path)

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(bytes(65536))
                await writer.drain()
                await asyncio.sleep(0)

    async with standing(running, pour) as url:
        with closing(ServerFiles(url, tls_of(machine), time.monotonic)) as files:
            came = await asyncio.to_thread(files.__getitem__, "metadata/timestamp.json")
            assert FILE_LIMIT <= len(came) < FILE_LIMIT + server_files.CHUNK
            with pytest.raises(Unavailable, match="is not fetched"):
                await asyncio.to_thread(lambda: [files[f"metadata/{number}.root.json"] for number in range(100)])


async def test_who_waits_for_a_silent_server_can_be_stopped(running: Running, tmp_path: Path) -> None:
    """The agent ends within moments, not after the silence."""
    machine, asked = await enrolled(running, tmp_path), asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    async with standing(running, be_silent) as url:
        files = ServerFiles(url, tls_of(machine), time.monotonic)

        async def stop() -> None:
            await asked.wait()
            files.close()

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(stop())
            with pytest.raises(Unavailable):
                await asyncio.to_thread(files.__getitem__, "metadata/timestamp.json")
    with pytest.raises(Unavailable):
        files["metadata/timestamp.json"]


async def enrolled(running: Running, folder: Path) -> Machine:
    machine = Machine(folder)
    _, token = await new_site(running)
    await machine.enrol(running.controller.api_url, token)
    return machine


def configure(machine: Machine, **controller: object) -> None:
    """Change where the configuration says that the controller is."""
    settings = load(machine.configuration)
    elsewhere = msgspec.structs.replace(settings.controller, **controller)
    machine.configuration.write_text(render(msgspec.structs.replace(settings, controller=elsewhere)), encoding="utf-8")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def tls_of(machine: Machine) -> ssl.SSLContext:
    keys = IdentityKeys(machine.places.keys)
    return client_context(keys.ca_file, keys.certificate_file, keys.tls_key_file)


@asynccontextmanager
async def standing(running: Running, answer: Answer) -> AsyncIterator[str]:
    """A server with a certificate of the controller's authority, and its own way to answer."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(running))
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def server_context(running: Running) -> ssl.SSLContext:
    issued = Authority(running.folder.keys).server(("127.0.0.1",), time.time())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        key.write_bytes(issued.key)
        certificate.write_bytes(issued.certificate)
        context.load_cert_chain(certificate, key)
    return context
